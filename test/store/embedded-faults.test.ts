import { once } from 'node:events'
import { mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { ConnectionConfig } from '../../src/store/connection.js'
import { binariesIn, packagedBinaries } from '../../src/store/embedded/binaries.js'
import { openStore } from '../../src/store/store.js'
import { query, silent } from '../support/database.js'
import { isAlive, until } from '../support/tools.js'
import { directory, launch, otherProcess, start, usedDirectory } from './embedded-harness.js'
import { add, become, binding, withAccounts } from './samples.js'

t.test('a second start on the same directory is refused by name, and harms nothing', async (t) => {
  const dataDir = await usedDirectory(t)
  const first = await start(t, dataDir)
  await t.rejects(launch(dataDir), {
    message: /^DATA_DIR: another Privateline/,
  })
  t.same(await query(first.connection, 'select 1 as one'), [{ one: 1 }])
})

t.test('of several first starts at the same moment one wins, and the others are refused', async (t) => {
  const dataDir = await directory(t)
  const starts = await Promise.allSettled(Array.from({ length: 3 }, () => launch(dataDir)))
  const started = starts.filter((each) => each.status === 'fulfilled')
  t.teardown(() => Promise.all(started.map(({ value }) => value.stop())))
  t.equal(started.length, 1)
  for (const each of starts) {
    if (each.status === 'rejected') t.match((each.reason as Error).message, /^DATA_DIR: another Privateline/)
  }
  t.same(await query(started[0]?.value.connection ?? {}, 'select 1 as one'), [{ one: 1 }])
  t.same(
    (await readdir(dataDir)).filter((name) => name.includes('.new-')),
    [],
  )
})

t.test(
  'after kill -9 the next start stops the server left behind, and finds what was committed',
  async (t) => {
    const dataDir = await usedDirectory(t)
    const other = otherProcess(t, dataDir)
    const { pid } = await other.step('started')
    await other.step('applied')
    other.child.kill('SIGKILL')
    await once(other.child, 'exit')
    t.ok(await isAlive(pid), 'the server outlived its parent')
    const database = await start(t, dataDir)
    t.notOk(await isAlive(pid))
    t.match(await query(database.connection, 'select contact, node from registrations'), [
      { contact: 'sip:1001@192.0.2.1', node: 'a' },
    ])
  },
)

t.test('an applied registration is there after kill -9 of the program and of the server', async (t) => {
  const dataDir = await usedDirectory(t)
  const other = otherProcess(t, dataDir)
  const { pid } = await other.step('started')
  await other.step('applied')
  process.kill(pid, 'SIGKILL')
  other.child.kill('SIGKILL')
  await once(other.child, 'exit')
  const database = await start(t, dataDir)
  t.match(await query(database.connection, 'select contact from registrations'), [
    { contact: 'sip:1001@192.0.2.1' },
  ])
})

t.test('a Ctrl-C in the terminal reaches the program but not its database', async (t) => {
  const other = otherProcess(t, await usedDirectory(t))
  const { pid } = await other.step('started')
  await other.step('applied')
  process.kill(-(other.child.pid as number), 'SIGINT')
  t.match(await other.step('interrupted'), { alive: true })
  t.ok(await isAlive(pid))
  other.child.stdin.end()
  await other.step('stopped')
  t.notOk(await isAlive(pid))
})

t.test('a cluster whose making was killed is made anew', async (t) => {
  const dataDir = await directory(t)
  const other = otherProcess(t, dataDir)
  await until('initdb runs', async () =>
    (await readdir(dataDir)).find((name) => name.startsWith('postgres.new-')),
  )
  other.child.kill('SIGKILL')
  await once(other.child, 'exit')
  const database = await start(t, dataDir)
  t.same(await query(database.connection, 'select 1 as one'), [{ one: 1 }])

  await database.stop()
  // Not the draft of above: its initdb may still be at work.
  const draft = join(dataDir, 'postgres.new-left')
  await mkdir(draft)
  const longAgo = new Date(Date.now() - 3_600_000)
  await utimes(draft, longAgo, longAgo)
  await start(t, dataDir)
  await t.rejects(stat(draft), { code: 'ENOENT' }, 'what was left of it goes later')
})

t.test(
  'a postmaster.pid of before a power failure is seen through, though its id is in use again',
  async (t) => {
    const dataDir = await usedDirectory(t)
    const first = await launch(dataDir)
    const pidFile = join(dataDir, 'postgres', 'postmaster.pid')
    const [, ...rest] = (await readFile(pidFile, 'utf8')).split('\n')
    await first.stop()
    await writeFile(pidFile, [process.pid, ...rest].join('\n'))
    const second = await start(t, dataDir)
    t.same(await query(second.connection, 'select 1 as one'), [{ one: 1 }])
  },
)

t.test('a server that dies is started again, and the store goes on with it', async (t) => {
  const database = await start(t, await usedDirectory(t))
  const store = await openStore({ connection: database.connection, node: 'a', log: silent })
  t.teardown(() => store.close())
  await withAccounts(store, 1)
  await store.registrations.apply([become(1, binding('sip:a@h'))])
  const before = database.pid()
  process.kill(before, 'SIGKILL')
  await until('another server runs', () => database.pid() !== before)
  await until('the store goes on', () =>
    store.registrations.apply([add(1, binding('sip:b@h'))]).then(
      () => true,
      () => false,
    ),
  )
  t.equal((await store.directory.bindings(1)).length, 2)
})

t.test('after a crash of one backend the directory is still held', async (t) => {
  const dataDir = await usedDirectory(t)
  const database = await start(t, dataDir)
  const [owner] = await query<{ pid: number }>(
    database.connection,
    `select pid from pg_locks where locktype = 'advisory'`,
  )
  process.kill(owner?.pid as number, 'SIGKILL')
  const held = `select 1 from pg_locks where locktype = 'advisory' and pid <> $1`
  await until('the lock is held again', async () => {
    const rows = await query(database.connection, held, [owner?.pid]).catch(() => [])
    return rows.length > 0 || undefined
  })
  await t.rejects(launch(dataDir), {
    message: /^DATA_DIR: another Privateline/,
  })
})

t.test('a shutdown that hangs is cut short, and nothing committed is lost', async (t) => {
  const dataDir = await usedDirectory(t)
  const database = await launch(dataDir, { shutdownPatience: 100 })
  await query(database.connection, 'create table things as select 42 as answer')
  await signal(database.connection, 'checkpointer', 'SIGSTOP')
  const begin = Date.now()
  await database.stop()
  t.ok(Date.now() - begin < 2_000, 'we do not wait for it')
  const second = await start(t, dataDir)
  t.notOk(await isAlive(database.pid()), 'the next start does')
  t.same(await query(second.connection, 'select answer from things'), [{ answer: 42 }])
})

t.test('a server that was stopped from outside does not hold up the stop, and ends', async (t) => {
  const database = await launch(await usedDirectory(t), { shutdownPatience: 100 })
  process.kill(database.pid(), 'SIGSTOP')
  await database.stop()
  await until('it has gone', async () => !(await isAlive(database.pid())) || undefined)
})

t.test('what initdb says shows why it failed, not how it ended', async (t) => {
  const dataDir = await directory(t)
  const { root, postgres } = await packagedBinaries()
  const initdb = join(dataDir, 'initdb')
  const script = `#!/bin/sh
echo '2026-01-01 12:00:00.000 UTC [1] FATAL:  could not write to file "pg_wal/x": No space left on device' >&2
echo 'child process exited with exit code 1' >&2
echo 'initdb: removing contents of data directory "/x"' >&2
exit 1`
  await writeFile(initdb, script, { mode: 0o755 })
  await t.rejects(launch(dataDir, { binaries: { ...binariesIn(root), postgres, initdb } }), {
    message: /^DATA_DIR: .*: could not write to file "pg_wal\/x": No space left on device$/,
  })
})

async function signal(
  connection: ConnectionConfig,
  backendType: string,
  name: NodeJS.Signals,
): Promise<void> {
  const [backend] = await query<{ pid: number }>(
    connection,
    'select pid from pg_stat_activity where backend_type = $1',
    [backendType],
  )
  process.kill(backend?.pid as number, name)
}
