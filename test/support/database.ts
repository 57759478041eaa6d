import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import pino from 'pino'
import tap from 'tap'
import type { Test } from 'tap'
import type { ConnectionConfig } from '../../src/store/connection.js'
import { startEmbeddedDatabase } from '../../src/store/embedded.js'
import { openStore } from '../../src/store/store.js'
import type { StoreOptions } from '../../src/store/store.js'
import type { Store } from '../../src/store/types.js'

export interface TestDatabase {
  connection: ConnectionConfig
}

type TapTest = Pick<Test, 'teardown'>

export const silent = pino({ level: 'silent' })

/** Tests don't need to survive a power failure. */
const settings = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '100' }

const template = 'privateline_template'

/** One cluster per test process, started when first asked for and stopped after the last test. */
let cluster: Promise<TestDatabase> | undefined

/** A database of its own for one test, with all tables and no rows. It goes with the cluster. */
export async function testDatabase(_t: TapTest): Promise<TestDatabase> {
  cluster ??= startCluster()
  const { connection } = await cluster
  const database = `test_${randomBytes(6).toString('hex')}`
  await administer(connection, `create database ${database} template ${template}`)
  return { connection: { ...connection, database } }
}

/** A store on a test database (a new one unless given), closed when the test ends. */
export async function testStore(
  t: TapTest,
  options: Partial<StoreOptions> & { database?: TestDatabase } = {},
): Promise<Store> {
  const { database = await testDatabase(t), ...rest } = options
  const store = await openStore({ connection: database.connection, node: 'test', log: silent, ...rest })
  t.teardown(() => store.close())
  return store
}

async function startCluster(): Promise<TestDatabase> {
  const dataDir = await mkdtemp(join(tmpdir(), 'privateline-test-'))
  const server = await startEmbeddedDatabase({ dataDir, log: silent, settings })
  const watchdog = stopWithUs(server.pid(), dataDir)
  const store = await openStore({ connection: server.connection, node: 'template', log: silent })
  await store.close()
  await administer(
    { ...server.connection, database: 'postgres' },
    `alter database ${pg.escapeIdentifier(server.connection.database ?? '')} rename to ${template}`,
  )
  tap.teardown(async () => {
    await server.stop()
    watchdog()
    await rm(dataDir, { recursive: true, force: true })
  })
  return { connection: { ...server.connection, database: 'postgres' } }
}

/** The server outlives its parent on purpose; a test process that is killed must not leave it behind. */
function stopWithUs(pid: number, dataDir: string): () => void {
  const script = `read -r done; [ "$done" ] || { kill -INT ${pid}; rm -rf "$0"; }`
  const child = spawn('sh', ['-c', script, dataDir], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  child.unref()
  const { stdin } = child
  ;(stdin as unknown as { unref(): void }).unref()
  return () => stdin.end('done\n')
}

async function administer(connection: ConnectionConfig, statement: string): Promise<void> {
  const client = new pg.Client(connection)
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
