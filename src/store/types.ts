/**
 * What the rest of the program knows of the store. SQL stays in this folder; SIP and HTTP stay out of it.
 * Times are milliseconds since the epoch unless a name says otherwise.
 */

import type { CallStore } from './call.js'
import type { SipEventStore } from './sip-event.js'

export type SecurityModel = 'standard' | 'end-to-site' | 'end-to-end'
export type AccountType = 'softphone' | 'deskphone'

export interface Group {
  id: number
  name: string
  itEmail: string | null
  itContact: string | null
  itPhone: string | null
  description: string | null
  accountCount: number
  createdAt: number
  updatedAt: number
}

export interface NewGroup {
  name: string
  itEmail?: string | null
  itContact?: string | null
  itPhone?: string | null
  description?: string | null
}

/** Absent = leave, null = clear. */
export type GroupPatch = Partial<NewGroup>

export interface Account {
  id: number
  groupId: number
  username: string
  virtualNumber: string
  displayName: string | null
  email: string | null
  mobile: string | null
  description: string | null
  visible: boolean
  type: AccountType
  securityModel: SecurityModel
  enabled: boolean
  /** Desk phones only. Canonical form `aa:bb:cc:dd:ee:ff`. */
  mac: string | null
  /** CIDR networks; deny is looked at first, then permit. */
  deny: string[]
  permit: string[]
  createdAt: number
  updatedAt: number
}

/** Digest hashes of a password in the configured realm (RFC 7616 §3.4.2: H(username:realm:password)), hex. */
export interface PasswordHashes {
  ha1Md5: string
  ha1Sha256: string
}

export interface NewAccount {
  username: string
  virtualNumber: string
  hashes: PasswordHashes
  displayName?: string | null
  email?: string | null
  mobile?: string | null
  description?: string | null
  visible?: boolean
  type?: AccountType
  securityModel?: SecurityModel
  enabled?: boolean
  mac?: string | null
  deny?: string[]
  permit?: string[]
}

/** Absent = leave, null = clear. A changed username needs new hashes, since they contain it. */
export type AccountPatch = Partial<NewAccount> & { groupId?: number }

/** The part of an account that a call needs; served from memory. */
export interface SipAccount {
  id: number
  groupId: number
  username: string
  virtualNumber: string
  displayName: string | null
  enabled: boolean
  type: AccountType
  securityModel: SecurityModel
  deny: readonly string[]
  permit: readonly string[]
}

export interface Credential {
  id: number
  digestUsername: string
  kind: 'password' | 'device'
  ha1Md5: string
  ha1Sha256: string
  account: SipAccount
}

export type SipTransport = 'udp' | 'tcp' | 'tls' | 'ws' | 'wss'

/** One binding of an address of record (RFC 3261 §10). */
export interface Binding {
  /** Contact URI exactly as the phone gave it, without header parameters. */
  contact: string
  /** `+sip.instance` value without quotes, RFC 5626 §4.1. */
  instance: string | null
  regId: number | null
  /** 0 to 1. */
  q: number
  callId: string
  cseq: number
  expiresAt: number
  /** Source `address:port` (IPv6 in brackets) of the REGISTER that made it, for the flow back. */
  source: string
  transport: SipTransport
  /** `host:port` (IPv6 in brackets) of the listener that got the REGISTER, as phones know it; null: not known. */
  receivedOn: string | null
  /** Path header values (RFC 3327), topmost first. */
  path: readonly string[]
  userAgent: string | null
  /** The node whose listener the phone is connected to. */
  node: string
  /** When this binding was first made. */
  createdAt: number
}

/** A binding as it stands in the database, with what a list of live registrations shows beside it. */
export interface Registration extends Binding {
  id: number
  accountId: number
}

export interface RegistrationListItem extends Registration {
  username: string
  virtualNumber: string
  displayName: string | null
  groupId: number
  groupName: string
}

/**
 * One REGISTER to be applied. `decide` is pure: it gets the live bindings of the account (expired ones are left out)
 * and says what they shall be; it is called with the account's row locked, once per transaction attempt.
 */
export interface RegistrationChange<T> {
  accountId: number
  decide(bindings: readonly Binding[], account: SipAccount): RegistrationDecision<T>
}

export interface RegistrationDecision<T> {
  /** All bindings from now on; absent: nothing is to be written. */
  bindings?: readonly Binding[]
  result: T
}

/** `gone`: the account was deleted before the change came to its turn. */
export type RegistrationOutcome<T> = { result: T } | 'gone'

export interface Page<T> {
  items: T[]
  /** Opaque cursor for `after`; null on the last page. */
  next: string | null
  total: number
}

export interface PageQuery {
  /** 1 to 500. */
  limit?: number | undefined
  after?: string | undefined
  search?: string | undefined
}

export type AdminRole = 'admin' | 'operator' | 'auditor'

export interface Admin {
  id: number
  username: string
  role: AdminRole
  enabled: boolean
  createdAt: number
  updatedAt: number
}

export interface AdminSession {
  id: number
  adminId: number
  username: string
  role: AdminRole
  expiresAt: number
  createdAt: number
}

export interface ApiToken {
  id: number
  name: string
  role: AdminRole
  createdAt: number
  expiresAt: number | null
  lastUsedAt: number | null
}

export interface GroupStore {
  create(group: NewGroup): Promise<Group>
  get(id: number): Promise<Group | undefined>
  list(query: PageQuery): Promise<Page<Group>>
  update(id: number, patch: GroupPatch): Promise<Group | undefined>
  /**
   * Deletes a group; with `cascade` its accounts, their credentials and bindings go with it. Rejects with
   * GroupNotEmpty (which carries the count) if accounts are left and `cascade` is false. Resolves to the number of
   * accounts that went with it, undefined if there is no such group.
   */
  delete(id: number, options: { cascade: boolean }): Promise<{ accounts: number } | undefined>
}

export interface AccountStore {
  /** Rejects with UsernameTaken, NumberTaken or GroupNotFound. */
  create(groupId: number, account: NewAccount): Promise<Account>
  get(id: number): Promise<Account | undefined>
  list(query: PageQuery & { groupId?: number | undefined }): Promise<Page<Account>>
  /** Disabling, new hashes or a new username end the account's bindings in the same transaction. */
  update(id: number, patch: AccountPatch): Promise<Account | undefined>
  delete(id: number): Promise<boolean>
  /** A free numeric username, random. */
  suggestUsername(): Promise<string>
}

/** What the SIP side asks on every request; answered from memory, exact after every change (see docs/decisions). */
export interface SipDirectory {
  credential(digestUsername: string): Promise<Credential | undefined>
  accountByNumber(virtualNumber: string): Promise<SipAccount | undefined>
  account(id: number): Promise<SipAccount | undefined>
  /** Live bindings of an account, newest first. */
  bindings(accountId: number): Promise<readonly Registration[]>
}

export interface RegistrationStore {
  /**
   * Applies many REGISTERs in one transaction: accounts locked in id order, `decide` per change in the order given,
   * one multi-row statement each way. Resolves, in the order given, after the commit; rejects if nothing was committed.
   */
  apply<T>(changes: readonly RegistrationChange<T>[]): Promise<RegistrationOutcome<T>[]>
  list(query: PageQuery & { accountId?: number | undefined }): Promise<Page<RegistrationListItem>>
  delete(id: number): Promise<boolean>
  /** Removes one binding because its flow is dead; a newer registration of that contact is left alone. */
  deleteDead(accountId: number, contact: string, callId: string, cseq: number): Promise<boolean>
  /** Removes expired rows; resolves to their number. */
  deleteExpired(): Promise<number>
  /** Tells of bindings that this node has removed since they had expired, once each, after the commit. */
  onExpired(listener: (expired: readonly Registration[]) => void): void
  count(): Promise<number>
}

export interface AdminStore {
  create(admin: { username: string; passwordHash: string; role: AdminRole }): Promise<Admin>
  list(): Promise<Admin[]>
  get(id: number): Promise<Admin | undefined>
  /** Rejects with LastAdmin if no enabled admin of role `admin` would be left. */
  update(
    id: number,
    patch: { passwordHash?: string; role?: AdminRole; enabled?: boolean },
  ): Promise<Admin | undefined>
  /** Rejects with LastAdmin likewise. */
  delete(id: number): Promise<boolean>
  passwordHash(username: string): Promise<{ admin: Admin; passwordHash: string } | undefined>
  createSession(session: {
    adminId: number
    tokenHash: string
    csrfHash: string
    expiresAt: number
  }): Promise<AdminSession>
  /** Live session of an enabled admin; undefined if expired or ended. */
  session(tokenHash: string): Promise<(AdminSession & { csrfHash: string }) | undefined>
  deleteSession(id: number): Promise<boolean>
  createToken(token: {
    name: string
    tokenHash: string
    role: AdminRole
    expiresAt: number | null
  }): Promise<ApiToken>
  tokens(): Promise<ApiToken[]>
  /** Live token; its last use is noted, at most once a minute. */
  token(tokenHash: string): Promise<ApiToken | undefined>
  deleteToken(id: number): Promise<boolean>
}

export interface SettingsStore {
  get(key: string): Promise<string | undefined>
  set(key: string, value: string): Promise<void>
  /** The value stored under the key; if there is none, `make()` is stored and returned. Safe against two at once. */
  getOrCreate(key: string, make: () => string): Promise<string>
}

/**
 * Told, on every node, right after a change of accounts was committed (on this node: before the changing call
 * resolves); not of bindings. It may be told once too often, after a change that failed.
 */
export type ChangeListener = (change: { accountIds: readonly number[] } | 'everything') => void

export interface Store {
  readonly calls: CallStore
  readonly sipEvents: SipEventStore
  readonly groups: GroupStore
  readonly accounts: AccountStore
  readonly directory: SipDirectory
  readonly registrations: RegistrationStore
  readonly admins: AdminStore
  readonly settings: SettingsStore
  onChange(listener: ChangeListener): () => void
  /** Rejects if the database does not answer within `timeoutMs`. */
  ping(timeoutMs: number): Promise<void>
  close(): Promise<void>
}
