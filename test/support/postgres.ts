/** PostgreSQL servers for tests. */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, realpathSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import pino from 'pino'
import type { ConnectionConfig } from '../../src/store/connection.js'
import { binariesIn } from '../../src/store/embedded/binaries.js'
import { startEmbeddedDatabase } from '../../src/store/embedded.js'
import { openStore } from '../../src/store/store.js'
import { scratch } from './scratch.js'

/** The packaged PostgreSQL, or one that is installed on the machine. */
export type ServerKind = 'embedded' | 'installed'

/** Where a server is reached; its `database` has all tables and no rows, to be copied. */
export type ServerAddress = ConnectionConfig

export const silent = pino({ level: 'silent' })

/**
 * Tests don't need to survive a power failure. The connections are enough for as many files as tap may run at once,
 * each with several stores; the log of changes is kept short, since it may lie in memory.
 */
const settings = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_connections: '300',
  max_wal_size: '128MB',
}

/** Starts a server that ends with `stop`, or shortly after this process however that ends. */
export async function startServer(
  kind: ServerKind,
): Promise<{ address: ServerAddress; stop: () => Promise<void> }> {
  const installed = kind === 'installed' ? findInstalled() : undefined
  if (kind === 'installed' && !installed)
    throw new Error('no PostgreSQL is installed: apt install postgresql')
  const dataDir = await mkdtemp(join(scratch, 'privateline-test-'))
  const server = await startEmbeddedDatabase({
    dataDir,
    log: silent,
    settings,
    ...(installed ? { binaries: binariesIn(installed) } : {}),
  })
  const watchdog = stopWithUs(server.pid(), dataDir)
  await makeTables(server.connection)
  return {
    address: server.connection,
    async stop() {
      await server.stop()
      watchdog()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

export async function makeTables(connection: ConnectionConfig): Promise<void> {
  const store = await openStore({ connection, node: 'template', log: silent })
  await store.close()
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

/** The server outlives its parent on purpose; a test process that is killed must not leave it behind. */
function stopWithUs(pid: number, dataDir: string): () => void {
  const script = `read -r done; [ "$done" ] || { kill -INT ${pid}; rm -rf "$0"; }`
  const child = spawn('sh', ['-c', script, dataDir], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  child.unref()
  const { stdin } = child
  ;(stdin as unknown as { unref(): void }).unref()
  return () => void stdin.end('done\n')
}
