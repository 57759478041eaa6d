import t from 'tap'
import { createGuesses } from '../../src/sip/guesses.js'

function setUp(more: { limit?: number; maxPairs?: number } = {}) {
  const clock = { now: 1_000_000 }
  const guesses = createGuesses({ now: () => clock.now, ...more })
  const wrong = (times: number, address = '192.0.2.1', username = '1001') =>
    Array.from({ length: times }, () => guesses.wrong(address, username)).lastIndexOf(true) + 1
  const closed = (address = '192.0.2.1', username = '1001') => guesses.isClosed(address, username)
  return { clock, wrong, closed }
}

t.test('ten wrong answers within a minute close a pair of address and username, and no other', async (t) => {
  const { wrong, closed } = setUp()
  t.equal(wrong(9), 0)
  t.notOk(closed())
  t.equal(wrong(1), 1, 'the tenth is told')
  t.ok(closed())
  t.notOk(closed('192.0.2.2'), 'the same user elsewhere')
  t.notOk(closed('192.0.2.1', '1002'), 'another behind the same NAT')
})

t.test('it opens a minute after the last wrong answer that was counted', async (t) => {
  const { clock, wrong, closed } = setUp()
  wrong(1)
  clock.now += 59_000
  t.equal(wrong(9), 9)
  clock.now += 59_999
  t.ok(closed())
  clock.now += 1
  t.notOk(closed())
  t.equal(wrong(10), 10, 'and closes again as before')
})

t.test('a phone with an old password that tries twice a minute is never shut out', async (t) => {
  const { clock, wrong, closed } = setUp()
  for (let i = 0; i < 100; i++) {
    t.equal(wrong(1), 0)
    t.notOk(closed())
    clock.now += 30_000
  }
})

t.test('memory is bounded: those that were wrong longest ago are forgotten', async (t) => {
  const { wrong, closed } = setUp({ limit: 2, maxPairs: 2 })
  wrong(1, 'a')
  wrong(1, 'b')
  wrong(1, 'a')
  wrong(1, 'c')
  t.ok(closed('a'))
  t.equal(wrong(1, 'b'), 0, 'b counts from one again')
  t.notOk(closed('a'), 'a was the oldest then')
})

t.test('names longer than any account has are one', async (t) => {
  const { wrong, closed } = setUp()
  for (let i = 0; i < 10; i++) wrong(1, 'a', 'x'.repeat(64) + i)
  t.ok(closed('a', 'x'.repeat(5000)))
})
