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
}

/** user -> binding: every contact is `sip:<user>@h`, so comparing URIs is comparing users. */
type Model = Map<string, Bound>

interface Request {
  contacts: { user: string; expires: number | undefined }[] | '*'
  callId: string
  cseq: number
}

function model(
  state: Model,
  { contacts, callId, cseq }: Request,
  now: number,
): { state: Model; status: number } {
  const live: Model = new Map([...state].filter(([, { expiresAt }]) => expiresAt > now))
  const stale = (bound: Bound | undefined) => bound?.callId === callId && bound.cseq >= cseq
  if (contacts === '*')
    return [...live.values()].some(stale) ? { state: live, status: 500 } : { state: new Map(), status: 200 }
  const asked = contacts.map(({ expires }) => expires ?? policy.defaultExpires)
  if (contacts.some(({ expires }) => expires !== undefined && expires > 0 && expires < policy.minExpires))
    return { state: live, status: 423 }
  if (contacts.some(({ user }) => stale(live.get(user)))) return { state: live, status: 500 }
  const next: Model = new Map(live)
  contacts.forEach(({ user }, i) => {
    const seconds = Math.min(asked[i] ?? 0, policy.maxExpires)
    if (seconds === 0) next.delete(user)
    else next.set(user, { callId, cseq, expiresAt: now + seconds * 1000 })
  })
  const grew = [...next.keys()].some((user) => !live.has(user))
  return grew && next.size > policy.maxContacts ? { state: live, status: 403 } : { state: next, status: 200 }
}

const contact = fc.record({
  user: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
  expires: fc.constantFrom(undefined, 0, 30, 60, 100, 5000),
})
const request: fc.Arbitrary<Request> = fc.record({
  contacts: fc.oneof(
    { weight: 8, arbitrary: fc.uniqueArray(contact, { maxLength: 4, selector: ({ user }) => user }) },
    { weight: 1, arbitrary: fc.constant('*' as const) },
  ),
  callId: fc.constantFrom('x', 'y'),
  cseq: fc.integer({ min: 1, max: 12 }),
})

function headers({ contacts, callId, cseq }: Request): Record<string, string> {
  const common = { 'call-id': callId, cseq: `${cseq} REGISTER` }
  if (contacts === '*') return { ...common, contact: '*', expires: '0' }
  const values = contacts.map(
    ({ user, expires }) => `<sip:${user}@h>${expires === undefined ? '' : `;expires=${expires}`}`,
  )
  return values.length === 0 ? common : { ...common, contact: values.join(', ') }
}

function users(bindings: Iterable<readonly [string, Bound]>): string {
  return [...bindings]
    .map(([user, { callId, cseq, expiresAt }]) => `${user} ${callId} ${cseq} ${expiresAt}`)
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
        const result = register(bindings, registerRequest(headers(request)), now, policy)
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
