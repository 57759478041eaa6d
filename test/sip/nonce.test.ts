import { randomBytes } from 'node:crypto'
import t from 'tap'
import fc from 'fast-check'
import { createNonces } from '../../src/sip/nonce.js'
import { createNonceCounts } from '../../src/sip/nonce-counts.js'

function nonces(options: { secret?: Buffer; realm?: string; clock?: { now: number } } = {}) {
  return createNonces({
    secret: options.secret ?? Buffer.from('the secret of all nodes'),
    realm: options.realm ?? 'privateline',
    lifetimeSeconds: 60,
    now: () => options.clock?.now ?? 0,
    random: randomBytes,
  })
}

t.test('a nonce is good until it expires, and stale afterwards', async (t) => {
  const clock = { now: 1_000_000 }
  const own = nonces({ clock })
  const nonce = own.issue()
  t.match(nonce, /^[\w-]{44}$/)
  clock.now += 59_000
  t.strictSame(own.check(nonce), { serial: 1, ageSeconds: 59 })
  clock.now += 1000
  t.equal(own.check(nonce), 'stale')
})

t.test('no two nonces are equal', async (t) => {
  const own = nonces()
  t.equal(new Set(Array.from({ length: 1000 }, () => own.issue())).size, 1000)
})

t.test('a nonce of another start is stale; of another secret or realm, it is none', async (t) => {
  const nonce = nonces().issue()
  t.equal(nonces().check(nonce), 'stale')
  t.equal(nonces({ secret: Buffer.from('other') }).check(nonce), 'invalid')
  t.equal(nonces({ realm: 'other' }).check(nonce), 'invalid')
})

t.test('no text but an issued one is taken for a nonce', async () => {
  const own = nonces()
  const nonce = own.issue()
  fc.assert(fc.property(fc.string({ maxLength: 60 }), (text) => own.check(text) === 'invalid'))
  fc.assert(
    fc.property(fc.nat({ max: 43 }), fc.constantFrom(...'abcXYZ019-_'), (at, c) => {
      fc.pre(nonce[at] !== c)
      return own.check(nonce.slice(0, at) + c + nonce.slice(at + 1)) === 'invalid'
    }),
  )
})

t.test('a count is accepted once, whatever the order, as long as it is within the window', async () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 80 }), { maxLength: 200 }), (sequence) => {
      const counts = createNonceCounts(4)
      const used = new Set<number>()
      let top = 0
      for (const count of sequence) {
        const accepted = counts.use(1, count)
        if (used.has(count) && accepted) return false
        if (!used.has(count) && count > top - 32 && !accepted) return false
        if (accepted) used.add(count)
        top = Math.max(top, count)
      }
      return true
    }),
  )
})

t.test('a jump to the highest count leaves the replay of all earlier ones refused', async (t) => {
  const counts = createNonceCounts()
  t.ok(counts.use(1, 1))
  t.ok(counts.use(1, 0xffffffff))
  t.notOk(counts.use(1, 0xffffffff))
  t.notOk(counts.use(1, 1))
  t.ok(counts.use(1, 0xfffffff0))
})

t.test(
  'a nonce whose place was taken by a younger one is refused, so nothing is accepted twice',
  async () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 4 }))),
        (uses) => {
          const counts = createNonceCounts(8)
          const accepted = new Set<string>()
          for (const [serial, count] of uses) {
            const key = `${serial}:${count}`
            if (!counts.use(serial, count)) continue
            if (accepted.has(key)) return false
            accepted.add(key)
          }
          return true
        },
      ),
    )
  },
)

t.test('a client that does not count has one use of a nonce', async (t) => {
  const counts = createNonceCounts()
  t.ok(counts.useOnce(5))
  t.notOk(counts.useOnce(5))
  t.notOk(counts.use(5, 1))
  t.ok(counts.use(6, 1))
  t.notOk(counts.useOnce(6))
})
