import type pg from 'pg'
import type { Change, ChangeFeed } from './change-feed.js'
import { newestFirst, registrationColumns, rowToRegistration } from './registration-row.js'
import type { RegistrationRow } from './registration-row.js'
import { rowToSipAccount, sipAccountColumns } from './sip-account.js'
import type { SipAccountRow } from './sip-account.js'
import type { Credential, Registration, SipAccount, SipDirectory } from './types.js'

/** Everything known of one account. Its bindings are loaded when they are first asked for. */
interface Entry {
  account: SipAccount
  credentials: Map<string, Credential>
  bindings: readonly Registration[] | undefined
  /** Value of the clock when the bindings were last told to have changed. */
  bindingsChangedAt: number
}

interface CredentialRow extends SipAccountRow {
  credential_id: number | null
  digest_username: string
  kind: 'password' | 'device'
  ha1_md5: string
  ha1_sha256: string
}

/** Answers that are on their way; whoever asks the same meanwhile gets the same answer. */
interface Load<T> {
  startedAt: number
  answer: Promise<T>
}

export interface DirectoryLimits {
  /** Most accounts held in memory; the one that was not asked for the longest goes first. */
  accounts: number
  /** Most names, numbers and ids held that don't exist. */
  absent: number
}

/** Longest name or number that is held as absent: names come from the network, and memory is ours. */
const longestAbsent = 64

/** A registration transaction in progress, as the directory sees it. */
export interface BindingsWrite {
  /** After the commit: the bindings that each account now has, in any order. */
  committed(bindings: ReadonlyMap<number, readonly Registration[]>): void
}

export interface Directory extends SipDirectory {
  /** To be called before the transaction reads anything. */
  beginBindingsWrite(): BindingsWrite
}

const accountQuery = (condition: string) => `
  select ${sipAccountColumns}, c.id as credential_id, c.digest_username, c.kind, c.ha1_md5, c.ha1_sha256
  from accounts a left join credentials c on c.account_id = a.id and c.revoked_at is null
  where ${condition}`

const queries = {
  username: {
    name: 'directory_username',
    text: accountQuery(
      'a.id = (select account_id from credentials where digest_username = $1 and revoked_at is null)',
    ),
  },
  number: { name: 'directory_number', text: accountQuery('a.virtual_number = $1') },
  id: { name: 'directory_id', text: accountQuery('a.id = $1::bigint') },
}

const bindingsQuery = {
  name: 'directory_bindings',
  text: `select ${registrationColumns} from registrations r where r.account_id = $1`,
}

/**
 * Accounts, credentials and bindings from memory, loaded when first asked for and exact after every change: see
 * docs/decisions/change-feed.md for the rule. `now`: milliseconds, decides which bindings have expired.
 */
export function createDirectory(
  pool: pg.Pool,
  feed: ChangeFeed,
  now: () => number,
  limits: DirectoryLimits = { accounts: 200_000, absent: 10_000 },
): Directory {
  const entries = new Map<number, Entry>()
  const idByUsername = new Map<string, number>()
  const idByNumber = new Map<string, number>()
  /** Keys `username:…`, `number:…`, `id:…` that have no account. */
  const absent = new Set<string>()
  const accountLoads = new Map<string, Load<Entry | undefined>>()
  const bindingLoads = new Map<number, Load<readonly Registration[]>>()
  // Counts changes. What was read while a change came in must not be kept, and must not be given to those who ask
  // after it: so everything read remembers where the clock stood when it began.
  let clock = 0
  let accountsChangedAt = 0

  feed.onChange(invalidate)

  function invalidate(change: Change): void {
    clock += 1
    if (change === 'everything') {
      for (const map of [entries, idByUsername, idByNumber, absent]) map.clear()
      accountsChangedAt = clock
      bindingLoads.clear()
    } else if (change.kind === 'bindings') {
      for (const id of change.ids) forgetBindings(id)
    } else {
      change.ids.forEach(forget)
      absent.clear()
      accountsChangedAt = clock
    }
  }

  function forgetBindings(id: number): void {
    const entry = entries.get(id)
    if (!entry) return
    entry.bindings = undefined
    entry.bindingsChangedAt = clock
  }

  function forget(id: number): void {
    const entry = entries.get(id)
    if (!entry) return
    entries.delete(id)
    for (const username of entry.credentials.keys()) idByUsername.delete(username)
    idByNumber.delete(entry.account.virtualNumber)
  }

  function remember(entry: Entry): void {
    forget(entry.account.id)
    entries.set(entry.account.id, entry)
    for (const username of entry.credentials.keys()) idByUsername.set(username, entry.account.id)
    idByNumber.set(entry.account.virtualNumber, entry.account.id)
    if (entries.size > limits.accounts) forget(first(entries.keys()))
  }

  function rememberAbsent(key: string): void {
    if (key.length > longestAbsent) return
    absent.add(key)
    if (absent.size > limits.absent) absent.delete(first(absent.values()))
  }

  /** The entry of a known id; moves it to the young end of the map. */
  function touch(id: number | undefined): Entry | undefined {
    if (id === undefined) return undefined
    const entry = entries.get(id)
    if (!entry) return undefined
    entries.delete(id)
    entries.set(id, entry)
    return entry
  }

  async function readEntry(by: keyof typeof queries, value: string | number): Promise<Entry | undefined> {
    const { rows } = await pool.query<CredentialRow>({ ...queries[by], values: [value] })
    const [row] = rows
    if (!row) return undefined
    const account = rowToSipAccount(row)
    const credentials = new Map<string, Credential>()
    for (const each of rows) {
      if (each.credential_id === null) continue
      credentials.set(each.digest_username, {
        id: each.credential_id,
        digestUsername: each.digest_username,
        kind: each.kind,
        ha1Md5: each.ha1_md5,
        ha1Sha256: each.ha1_sha256,
        account,
      })
    }
    return { account, credentials, bindings: undefined, bindingsChangedAt: clock }
  }

  async function find(by: keyof typeof queries, value: string | number): Promise<Entry | undefined> {
    // PostgreSQL's text can't hold NUL and refuses to compare with it.
    if (typeof value === 'string' && value.includes('\0')) return undefined
    if (!feed.live) return readEntry(by, value)
    const key = `${by}:${value}`
    if (absent.has(key)) return undefined
    const current = accountLoads.get(key)
    if (current && current.startedAt >= accountsChangedAt) return current.answer
    const startedAt = clock
    const answer = readEntry(by, value)
      .then((entry) => {
        if (startedAt < accountsChangedAt || !feed.live) return entry
        if (!entry) return void rememberAbsent(key)
        // Loaded meanwhile under another key, perhaps with its bindings.
        const known = entries.get(entry.account.id)
        if (known) return known
        remember(entry)
        return entry
      })
      .finally(() => {
        if (accountLoads.get(key)?.startedAt === startedAt) accountLoads.delete(key)
      })
    accountLoads.set(key, { startedAt, answer })
    return answer
  }

  async function readBindings(id: number): Promise<readonly Registration[]> {
    const { rows } = await pool.query<RegistrationRow>({ ...bindingsQuery, values: [id] })
    return rows.map(rowToRegistration).sort(newestFirst)
  }

  async function loadBindings(id: number, entry: Entry): Promise<readonly Registration[]> {
    if (!feed.live) return readBindings(id)
    const current = bindingLoads.get(id)
    if (current && current.startedAt >= entry.bindingsChangedAt) return current.answer
    const startedAt = clock
    const answer = readBindings(id)
      .then((bindings) => {
        if (feed.live && entries.get(id) === entry && startedAt >= entry.bindingsChangedAt)
          entry.bindings = bindings
        return bindings
      })
      .finally(() => {
        if (bindingLoads.get(id)?.startedAt === startedAt) bindingLoads.delete(id)
      })
    bindingLoads.set(id, { startedAt, answer })
    return answer
  }

  return {
    async credential(digestUsername) {
      const entry = touch(idByUsername.get(digestUsername)) ?? (await find('username', digestUsername))
      return entry?.credentials.get(digestUsername)
    },

    async accountByNumber(virtualNumber) {
      return (touch(idByNumber.get(virtualNumber)) ?? (await find('number', virtualNumber)))?.account
    },

    async account(id) {
      return (touch(id) ?? (await find('id', id)))?.account
    },

    async bindings(accountId) {
      const entry = touch(accountId) ?? (await find('id', accountId))
      if (!entry) return []
      const bindings = entry.bindings ?? (await loadBindings(accountId, entry))
      const time = now()
      return bindings.some(({ expiresAt }) => expiresAt <= time)
        ? bindings.filter(({ expiresAt }) => expiresAt > time)
        : bindings
    },

    beginBindingsWrite() {
      const startedAt = clock
      return {
        committed(written) {
          clock += 1
          for (const [id, bindings] of written) {
            const entry = entries.get(id)
            if (!entry) continue
            // Another change came in between: which of the two is the newer can't be told here.
            const exact = feed.live && entry.bindingsChangedAt <= startedAt
            entry.bindings = exact ? [...bindings].sort(newestFirst) : undefined
            entry.bindingsChangedAt = clock
          }
        },
      }
    },
  }
}

function first<T>(values: Iterator<T>): T {
  return values.next().value as T
}
