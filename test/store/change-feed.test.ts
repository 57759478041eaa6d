import fc from 'fast-check'
import t from 'tap'
import { decodeChange, encodeChange } from '../../src/store/change-feed.js'

t.test('what is told arrives, in payloads that PostgreSQL takes', async () => {
  const ids = fc.array(fc.integer({ min: 1, max: 2 ** 31 - 1 }), { maxLength: 5000 })
  fc.assert(
    fc.property(ids, fc.constantFrom('accounts' as const, 'bindings' as const), (list, kind) => {
      const payloads = encodeChange('me', { kind, ids: list })
      const decoded = payloads.map((payload) => decodeChange(payload))
      return (
        payloads.every((payload) => Buffer.byteLength(payload) < 8000) &&
        decoded.every(
          ({ origin, change }) => origin === 'me' && change !== 'everything' && change.kind === kind,
        ) &&
        JSON.stringify(decoded.flatMap(({ change }) => (change === 'everything' ? [] : change.ids))) ===
          JSON.stringify(list)
      )
    }),
  )
})

t.test('what cannot be understood means everything', async (t) => {
  t.same(decodeChange(encodeChange('me', 'everything')[0] ?? ''), { origin: 'me', change: 'everything' })
  for (const payload of [
    '',
    'x',
    'x accounts',
    'x accounts 1,,2',
    'x accounts 1;2',
    'x devices 1',
    'x bindings -1',
  ]) {
    t.equal(decodeChange(payload).change, 'everything', payload)
  }
})
