import { execFile, spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import type { Test } from 'tap'
import { binariesIn, packagedBinaries } from '../../src/store/embedded/binaries.js'
import { startEmbeddedDatabase } from '../../src/store/embedded.js'
import type { EmbeddedDatabase, EmbeddedOptions } from '../../src/store/embedded.js'
import { query, silent } from '../support/database.js'
import { until } from '../support/tools.js'

const isRoot = process.getuid?.() === 0

async function directory(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'privateline-embedded-'))
  t.teardown(() => rm(path, { recursive: true, force: true }))
  return path
}

/** Without waiting for the disk, for tests that don't pull the plug. */
const launch = (dataDir: string, options: Partial<EmbeddedOptions> = {}) =>
  startEmbeddedDatabase({ dataDir, log: silent, settings: { fsync: 'off' }, ...options })

async function start(
  t: Test,
  dataDir: string,
  options: Partial<EmbeddedOptions> = {},
): Promise<EmbeddedDatabase> {
  const database = await launch(dataDir, options)
  t.teardown(() => database.stop())
  return database
}

type Step = { step: string; pid: number; accountId: number; message: string }

interface OtherProcess {
  child: ChildProcessWithoutNullStreams
  /** Waits for a step; rejects if the process ends before. */
  step(name: string): Promise<Step>
}

function otherProcess(t: Test, dataDir: string): OtherProcess {
  const program = fileURLToPath(new URL('embedded-process.js', import.meta.url))
  const child = spawn(process.execPath, [program, dataDir], { detached: true })
  child.stderr.pipe(process.stderr)
  const seen = new Map<string, Step>()
  let closed = false
  child.once('close', () => (closed = true))
  const lines = createInterface(child.stdout)
  lines.on('line', (line) => {
    const step = JSON.parse(line) as Step
    seen.set(step.step, step)
  })
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  return {
    child,
    step: (name) =>
      until(`step ${name}`, () => {
        const failed = seen.get('failed')
        if (failed && name !== 'failed') throw new Error(failed.message)
        if (!seen.has(name) && closed) throw new Error(`it ended before step ${name}`)
        return seen.get(name)
      }),
  }
}

/** Not even waiting for its parent to take notice of its end. */
async function isAlive(pid: number): Promise<boolean> {
  const { stdout } = await promisify(execFile)('ps', ['-p', String(pid), '-o', 'stat=']).catch(() => ({
    stdout: '',
  }))
  return /^[^Z]/.test(stdout)
}

t.test('the first start makes a database that a second start finds again', async (t) => {
  const dataDir = await directory(t)
  const first = await launch(dataDir)
  await query(first.connection, 'create table things as select 42 as answer')
  await first.stop()
  t.notOk(await isAlive(first.pid()), 'it has gone when stop() resolves')
  const second = await start(t, dataDir)
  t.same(await query(second.connection, 'select answer from things'), [{ answer: 42 }])
})

t.test('it listens on a socket that only its owner can reach, and on nothing else', async (t) => {
  const database = await start(t, await directory(t))
  t.same(await query(database.connection, 'show listen_addresses'), [{ listen_addresses: '' }])
  const socketDir = await stat(database.connection.host as string)
  t.equal(socketDir.mode & 0o077, 0)
})

t.test('commits are durable, and text sorts and folds alike everywhere', async (t) => {
  const database = await start(t, await directory(t), { settings: {} })
  for (const setting of ['fsync', 'full_page_writes', 'synchronous_commit']) {
    t.same(await query(database.connection, `show ${setting}`), [{ [setting]: 'on' }])
  }
  t.same(await query(database.connection, `select lower('ÄÖÉ') as folded`), [{ folded: 'äöé' }])
  t.same(await query(database.connection, 'show server_encoding'), [{ server_encoding: 'UTF8' }])
})

t.test('a data directory with a path too long for a socket gets its socket elsewhere', async (t) => {
  const dataDir = join(await directory(t), 'd'.repeat(60), 'it\'s, "quoted"'.padEnd(60, 'x'))
  const database = await launch(dataDir)
  const { host } = database.connection
  t.notOk(host?.startsWith(dataDir))
  t.same(await query(database.connection, 'select 1 as one'), [{ one: 1 }])
  await database.stop()
  await t.rejects(stat(host as string), { code: 'ENOENT' }, 'and takes it away again')
})

t.test('a directory name with quotes, commas and spaces is no trouble', async (t) => {
  const database = await start(t, join(await directory(t), `a "b", 'c' d`))
  t.same(await query(database.connection, 'select 1 as one'), [{ one: 1 }])
})

t.test('a second start on the same directory is refused by name, and harms nothing', async (t) => {
  const dataDir = await directory(t)
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
    const dataDir = await directory(t)
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
  const dataDir = await directory(t)
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
  const other = otherProcess(t, await directory(t))
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
  const draft = await until('initdb runs', async () =>
    (await readdir(dataDir)).find((name) => name.startsWith('postgres.new-')),
  )
  other.child.kill('SIGKILL')
  await once(other.child, 'exit')
  const database = await start(t, dataDir)
  t.same(await query(database.connection, 'select 1 as one'), [{ one: 1 }])

  await database.stop()
  await mkdir(join(dataDir, draft), { recursive: true })
  const longAgo = new Date(Date.now() - 3_600_000)
  await utimes(join(dataDir, draft), longAgo, longAgo)
  await start(t, dataDir)
  await t.rejects(stat(join(dataDir, draft)), { code: 'ENOENT' }, 'what was left of it goes later')
})

t.test('files that are no database are refused, not deleted', async (t) => {
  const dataDir = await directory(t)
  await mkdir(join(dataDir, 'postgres'))
  await writeFile(join(dataDir, 'postgres', 'precious'), 'x')
  await t.rejects(launch(dataDir), {
    message: /^DATA_DIR: .*holds files but no database/,
  })
  t.equal(await readFile(join(dataDir, 'postgres', 'precious'), 'utf8'), 'x')
})

t.test('a cluster of another major version is refused, and left as it is', async (t) => {
  const dataDir = await directory(t)
  await mkdir(join(dataDir, 'postgres'))
  await writeFile(join(dataDir, 'postgres', 'PG_VERSION'), '16\n')
  await t.rejects(launch(dataDir), {
    message: /^DATA_DIR: .*PostgreSQL 16, .*PostgreSQL 17.*dump it/,
  })
  t.same(await readdir(join(dataDir, 'postgres')), ['PG_VERSION'])
})

t.test(
  'a postmaster.pid of before a power failure is seen through, though its id is in use again',
  async (t) => {
    const dataDir = await directory(t)
    const first = await launch(dataDir)
    const pidFile = join(dataDir, 'postgres', 'postmaster.pid')
    const [, ...rest] = (await readFile(pidFile, 'utf8')).split('\n')
    await first.stop()
    await writeFile(pidFile, [process.pid, ...rest].join('\n'))
    const second = await start(t, dataDir)
    t.same(await query(second.connection, 'select 1 as one'), [{ one: 1 }])
  },
)

t.test('a server that dies is started again', async (t) => {
  const database = await start(t, await directory(t))
  const before = database.pid()
  process.kill(before, 'SIGKILL')
  await until('another server runs', () => database.pid() !== before)
  t.same(await query(database.connection, 'select 1 as one'), [{ one: 1 }])
})

t.test('after a crash of one backend the directory is still held', async (t) => {
  const dataDir = await directory(t)
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

t.test('programs that the system cannot load give one line that says what to do', async (t) => {
  const root = await directory(t)
  await mkdir(join(root, 'bin'))
  const failing = join(root, 'bin', 'postgres')
  await writeFile(
    failing,
    '#!/bin/sh\necho "postgres: error while loading shared libraries: libx.so.1" >&2\nexit 127\n',
  )
  await chmod(failing, 0o755)
  await chmod(root, 0o755)
  const dataDir = await directory(t)
  await t.rejects(launch(dataDir, { binaries: binariesIn(root) }), {
    message: /^[^\n]*libx\.so\.1[^\n]*DATABASE_URL[^\n]*$/,
  })
  await writeFile(failing, '#!/lib/ld-musl-missing.so.1\n')
  await t.rejects(launch(dataDir, { binaries: binariesIn(root) }), {
    message: /^[^\n]*DATABASE_URL[^\n]*$/,
  })
})

t.test('a setting that PostgreSQL refuses is told in its words', async (t) => {
  const dataDir = await directory(t)
  await t.rejects(launch(dataDir, { settings: { max_connections: 'many' } }), {
    message: /^the embedded database does not start: .*max_connections.*postgres\.log/,
  })
})

t.test('its log does not grow without bound', async (t) => {
  const dataDir = await directory(t)
  await writeFile(join(dataDir, 'postgres.log'), Buffer.alloc(3 * 1024 * 1024, 'x'))
  await start(t, dataDir)
  t.ok((await stat(join(dataDir, 'postgres.log'))).size < 100_000)
  t.equal((await stat(join(dataDir, 'postgres.log.1'))).size, 3 * 1024 * 1024)
})

t.test('as root without `unshare`', { skip: !isRoot && 'only root can take another identity' }, async (t) => {
  t.test('it runs as an ordinary user where that user can reach the directory', async (t) => {
    const dataDir = await directory(t)
    await chmod(dataDir, 0o755)
    const options = { unshare: 'false' }
    const first = await launch(dataDir, options)
    const { uid } = await stat(join(dataDir, 'postgres'))
    t.not(uid, 0)
    t.match(await readFile(`/proc/${first.pid()}/status`, 'utf8'), new RegExp(`Uid:\\t${uid}\\t`))
    t.same(await query(first.connection, 'select 1 as one'), [{ one: 1 }])
    await first.stop()
    const second = await start(t, dataDir)
    t.equal((await stat(join(dataDir, 'postgres'))).uid, uid, 'and stays with that user')
    t.same(await query(second.connection, 'select 1 as one'), [{ one: 1 }])
  })

  t.test("a cluster that was root's is given to that user", async (t) => {
    const dataDir = await directory(t)
    await chmod(dataDir, 0o755)
    const first = await launch(dataDir)
    await query(first.connection, 'create table things as select 42 as answer')
    await first.stop()
    const second = await start(t, dataDir, { unshare: 'false' })
    t.same(await query(second.connection, 'select answer from things'), [{ answer: 42 }])
  })

  t.test('a directory that no ordinary user can enter is refused by name', async (t) => {
    const dataDir = await directory(t)
    await chmod(dataDir, 0o700)
    await t.rejects(launch(dataDir, { unshare: 'false' }), {
      message: /^DATA_DIR: [^\n]*can't enter [^\n]*DATABASE_URL[^\n]*$/,
    })
  })

  t.test('programs that no ordinary user can reach are copied beside the data', async (t) => {
    const hidden = await directory(t)
    await chmod(hidden, 0o700)
    const { root } = await packagedBinaries()
    await cp(root, join(hidden, 'native'), { recursive: true, verbatimSymlinks: true })
    const dataDir = await directory(t)
    await chmod(dataDir, 0o755)
    const database = await start(t, dataDir, {
      unshare: 'false',
      binaries: binariesIn(join(hidden, 'native')),
    })
    t.same(await query(database.connection, 'select 1 as one'), [{ one: 1 }])
    t.ok((await readdir(dataDir)).some((name) => /^postgres-17/.test(name)))
  })
})
