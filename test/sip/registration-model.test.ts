/** The registrar as a state machine, beside a model of RFC 3261 §10.3 that is too simple to be wrong. */
import t from 'tap'
import fc from 'fast-check'
import { register } from '../../src/sip/registration.js'
import type { Binding } from '../../src/store/types.js'
import { NOW, registerRequest } from './registers.js'

const policy = { minExpires: 60, defaultExpires: 600, maxExpires: 1000, maxContacts: 3 }

interface Bound {
  callId: string
  cseq: number
  expiresAt: number
  instance: string | null
  transport: 'udp' | 'tcp'
}

/** user -> binding: every contact is `sip:<user>@h`, so comparing URIs is comparing users. The newest stands last. */
type Model = Map<string, Bound>

interface Request {
  contacts: { user: string; expires: number | undefined; instance: string | null }[] | '*'
  callId: string
  cseq: number
  /** All come from one host and one program. */
  transport: 'udp' | 'tcp'
}

function model(
  state: Model,
  { contacts, callId, cseq, transport }: Request,
  now: number,
): { state: Model; status: number } {
  const live: Model = new Map([...state].filter(([, { expiresAt }]) => expiresAt > now))
  const stale = (bound: Bound | undefined) => bound?.callId === callId && bound.cseq >= cseq
  if (contacts === '*')
    return [...live.values()].some(stale) ? { state: live, status: 500 } : { state: new Map(), status: 200 }
  if (contacts.some(({ expires }) => expires !== undefined && expires > 0 && expires < policy.minExpires))
    return { state: live, status: 423 }
  const named = new Set(contacts.map(({ user }) => user))
  const next: Model = new Map(live)
  let grew = false
  for (const { user, expires, instance } of contacts) {
    const seconds = Math.min(expires ?? policy.defaultExpires, policy.maxExpires)
    const replaced = [...next].filter(
      ([other, bound]) =>
        other === user ||
        (seconds > 0 && instance !== null && bound.instance === instance && !named.has(other)),
    )
    if (replaced.some(([, bound]) => stale(bound))) return { state: live, status: 500 }
    for (const [other] of replaced) next.delete(other)
    if (seconds === 0) continue
    next.set(user, { callId, cseq, expiresAt: now + seconds * 1000, instance, transport })
    grew ||= replaced.length === 0
  }
  while (grew && next.size > policy.maxContacts) {
    const left = [...next]
      .filter(([user, bound]) => transport === 'tcp' && bound.transport === 'tcp' && !named.has(user))
      .sort(([, a], [, b]) => a.expiresAt - b.expiresAt)[0]
    if (!left) return { state: live, status: 403 }
    next.delete(left[0])
  }
  return { state: next, status: 200 }
}

const contact = fc.record({
  user: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
  expires: fc.constantFrom(undefined, 0, 30, 60, 100, 5000),
  instance: fc.constantFrom(null, null, '<i>', '<j>'),
})
const request: fc.Arbitrary<Request> = fc.record({
  contacts: fc.oneof(
    { weight: 8, arbitrary: fc.uniqueArray(contact, { maxLength: 4, selector: ({ user }) => user }) },
    { weight: 1, arbitrary: fc.constant('*' as const) },
  ),
  callId: fc.constantFrom('x', 'y'),
  cseq: fc.integer({ min: 1, max: 12 }),
  transport: fc.constantFrom('udp', 'tcp'),
})

function headers({ contacts, callId, cseq }: Request): Record<string, string> {
  const common = { 'call-id': callId, cseq: `${cseq} REGISTER`, 'user-agent': 'Fon' }
  if (contacts === '*') return { ...common, contact: '*', expires: '0' }
  const values = contacts.map(
    ({ user, expires, instance }) =>
      `<sip:${user}@h>${expires === undefined ? '' : `;expires=${expires}`}${instance === null ? '' : `;+sip.instance="${instance}"`}`,
  )
  return values.length === 0 ? common : { ...common, contact: values.join(', ') }
}

function users(bindings: Iterable<readonly [string, Omit<Bound, 'transport'>]>): string {
  return [...bindings]
    .map(
      ([user, { callId, cseq, expiresAt, instance }]) => `${user} ${callId} ${cseq} ${expiresAt} ${instance}`,
    )
    .sort()
    .join('\n')
}

t.test('any sequence of REGISTERs leaves what the model says, and is answered as it says', async () => {
  const step = fc.record({ request, pauseSeconds: fc.constantFrom(0, 1, 50, 400) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      let now = NOW
      let state: Model = new Map()
      let bindings: readonly Binding[] = []
      for (const { request, pauseSeconds } of steps) {
        now += pauseSeconds * 1000
        const expected = model(state, request, now)
        const asked = { ...registerRequest(headers(request)), transport: request.transport }
        const result = register(bindings, asked, now, policy)
        state = expected.state
        bindings = result.bindings ?? bindings.filter(({ expiresAt }) => expiresAt > now)
        if (result.reply.status !== expected.status) return false
        const actual = bindings.map((one) => [one.contact.slice(4, -2), one] as const)
        if (users(actual) !== users(state)) return false
        const listed = result.reply.headers?.['Contact'] ?? []
        if (result.reply.status === 200 && listed.length !== state.size) return false
      }
      return true
    }),
    { numRuns: 300 },
  )
})
