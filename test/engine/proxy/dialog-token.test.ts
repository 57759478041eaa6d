import t from 'tap'
import fc from 'fast-check'
import { DialogTokens } from '../../../src/engine/proxy/dialog-token.js'

const tokens = new DialogTokens(Buffer.alloc(32, 7))
const state = {
  caller: { transport: 'tcp', address: '192.0.2.1', port: 40001, listens: 5060, device: 'aB3-_aB3-_aB3-_x' },
  callee: { transport: 'udp', address: '2001:db8::2', port: 5060, on: { host: '2001:db8::1', port: 5090 } },
  shownFrom: '"Zo\xc3\xab | \\"x\\"" <sip:111@example.org>',
} as const

t.test('a token is good for its dialog, from both sides, and tells the sides apart', async (t) => {
  const token = tokens.issue('call', 'alice', state)
  t.strictSame(tokens.verify(token, 'call', 'alice', 'bob'), { fromCaller: true, ...state })
  t.strictSame(tokens.verify(token, 'call', 'bob', 'alice'), { fromCaller: false, ...state })
  t.match(token, /^[\w-]+$/, 'fits into a URI parameter as it is')
})

t.test('a token is good for nothing else', async (t) => {
  const token = tokens.issue('call', 'alice', state)
  t.equal(tokens.verify(token, 'other call', 'alice', 'bob'), undefined)
  t.equal(tokens.verify(token, 'call', 'mallory', 'bob'), undefined)
  t.equal(tokens.verify(token, 'call', undefined, 'alice'), undefined)
  t.equal(tokens.verify('', 'call', 'alice', 'bob'), undefined)
  t.equal(
    new DialogTokens(Buffer.alloc(32, 8)).verify(token, 'call', 'alice', 'bob'),
    undefined,
    'another key',
  )
})

t.test('a token is good for a week', async (t) => {
  let now = Date.parse('2026-11-24T12:00:00Z')
  const clocked = new DialogTokens(Buffer.alloc(32, 7), () => now)
  const token = clocked.issue('call', 'alice', state)
  now += 7 * 24 * 3_600_000
  t.ok(clocked.verify(token, 'call', 'alice', 'bob'))
  now += 3_600_000
  t.equal(clocked.verify(token, 'call', 'alice', 'bob'), undefined)
})

t.test('a token with one character changed is refused', async () => {
  const token = tokens.issue('call', 'alice', state)
  fc.assert(
    fc.property(fc.nat(token.length - 1), fc.constantFrom(...'AZaz09-_'), (at, character) => {
      const changed = token.slice(0, at) + character + token.slice(at + 1)
      return changed === token || tokens.verify(changed, 'call', 'alice', 'bob') === undefined
    }),
  )
})

t.test('a short key is refused', async (t) => {
  t.throws(() => new DialogTokens(Buffer.alloc(16)), RangeError)
})
