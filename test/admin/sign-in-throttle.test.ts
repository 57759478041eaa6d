import t from 'tap'
import { SignInThrottle } from '../../src/admin/sign-in-throttle.js'

function withClock() {
  const clock = { now: 1_000_000 }
  return { clock, throttle: new SignInThrottle(() => clock.now) }
}

t.test('five attempts are free, then each waits twice as long, up to a minute', async (t) => {
  const { clock, throttle } = withClock()
  for (let attempt = 1; attempt <= 5; attempt += 1) t.equal(throttle.attempt('ann', '192.0.2.1'), 0)
  const waits: number[] = []
  for (let attempt = 6; attempt <= 13; attempt += 1) {
    const wait = throttle.attempt('ann', '192.0.2.1')
    waits.push(wait)
    clock.now += wait
    t.equal(throttle.attempt('ann', '192.0.2.1'), 0, 'after the wait one attempt is possible')
  }
  t.same(waits, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000])
})

t.test('asking during the wait does not make it longer', async (t) => {
  const { clock, throttle } = withClock()
  for (let attempt = 1; attempt <= 5; attempt += 1) throttle.attempt('ann', 'a')
  for (let attempt = 1; attempt <= 100; attempt += 1) throttle.attempt('ann', 'a')
  clock.now += 1000
  t.equal(throttle.attempt('ann', 'a'), 0)
})

t.test('many at once are counted before any is known to be wrong', async (t) => {
  const { throttle } = withClock()
  const through = Array.from({ length: 100 }, () => throttle.attempt('ann', 'a')).filter((wait) => wait === 0)
  t.equal(through.length, 5)
})

t.test('neither another name nor another address is slowed', async (t) => {
  const { throttle } = withClock()
  for (let attempt = 1; attempt <= 6; attempt += 1) throttle.attempt('ann', 'a')
  t.ok(throttle.attempt('ann', 'a') > 0)
  t.equal(throttle.attempt('ann', 'b'), 0)
  t.equal(throttle.attempt('bob', 'a'), 0)
})

t.test('success forgets, and so does a quarter of an hour', async (t) => {
  const { clock, throttle } = withClock()
  for (let attempt = 1; attempt <= 4; attempt += 1) throttle.attempt('ann', 'a')
  throttle.succeeded('ann', 'a')
  t.equal(throttle.size, 0)
  for (let attempt = 1; attempt <= 6; attempt += 1) throttle.attempt('ann', 'a')
  clock.now += 15 * 60_000
  for (let attempt = 1; attempt <= 5; attempt += 1) t.equal(throttle.attempt('ann', 'a'), 0)
})

t.test('memory is bounded: the longest untouched are forgotten first', async (t) => {
  const { throttle } = withClock()
  for (let attempt = 1; attempt <= 5; attempt += 1) throttle.attempt('ann', 'a')
  for (let name = 0; name < 9_999; name += 1) throttle.attempt(`name ${name}`, 'x')
  t.ok(throttle.attempt('ann', 'a') > 0, 'still known')
  for (let name = 0; name < 20_000; name += 1) throttle.attempt(`other ${name}`, 'x')
  t.equal(throttle.size, 10_000)
  t.equal(throttle.attempt('ann', 'a'), 0)
})
