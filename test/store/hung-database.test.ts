/** A database that is there and does not answer: what asks it is told so, and what is to stop stops. */
import { readdir, readFile } from 'node:fs/promises'
import { platform } from 'node:os'
import pino from 'pino'
import t from 'tap'
import type { Test } from 'tap'
import { isDatabaseAway } from '../../src/store/database-away.js'
import { openStore } from '../../src/store/store.js'
import { query, silent, testDatabase } from '../support/database.js'
import { isAlive, until } from '../support/tools.js'
import { launch, usedDirectory } from './embedded-harness.js'
import { withAccounts } from './samples.js'

const options = { node: 'test', log: silent, queryTimeout: 500 }

/** The error that `work` rejects with. */
const failure = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  )

/** Stops (SIGSTOP) the backend of the database's connection whose last statement has this in it. */
async function stopBackend(t: Test, connection: object, statement: string): Promise<void> {
  const backends = await query<{ pid: number }>(
    connection,
    `select pid from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid() and position($1 in query) > 0`,
    [statement],
  )
  t.equal(backends.length, 1, statement)
  for (const { pid } of backends) {
    process.kill(pid, 'SIGSTOP')
    t.teardown(() => void process.kill(pid, 'SIGCONT'))
  }
}

t.test(
  'administration and registrations give up on a connection that hangs, and go on with another',
  async (t) => {
    const { connection } = await testDatabase(t, 'alone')
    const store = await openStore({ ...options, connection })
    t.teardown(() => store.close())
    await Promise.all([store.groups.get(1), store.directory.accountByNumber('1')])
    await stopBackend(t, connection, 'from "groups"')
    await stopBackend(t, connection, 'a.virtual_number = ')
    const errors = await Promise.all([
      failure(store.groups.get(1)),
      failure(store.directory.accountByNumber('2')),
    ])
    t.same(errors.map(isDatabaseAway), [true, true], String(errors))
    await Promise.all([store.groups.get(1), store.directory.accountByNumber('2')])
  },
)

t.test('a transaction that hangs is not followed by a rollback that hangs', async (t) => {
  const { connection } = await testDatabase(t, 'alone')
  const store = await openStore({ ...options, connection, queryTimeout: 1000 })
  t.teardown(() => store.close())
  await withAccounts(store, 1)
  await stopBackend(t, connection, 'COMMIT')
  const begin = Date.now()
  t.ok(isDatabaseAway(await failure(store.accounts.delete(1))))
  t.ok(Date.now() - begin < 1900)
})

for (const [way, statement] of [
  ['administration', 'from "groups"'],
  ['registrations', 'a.virtual_number = '],
] as const) {
  t.test(`a probe fails if the way of ${way} to the database hangs`, async (t) => {
    const { connection } = await testDatabase(t, 'alone')
    const store = await openStore({ ...options, connection, queryTimeout: 60_000 })
    t.teardown(() => store.close())
    await Promise.all([store.groups.get(1), store.directory.accountByNumber('1')])
    await store.ping(5000)
    await Promise.all([store.groups.get(1), store.directory.accountByNumber('2')])
    await stopBackend(t, connection, statement)
    t.ok(isDatabaseAway(await failure(store.ping(200))))
    await store.ping(5000)
  })
}

t.test(
  'nothing waits for ever for a server of which every process is stopped',
  { skip: platform() !== 'linux' && 'needs /proc' },
  async (t) => {
    const database = await launch(await usedDirectory(t), { shutdownPatience: 100 })
    const store = await openStore({ ...options, connection: database.connection })
    await Promise.all([store.groups.get(1), store.directory.accountByNumber('1')])
    const pids = await family(database.pid())
    for (const pid of pids) process.kill(pid, 'SIGSTOP')
    t.ok(isDatabaseAway(await failure(store.groups.get(1))))
    t.ok(isDatabaseAway(await failure(store.ping(200))))
    const begin = Date.now()
    await store.close()
    await database.stop()
    t.ok(Date.now() - begin < 3000, 'the stop is over before the deadline of the program')
    await until(
      'its processes have gone',
      async () => {
        const left = await Promise.all(pids.map(isAlive))
        return !left.includes(true) || undefined
      },
      10_000,
    )
  },
)

/** The postmaster and its children. */
async function family(postmaster: number): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const parents = await Promise.all(
    pids.map((pid) =>
      readFile(`/proc/${pid}/stat`, 'utf8').then(
        (stat) => Number(/\) \S (\d+)/.exec(stat)?.[1]),
        () => 0,
      ),
    ),
  )
  return [postmaster, ...pids.map(Number).filter((_, index) => parents[index] === postmaster)]
}

t.test('what knex has to say goes to the log, at level debug, and nowhere else', async (t) => {
  const lines: string[] = []
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) })
  const console_ = t.capture(console, 'log')
  const refused = { host: '127.0.0.1', port: 1, user: 'x', database: 'x' }
  t.ok(isDatabaseAway(await failure(openStore({ ...options, log, connection: refused }))))
  t.same(console_(), [])
  t.match(
    lines.map((line) => JSON.parse(line) as object),
    [{ level: 20, knex: /^Acquire connection error: .*ECONNREFUSED/ }],
  )
})
