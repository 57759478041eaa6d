import t from 'tap'
import { createLogWriter } from '../../src/store/log-writer.js'
import { startRetention } from '../../src/store/retention.js'
import { silent } from '../support/database.js'

const away = () => Object.assign(new Error('gone'), { code: 'ECONNREFUSED' })
const until = async (condition: () => boolean) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1))
}

/** A log whose database can be told to fail. */
function aLog(options: { maxQueue?: number; maxBatch?: number } = {}) {
  const written: number[][] = []
  let fail: ((entries: readonly number[]) => Error | undefined) | undefined
  const writer = createLogWriter<number>({
    what: 'test log',
    log: silent,
    delayMs: 1,
    retryMs: 1,
    ...options,
    write: (entries) => {
      const error = fail?.(entries)
      if (error) return Promise.reject(error)
      written.push([...entries])
      return Promise.resolve()
    },
  })
  return { writer, written, failWith: (next: typeof fail) => (fail = next) }
}

t.test('entries are written together, in order, in batches', async (t) => {
  const { writer, written } = aLog({ maxBatch: 3 })
  for (let n = 1; n <= 7; n++) writer.add(n)
  t.same(written, [], 'nobody waits')
  await writer.stop()
  t.same(written, [[1, 2, 3], [4, 5, 6], [7]])
})

t.test(
  'while the database is away they are kept; beyond the bound the oldest are lost and counted',
  async (t) => {
    const { writer, written, failWith } = aLog({ maxQueue: 10, maxBatch: 4 })
    failWith(away)
    for (let n = 1; n <= 25; n++) writer.add(n)
    t.equal(writer.queued, 10)
    t.equal(writer.lost, 15)
    let asked = 0
    failWith(() => (asked++, away()))
    await until(() => asked > 2)
    failWith(undefined)
    await until(() => written.flat().length === 10)
    t.same(written.flat(), [16, 17, 18, 19, 20, 21, 22, 23, 24, 25])
    t.equal(writer.lost, 15)
    await writer.stop()
  },
)

t.test('an entry that the database refuses takes no other with it', async (t) => {
  const { writer, written, failWith } = aLog()
  failWith((entries) => (entries.includes(5) ? new Error('bad') : undefined))
  for (let n = 1; n <= 9; n++) writer.add(n)
  await writer.stop()
  t.same(written.flat(), [1, 2, 3, 4, 6, 7, 8, 9])
  t.equal(writer.lost, 1)
})

t.test('a stop without the database ends, and counts what is lost', async (t) => {
  const { writer, failWith } = aLog()
  failWith(away)
  writer.add(1)
  writer.add(2)
  await writer.stop()
  writer.add(3)
  t.equal(writer.lost, 3)
})

t.test('a sweep deletes in small steps what is too old; with 0 days everything', async (t) => {
  const day = 24 * 3600 * 1000
  const now = 1000 * day
  const asked: Record<string, number[]> = { calls: [], events: [] }
  let left = 5
  const retention = startRetention({
    log: silent,
    now: () => now,
    chunk: 2,
    logs: [
      {
        what: 'broken log',
        days: 1,
        deleteBefore: () => Promise.reject(new Error('no')),
      },
      {
        what: 'calls',
        days: 365,
        deleteBefore: (time, limit) => {
          asked['calls']?.push(time)
          const count = Math.min(left, limit)
          left -= count
          return Promise.resolve(count)
        },
      },
      { what: 'events', days: 0, deleteBefore: (time) => Promise.resolve(asked['events']!.push(time) * 0) },
    ],
  })
  await until(() => asked['events']!.length > 0)
  await retention.stop()
  t.same(asked['calls'], [now - 365 * day, now - 365 * day, now - 365 * day])
  t.same(asked['events'], [now])
  t.equal(left, 0)
})
