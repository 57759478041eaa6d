/** A store in memory for tests of the SIP application alone: one object per account, every answer exact. */
import { hash } from '../../src/sip/digest.js'
import type {
  Binding,
  Credential,
  Registration,
  RegistrationChange,
  RegistrationOutcome,
  SipAccount,
  Store,
} from '../../src/store/types.js'

export const REALM = 'privateline'

export interface FakeAccount extends SipAccount {
  password: string
}

export function account(id: number, more: Partial<FakeAccount> = {}): FakeAccount {
  return {
    id,
    groupId: 1,
    username: String(1000 + id),
    virtualNumber: String(110 + id),
    displayName: `Person ${id}`,
    enabled: true,
    type: 'softphone',
    securityModel: 'standard',
    deny: [],
    permit: [],
    password: `secret-${id}`,
    ...more,
  }
}

export class FakeStore implements Pick<Store, 'directory' | 'registrations' | 'settings' | 'ping'> {
  readonly accounts: FakeAccount[]
  readonly bindings = new Map<number, readonly Binding[]>()
  readonly settingValues = new Map<string, string>()
  /** How many changes each transaction held. */
  readonly transactions: number[] = []
  readonly dead: { accountId: number; contact: string }[] = []
  /** Set to make everything fail, as it does when the database is away. */
  away = false
  /** Called within each transaction, for tests that hold one back or make it fail. */
  beforeCommit: (accountIds: readonly number[]) => Promise<void> = () => Promise.resolve()

  constructor(...accounts: FakeAccount[]) {
    this.accounts = accounts
  }

  #answer<T>(value: T): Promise<T> {
    return this.away ? Promise.reject(new Error('connection refused')) : Promise.resolve(value)
  }

  readonly directory: Store['directory'] = {
    credential: (username) => {
      const found = this.accounts.find((one) => one.username === username)
      const credential: Credential | undefined = found && {
        id: found.id,
        digestUsername: username,
        kind: 'password',
        ha1Md5: hash('MD5', `${username}:${REALM}:${found.password}`),
        ha1Sha256: hash('SHA-256', `${username}:${REALM}:${found.password}`),
        account: found,
      }
      return this.#answer(credential)
    },
    accountByNumber: (number) => this.#answer(this.accounts.find((one) => one.virtualNumber === number)),
    account: (id) => this.#answer(this.accounts.find((one) => one.id === id)),
    bindings: (accountId) => this.#answer(this.#registrations(accountId)),
  }

  #registrations(accountId: number): Registration[] {
    return (this.bindings.get(accountId) ?? []).map((binding, i) => ({ ...binding, id: i + 1, accountId }))
  }

  readonly registrations: Store['registrations'] = {
    apply: async <T>(changes: readonly RegistrationChange<T>[]): Promise<RegistrationOutcome<T>[]> => {
      await this.#answer(undefined)
      const next = new Map(this.bindings)
      const outcomes = changes.map((change): RegistrationOutcome<T> => {
        const { accountId } = change
        const found = this.accounts.find((one) => one.id === accountId)
        if (!found) return 'gone'
        const { bindings, result } = change.decide(next.get(accountId) ?? [], found)
        if (bindings) next.set(accountId, bindings)
        return { result }
      })
      await this.beforeCommit(changes.map(({ accountId }) => accountId))
      this.transactions.push(changes.length)
      for (const [id, bindings] of next) this.bindings.set(id, bindings)
      return outcomes
    },
    deleteDead: (accountId, contact) => {
      this.dead.push({ accountId, contact })
      return Promise.resolve(true)
    },
    list: () => Promise.reject(new Error('not of the SIP application')),
    delete: () => Promise.reject(new Error('not of the SIP application')),
    deleteExpired: () => this.#answer(0),
    onExpired: () => undefined,
    count: () => this.#answer(0),
  }

  readonly settings: Store['settings'] = {
    get: (key) => this.#answer(this.settingValues.get(key)),
    set: async (key, value) => void this.settingValues.set(key, value),
    getOrCreate: async (key, make) => {
      const value = this.settingValues.get(key) ?? make()
      this.settingValues.set(key, value)
      return value
    },
  }

  ping(): Promise<void> {
    return this.#answer(undefined)
  }
}
