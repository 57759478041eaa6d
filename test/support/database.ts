import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, realpathSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import pg from 'pg'
import pino from 'pino'
import tap from 'tap'
import type { Test } from 'tap'
import type { ConnectionConfig } from '../../src/store/connection.js'
import { binariesIn } from '../../src/store/embedded/binaries.js'
import { startEmbeddedDatabase } from '../../src/store/embedded.js'
import { openStore } from '../../src/store/store.js'
import type { StoreOptions } from '../../src/store/store.js'
import type { Store } from '../../src/store/types.js'

/** The packaged PostgreSQL, one that is installed on the machine, or the server at TEST_DATABASE_URL. */
export type DatabaseKind = 'embedded' | 'installed' | 'url'

export interface TestDatabase {
  connection: ConnectionConfig
  /** Another database on the same server. */
  beside(database: string): ConnectionConfig
}

export const silent = pino({ level: 'silent' })

/** Tests don't need to survive a power failure. */
const settings = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '100' }

/** A server with a database that has all tables, from which the tests' databases are copied. */
interface Server {
  template: string
  at(database: string): ConnectionConfig
}

/** At most one server of a kind per test process, started when first asked for and stopped after the last test. */
const servers = new Map<DatabaseKind, Promise<Server>>()

/** The kinds of database that this machine has. With CI=true a missing one is an error, not a gap. */
export const databaseKinds: readonly DatabaseKind[] = [
  'embedded',
  ...(findInstalled() || process.env['CI'] === 'true' ? (['installed'] as const) : []),
  ...(process.env['TEST_DATABASE_URL'] ? (['url'] as const) : []),
]

/** Declares a test once for each kind of database that this machine has. */
export function onEveryDatabase(
  name: string,
  test: (t: Test, database: TestDatabase) => Promise<void>,
): void {
  for (const kind of databaseKinds) {
    tap.test(`${name} (${kind})`, async (t) => test(t, await testDatabase(t, kind)))
  }
  if (!databaseKinds.includes('installed')) {
    tap.test(`${name} (installed)`, { skip: 'NO POSTGRESQL IS INSTALLED: apt install postgresql' }, () => {})
  }
}

/** A database of its own for one test, with all tables and no rows. It goes after the last test of the process. */
export async function testDatabase(
  _t: Pick<Test, 'teardown'>,
  kind: DatabaseKind = 'embedded',
): Promise<TestDatabase> {
  const starting = servers.get(kind) ?? (kind === 'url' ? useServer() : startServer(kind))
  servers.set(kind, starting)
  const server = await starting
  const database = `privateline_test_${randomBytes(6).toString('hex')}`
  await query(server.at('postgres'), `create database ${database} template ${server.template}`)
  if (kind === 'url') tap.teardown(() => query(server.at('postgres'), `drop database ${database}`))
  return { connection: server.at(database), beside: (other) => server.at(other) }
}

/** A store on a test database (a new one unless given), closed when the test ends. */
export async function testStore(
  t: Pick<Test, 'teardown'>,
  options: Partial<StoreOptions> & { database?: TestDatabase } = {},
): Promise<Store> {
  const { database = await testDatabase(t), ...rest } = options
  const store = await openStore({ connection: database.connection, node: 'test', log: silent, ...rest })
  t.teardown(() => store.close())
  return store
}

/** Runs one statement on a connection of its own, behind the store's back. */
export async function query<Row extends pg.QueryResultRow>(
  connection: ConnectionConfig,
  statement: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const client = new pg.Client(connection)
  client.on('error', () => {}) // The statement rejects as well; this one would end the process.
  await client.connect()
  try {
    return (await client.query<Row>(statement, values)).rows
  } finally {
    await client.end()
  }
}

/** The directory above bin/ of a PostgreSQL on this machine. */
export function findInstalled(): string | undefined {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : []
  return [
    ...versions.map((version) => join(debian, version, 'bin')),
    ...(process.env['PATH'] ?? '').split(':').filter((directory) => existsSync(join(directory, 'postgres'))),
  ]
    .filter((directory) => existsSync(join(directory, 'initdb')))
    .map((directory) => dirname(dirname(realpathSync(join(directory, 'postgres')))))[0]
}

async function startServer(kind: 'embedded' | 'installed'): Promise<Server> {
  const dataDir = await mkdtemp(join(tmpdir(), 'privateline-test-'))
  const installed = kind === 'installed' ? findInstalled() : undefined
  if (kind === 'installed' && !installed)
    throw new Error('no PostgreSQL is installed: apt install postgresql')
  const server = await startEmbeddedDatabase({
    dataDir,
    log: silent,
    settings,
    ...(installed ? { binaries: binariesIn(installed) } : {}),
  })
  const watchdog = stopWithUs(server.pid(), dataDir)
  tap.teardown(async () => {
    await server.stop()
    watchdog()
    await rm(dataDir, { recursive: true, force: true })
  })
  const { database: template = '' } = server.connection
  await makeTemplate(server.connection)
  return { template, at: (database) => ({ ...server.connection, database }) }
}

async function useServer(): Promise<Server> {
  const at = (database: string): ConnectionConfig => {
    const url = new URL(process.env['TEST_DATABASE_URL'] ?? '')
    url.pathname = `/${database}`
    return { connectionString: url.href }
  }
  const template = `privateline_test_template_${randomBytes(6).toString('hex')}`
  await query(at('postgres'), `create database ${template} encoding 'UTF8' template template0`)
  tap.teardown(() => query(at('postgres'), `drop database ${template}`))
  await makeTemplate(at(template))
  return { template, at }
}

async function makeTemplate(connection: ConnectionConfig): Promise<void> {
  const store = await openStore({ connection, node: 'template', log: silent })
  await store.close()
}

/** The server outlives its parent on purpose; a test process that is killed must not leave it behind. */
function stopWithUs(pid: number, dataDir: string): () => void {
  const script = `read -r done; [ "$done" ] || { kill -INT ${pid}; rm -rf "$0"; }`
  const child = spawn('sh', ['-c', script, dataDir], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  child.unref()
  const { stdin } = child
  ;(stdin as unknown as { unref(): void }).unref()
  return () => void stdin.end('done\n')
}
