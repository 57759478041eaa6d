import { chmod, cp, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { platform } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { binariesIn, makeLinks, packagedBinaries } from '../../src/store/embedded/binaries.js'
import { query } from '../support/database.js'
import { isAlive } from '../support/tools.js'
import { directory, launch, start, usedDirectory } from './embedded-harness.js'

const isRoot = process.getuid?.() === 0

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
  const database = await start(t, await usedDirectory(t))
  t.same(await query(database.connection, 'show listen_addresses'), [{ listen_addresses: '' }])
  const socketDir = await stat(database.connection.host as string)
  t.equal(socketDir.mode & 0o077, 0)
})

t.test('commits are durable, and text sorts and folds alike everywhere', async (t) => {
  const database = await start(t, await usedDirectory(t), { settings: {} })
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

t.test('a data directory that cannot be written to is refused by name', async (t) => {
  const file = join(await directory(t), 'file')
  await writeFile(file, 'x')
  for (const dataDir of [file, join(file, 'below')]) {
    await t.rejects(launch(dataDir), { message: /^DATA_DIR: [^\n]* can't be written to/ }, dataDir)
  }
})

t.test(
  'where nobody can make a directory the start ends with a line, too',
  { skip: platform() !== 'linux' && 'needs /proc' },
  async (t) => {
    for (const dataDir of ['/proc/privateline', '/proc/a/b']) {
      await t.rejects(
        launch(dataDir),
        { message: /^DATA_DIR: \/proc\/\S+ can't be written to \(ENOENT/ },
        dataDir,
      )
    }
  },
)

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

t.test('library links that a registry package cannot carry are made, by two at once as well', async (t) => {
  const root = join(await directory(t), 'native')
  await mkdir(join(root, 'lib'), { recursive: true })
  await writeFile(join(root, 'lib', 'libx.so.1.2'), 'x')
  const links = ['libx.so', 'libx.so.1'].map((name) => ({
    source: 'native/lib/libx.so.1.2',
    target: `native/lib/${name}`,
  }))
  await writeFile(join(root, 'pg-symlinks.json'), JSON.stringify(links))
  await Promise.all([makeLinks(root), makeLinks(root)])
  await makeLinks(root)
  for (const { target } of links) t.equal(await readFile(join(root, '..', target), 'utf8'), 'x')

  // A place where nothing can be made: /proc is read-only to everyone, root included.
  await writeFile(
    join(root, 'pg-symlinks.json'),
    JSON.stringify([{ source: 'x', target: '../../../proc/libx' }]),
  )
  await t.rejects(makeLinks(root), { message: /^[^\n]*libx[^\n]*npm rebuild[^\n]*DATABASE_URL[^\n]*$/ })
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
  const dataDir = await usedDirectory(t)
  await t.rejects(launch(dataDir, { settings: { max_connections: 'many' } }), {
    message: /^the embedded database does not start: .*max_connections.*postgres\.log/,
  })
})

t.test('its log does not grow without bound', async (t) => {
  const dataDir = await usedDirectory(t)
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
