import t from 'tap'
import { TimerWheel } from '../../../src/engine/transaction/timers.js'

t.test('timers run in order, not before their time, and not when cancelled', async (t) => {
  const wheel = new TimerWheel()
  t.teardown(() => wheel.stop())
  const ran: { name: string; after: number }[] = []
  const start = wheel.now()
  const note = (name: string) => () => void ran.push({ name, after: wheel.now() - start })
  const cancelled = wheel.after(30, note('cancelled'))
  cancelled.cancel()
  await new Promise<void>((resolve) => {
    wheel.after(120, () => {
      note('last')()
      resolve()
    })
    wheel.after(60, note('middle'))
    wheel.after(0, note('first'))
  })
  t.strictSame(
    ran.map(({ name }) => name),
    ['first', 'middle', 'last'],
  )
  t.ok((ran[1]?.after ?? 0) >= 60)
  t.ok((ran[2]?.after ?? 0) >= 120)
})

t.test('a timer that throws does not stop the others', async (t) => {
  const errors: unknown[] = []
  const wheel = new TimerWheel((error) => errors.push(error))
  t.teardown(() => wheel.stop())
  await new Promise<void>((resolve) => {
    wheel.after(1, () => {
      throw new Error('bad')
    })
    wheel.after(1, () => resolve())
  })
  t.equal(errors.length, 1)
})
