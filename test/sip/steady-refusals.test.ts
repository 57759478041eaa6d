import { mock } from 'node:test'
import t from 'tap'
import { createSteadyRefusals } from '../../src/sip/steady-refusals.js'

type Result = 'refused' | 'ok'

/** Time stands still but for `tick`; `settled` tells when each answer came, in ms after its request. */
function setUp(t: { teardown(fn: () => unknown): unknown }, maxHeld?: number) {
  mock.timers.enable({ apis: ['setInterval', 'setTimeout'] })
  t.teardown(() => mock.timers.reset())
  let now = 0
  const settled: Record<string, number> = {}
  const refusals = createSteadyRefusals<Result>(100, maxHeld)
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  return {
    settled,
    start: (name: string, takesMs: number, result: Result | Error) => {
      const startedAt = now
      const work = async () => {
        if (takesMs > 0) await new Promise((resolve) => setTimeout(resolve, takesMs))
        if (result instanceof Error) throw result
        return result
      }
      const note = () => void (settled[name] = now - startedAt)
      refusals.hold(work, (one) => one === 'refused').then(note, note)
    },
    pass: async (ms: number) => {
      await turn()
      for (let i = 0; i < ms; i++) {
        now++
        mock.timers.tick(1)
        await turn()
      }
    },
  }
}

t.test('a refusal from memory and one from a slow database come at the same time', async (t) => {
  const { start, pass, settled } = setUp(t)
  start('memory', 0, 'refused')
  start('database', 40, 'refused')
  start('slow database', 99, 'refused')
  await pass(99)
  t.strictSame(settled, {})
  await pass(1)
  t.strictSame(settled, { memory: 100, database: 100, 'slow database': 100 })
})

t.test('one that took longer than that comes at the next multiple of it', async (t) => {
  const { start, pass, settled } = setUp(t)
  start('one', 101, 'refused')
  start('other', 180, 'refused')
  await pass(400)
  t.strictSame(settled, { one: 200, other: 200 })
})

t.test('nothing but refusals is held back', async (t) => {
  const { start, pass, settled } = setUp(t)
  start('accepted', 0, 'ok')
  start('failed', 7, new Error('database away'))
  await pass(10)
  t.strictSame(settled, { accepted: 0, failed: 7 })
})

t.test('no more are held than the bound, and each makes room again', async (t) => {
  const { start, pass, settled } = setUp(t, 2)
  for (const name of ['a', 'b', 'c']) start(name, 0, 'refused')
  await pass(100)
  t.strictSame(settled, { a: 100, b: 100, c: 0 })
  start('d', 0, 'refused')
  await pass(100)
  t.equal(settled['d'], 100)
})
