import { randomUUID } from 'node:crypto'
import type { NewCall } from '../../src/store/call.js'
import type { NewSipEvent } from '../../src/store/sip-event.js'
import type { Binding, NewAccount, RegistrationChange, Store } from '../../src/store/types.js'

export const hashes = (seed: string) => ({ ha1Md5: `md5-${seed}`, ha1Sha256: `sha256-${seed}` })

/** Account `n`: username `100n`, number `n`. */
export function newAccount(n: number, rest: Partial<NewAccount> = {}): NewAccount {
  return { username: String(1000 + n), virtualNumber: String(n), hashes: hashes(String(n)), ...rest }
}

/** A store's first group with so many accounts, 1 to `count`. */
export async function withAccounts(store: Store, count: number) {
  const group = await store.groups.create({ name: 'Sales' })
  const accounts = []
  for (let n = 1; n <= count; n += 1) accounts.push(await store.accounts.create(group.id, newAccount(n)))
  return { group, accounts, ids: accounts.map(({ id }) => id) }
}

export function binding(contact: string, rest: Partial<Binding> = {}): Binding {
  return {
    contact,
    instance: null,
    regId: null,
    q: 1,
    callId: `call of ${contact}`,
    cseq: 1,
    expiresAt: Date.now() + 3_600_000,
    source: '192.0.2.1:5060',
    transport: 'udp',
    receivedOn: null,
    path: [],
    userAgent: null,
    node: 'test',
    createdAt: 1_700_000_000_000,
    ...rest,
  }
}

/** A change that replaces all bindings. */
export function become(accountId: number, ...bindings: Binding[]): RegistrationChange<readonly Binding[]> {
  return { accountId, decide: (before) => ({ bindings, result: before }) }
}

/** A change that adds bindings to those there are. */
export function add(accountId: number, ...more: Binding[]): RegistrationChange<readonly Binding[]> {
  return { accountId, decide: (before) => ({ bindings: [...before, ...more], result: before }) }
}

export const callsBegin = Date.UTC(2026, 10, 24, 12)

/** An answered call that goes on, of account 1 in group 1 to account 2 in group 2. */
export function aCall(n: number, more: Partial<NewCall> = {}): NewCall {
  const device = { address: '192.0.2.1:5060', transport: 'udp', cipher: null, userAgent: null } as const
  return {
    callId: `call ${n}`,
    callerTag: 'a',
    calleeTag: 'b',
    startedAt: callsBegin + n,
    rangAt: callsBegin + n + 100,
    answeredAt: callsBegin + n + 2000,
    endedAt: null,
    endedBy: null,
    disposition: 'ANSWERED',
    sipStatus: 200,
    sipReason: 'OK',
    explanation: null,
    securityModel: 'standard',
    devices: 1,
    caller: { accountId: 1, number: '111', name: 'Ann', groupId: 1, ...device },
    callee: { accountId: 2, number: '222', name: 'Bob', groupId: 2, ...device },
    ...more,
  }
}

/** The callee of a number that nobody has. */
export const ofNobody = {
  ...{ accountId: null, number: '999', name: null, groupId: null },
  ...{ address: null, transport: null, cipher: null, userAgent: null },
}

export function aSipEvent(rest: Partial<NewSipEvent> = {}): NewSipEvent {
  return {
    key: randomUUID(),
    at: Date.UTC(2026, 10, 24, 12),
    type: 'REGISTER',
    accountId: null,
    username: null,
    address: '192.0.2.1:5060',
    transport: 'udp',
    cipher: null,
    contact: null,
    userAgent: null,
    reason: null,
    count: 1,
    ...rest,
  }
}
