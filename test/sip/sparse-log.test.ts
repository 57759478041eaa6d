import t from 'tap'
import { createSparseLines } from '../../src/sip/sparse-log.js'

function setUp(maxKinds?: number) {
  const clock = { now: 1_000_000 }
  const lines = createSparseLines({ now: () => clock.now, ...(maxKinds !== undefined && { maxKinds }) })
  return { clock, due: (kind: string) => lines.due(kind) }
}

t.test('the first of a kind gets its line at once, the next one stands for all of ten seconds', async (t) => {
  const { clock, due } = setUp()
  t.strictSame(due('a'), { count: 1 })
  for (let i = 0; i < 5; i++) t.equal(due('a'), undefined)
  t.strictSame(due('b'), { count: 1 }, 'another kind')
  clock.now += 9_999
  t.equal(due('a'), undefined)
  clock.now += 1
  t.strictSame(due('a'), { count: 7 })
  t.equal(due('a'), undefined)
})

t.test('a flood of kinds gets no more lines than the bound, and the rest is told as a number', async (t) => {
  const { clock, due } = setUp(3)
  const written = Array.from({ length: 1000 }, (_, i) => due(String(i))).filter(Boolean)
  t.equal(written.length, 3)
  due('2')
  clock.now += 10_000
  t.strictSame(due('new'), { count: 1, unlisted: 997 })
  t.strictSame(due('2'), { count: 2 }, 'a kind that is known keeps its count')
})

t.test('what is forgotten with a kind is told as well', async (t) => {
  const { clock, due } = setUp(1)
  due('a')
  due('a')
  clock.now += 10_000
  t.strictSame(due('b'), { count: 1, unlisted: 1 })
})
