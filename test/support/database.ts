import { randomBytes } from 'node:crypto'
import pg from 'pg'
import tap from 'tap'
import type { Test } from 'tap'
import type { ConnectionConfig } from '../../src/store/connection.js'
import { openStore } from '../../src/store/store.js'
import type { StoreOptions } from '../../src/store/store.js'
import type { Store } from '../../src/store/types.js'
import { databaseKinds, type DatabaseKind } from './kinds.js'
import { makeTables, silent, startServer, type ServerAddress, type ServerKind } from './postgres.js'
import { sharedServer } from './shared-server.js'

export { silent }

export interface TestDatabase {
  connection: ConnectionConfig
  /** Another database on the same server. */
  beside(database: string): ConnectionConfig
}

/** A server with a database that has all tables, from which the tests' databases are copied. */
interface Server {
  template: string
  at: (database: string) => ConnectionConfig
  /** How `create database` copies: packaged ones copy files, which takes half as long as copying block by block. */
  strategy?: string
}

/** At most one server of a kind per test process; what it starts itself is stopped after the last test. */
const servers = new Map<DatabaseKind | 'alone', Promise<ServerAtWork>>()

interface ServerAtWork extends Server {
  /** Runs one statement that makes or removes databases. */
  run: (statement: string) => Promise<unknown>
}

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

/**
 * A database of its own for one test, with all tables and no rows, which goes with the test. `alone`: on a server that
 * no other process uses, for tests that hurt the server.
 */
export async function testDatabase(
  t: Pick<Test, 'teardown'>,
  kind: DatabaseKind | 'alone' = 'embedded',
): Promise<TestDatabase> {
  const starting = servers.get(kind) ?? findServer(kind).then(putToWork)
  servers.set(kind, starting)
  const { at, run, template, strategy = '' } = await starting
  const database = `privateline_test_${randomBytes(6).toString('hex')}`
  await run(`create database ${database} template ${template} ${strategy}`)
  t.teardown(() => run(`drop database ${database} with (force)`))
  return { connection: at(database), beside: (other) => at(other) }
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
  const client = await connect(connection)
  try {
    return (await client.query<Row>(statement, values)).rows
  } finally {
    await client.end()
  }
}

async function connect(connection: ConnectionConfig): Promise<pg.Client> {
  const client = new pg.Client(connection)
  client.on('error', () => {}) // The statement rejects as well; this one would end the process.
  await client.connect()
  return client
}

async function findServer(kind: DatabaseKind | 'alone'): Promise<Server> {
  if (kind === 'url') return useServer()
  if (kind === 'alone') return ownServer('embedded')
  const shared = await sharedServer(kind)
  return shared ? serverAt(shared, kind) : ownServer(kind)
}

async function ownServer(kind: ServerKind): Promise<Server> {
  const { address, stop } = await startServer(kind)
  tap.teardown(stop)
  return serverAt(address, kind)
}

function serverAt(address: ServerAddress, kind: ServerKind): Server {
  const { database: template = '' } = address
  const server = { template, at: (database: string) => ({ ...address, database }) }
  return kind === 'embedded' ? { ...server, strategy: 'strategy file_copy' } : server
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
  await makeTables(at(template))
  return { template, at }
}

async function putToWork(server: Server): Promise<ServerAtWork> {
  const client = await connect(server.at('postgres'))
  tap.teardown(() => client.end())
  return { ...server, run: (statement) => client.query(statement) }
}
