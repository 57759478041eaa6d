import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chown, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { platform, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { ConnectionConfig } from './connection.js'
import { packagedBinaries } from './embedded/binaries.js'
import type { Binaries } from './embedded/binaries.js'
import { ensureCluster, superuser } from './embedded/cluster.js'
import { makeDataDirectory } from './embedded/data-directory.js'
import { findRuntime, spawnAs } from './embedded/identity.js'
import type { Runtime } from './embedded/identity.js'
import { claim, clearTheWay, DataDirInUseError, inUse, readPidFile } from './embedded/postmaster.js'
import { reasonIn } from './embedded/said.js'
import { openServerLog } from './embedded/server-log.js'
import type { ServerLog } from './embedded/server-log.js'
import { takeTurn } from './embedded/turns.js'
import type { StoreLog } from './log.js'

const database = 'privateline'

/** Part of the socket's name; nothing listens on TCP. */
const port = 5432

/** Longest path of a Unix socket, in bytes. */
const longestSocketPath = platform() === 'linux' ? 107 : 103

/** Milliseconds between looks at a server that is starting, and before one that died is started again. */
const pollInterval = 10
const restartDelay = 1_000

/** Milliseconds; with what the rest of a stop takes it has to fit into the program's own deadline (main.ts). */
const defaultShutdownPatience = 2_000
/** How long we wait for the end after an immediate shutdown, which as a rule takes less, in milliseconds. */
const immediatePatience = 500

/** How long a start is tried that another start, or what a killed server left, got in the way of; milliseconds. */
const patience = 10_000

/** A small server for one program. What makes commits durable stays at PostgreSQL's defaults. */
const settings: Record<string, string> = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  max_connections: '40',
  shared_buffers: '64MB',
  autovacuum_max_workers: '2',
  jit: 'off',
  // Broken constraints and the like are answers to our program: they are told in short, without people's data.
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
  log_checkpoints: 'off',
}

export interface EmbeddedDatabase {
  connection: ConnectionConfig
  /** The postmaster's process id. */
  pid(): number
  /**
   * Ends all connections, writes everything out and waits until the server has gone. One that hangs is told to end at
   * once and left to it: the next start waits until it is gone, and loses nothing that was committed.
   */
  stop(): Promise<void>
}

export interface EmbeddedOptions {
  dataDir: string
  log: StoreLog
  /** Settings of PostgreSQL beside or instead of ours; for tests, which can do without durability. */
  settings?: Record<string, string>
  /** Milliseconds that an orderly shutdown may take; after it the next start recovers from the write-ahead log. */
  shutdownPatience?: number
  /** The PostgreSQL to run instead of the packaged one. */
  binaries?: Binaries
  /** The program `unshare`, or another that stands for it. */
  unshare?: string
}

interface Server {
  child: ChildProcess
  /** Holds the cluster, see postmaster.ts. */
  owner: pg.Client
}

/**
 * Starts a PostgreSQL of our own in `<dataDir>/postgres`, made at the first start, reached by a Unix socket only. It
 * lives in a session of its own, so a Ctrl-C in the terminal leaves it to us to stop it last. Should it die it is
 * started again. Rejects with one line that names the setting to change.
 */
export async function startEmbeddedDatabase(options: EmbeddedOptions): Promise<EmbeddedDatabase> {
  const dataDir = resolve(options.dataDir)
  const cluster = join(dataDir, 'postgres')
  await makeDataDirectory(dataDir)
  const binaries = options.binaries ?? (await packagedBinaries())
  const runtime = await findRuntime(binaries, dataDir, cluster, options.unshare)
  const endTurn = await takeTurn(dataDir)
  try {
    return await startInTurn(options, dataDir, cluster, runtime)
  } finally {
    endTurn()
  }
}

async function startInTurn(
  options: EmbeddedOptions,
  dataDir: string,
  cluster: string,
  runtime: Runtime,
): Promise<EmbeddedDatabase> {
  const { log } = options
  await ensureCluster(cluster, runtime, options.settings?.['fsync'] !== 'off')
  await clearTheWay(cluster, dataDir, runtime, log)
  const socket = await makeSocketDirectory(dataDir, runtime)
  const serverLog = await openServerLog(join(dataDir, 'postgres.log'))

  let stopping = false
  let restarting: Promise<void> | undefined
  let server: Server
  try {
    server = await start()
  } catch (error) {
    await cleanUp()
    throw error
  }
  watch(server)
  try {
    await createDatabase(server.owner)
  } catch (error) {
    await stop()
    throw error
  }
  log.debug({ pid: server.child.pid, cluster }, 'embedded database started')

  async function start(): Promise<Server> {
    const deadline = Date.now() + patience
    for (;;) {
      await clearTheWay(cluster, dataDir, runtime, log)
      const started = await launch(cluster, socket.path, runtime, serverLog, options.settings)
      if (started) return started
      if (Date.now() > deadline) throw inUse(dataDir)
      await sleep(pollInterval)
    }
  }

  function watch({ child, owner }: Server): void {
    child.once('exit', (code, signal) => {
      if (stopping) return
      log.error({ code, signal }, 'the embedded database ended unexpectedly; starting it again')
      restarting = restart()
    })
    // One crashed backend makes PostgreSQL close all connections, ours with the lock too.
    owner.once('end', () => void reclaim())
  }

  async function restart(): Promise<void> {
    while (!stopping) {
      try {
        server = await start()
        watch(server)
        return
      } catch (error) {
        log.error({ err: error }, 'the embedded database could not be started again')
        if (error instanceof DataDirInUseError) return
        await sleep(restartDelay)
      }
    }
  }

  async function reclaim(): Promise<void> {
    const { child } = server
    while (!stopping && isRunning(child)) {
      const owner = await claim(socket.path, port).catch(() => undefined)
      if (owner) {
        server.owner = owner
        owner.once('end', () => void reclaim())
        return
      }
      await sleep(restartDelay, undefined, { ref: false })
    }
  }

  async function stop(): Promise<void> {
    if (stopping) return
    stopping = true
    const patience = options.shutdownPatience ?? defaultShutdownPatience
    if (restarting) await endsWithin(patience, restarting)
    const { child, owner } = server
    if (isRunning(child) && !(await shutDown(child, patience))) {
      log.warn(
        { pid: child.pid },
        'the embedded database hangs; it was told to end at once, and is left to it',
      )
    }
    // Not waited for: a server that hangs says no goodbye. (pg's types lack unref.)
    owner.end().catch(() => {})
    ;(owner as pg.Client & { unref(): void }).unref()
    await cleanUp()
  }

  async function cleanUp(): Promise<void> {
    await serverLog.close()
    if (socket.temporary) await rm(socket.path, { recursive: true, force: true })
  }

  return {
    connection: { host: socket.path, port, user: superuser, database },
    pid: () => server.child.pid as number,
    stop,
  }
}

/**
 * Starts the postmaster and takes the cluster. Resolves to undefined if another start on the same cluster got in the
 * way, or processes of a killed server have not noticed yet; rejects with PostgreSQL's reason if it doesn't start.
 */
async function launch(
  cluster: string,
  socketDir: string,
  runtime: Runtime,
  serverLog: ServerLog,
  extra: Record<string, string> = {},
): Promise<Server | undefined> {
  await serverLog.mark()
  const all = { ...settings, unix_socket_directories: `"${socketDir.replaceAll('"', '""')}"`, ...extra }
  const args = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const output = serverLog.handle.fd
  const child = spawnAs(
    runtime.identity,
    runtime.binaries.postgres,
    ['-D', cluster, '-p', String(port), ...args],
    {
      detached: true,
      stdio: ['ignore', output, output],
    },
  )
  child.unref()
  let failure: Error | undefined
  child.on('error', (error) => (failure = error))
  while (failure === undefined && isRunning(child)) {
    const running = await readPidFile(cluster)
    const owner =
      running?.pid === child.pid ? await claim(socketDir, port).catch(() => 'not yet' as const) : 'not yet'
    if (owner === undefined) return undefined
    if (owner !== 'not yet') return { child, owner }
    await sleep(pollInterval)
  }
  const said = await serverLog.sinceMark()
  if (
    /lock file .* already exists|shared memory block .* still in use|due to administrator command/.test(said)
  )
    return undefined
  const reason = reasonIn(said) ?? failure?.message ?? 'no reason given'
  throw new Error(`the embedded database does not start: ${reason} (see postgres.log in DATA_DIR)`)
}

async function createDatabase(owner: pg.Client): Promise<void> {
  const { rowCount } = await owner.query('select from pg_database where datname = $1', [database])
  if (rowCount === 0) await owner.query(`create database ${pg.escapeIdentifier(database)}`)
}

const isRunning = (child: ChildProcess) => child.exitCode === null && child.signalCode === null

/**
 * PostgreSQL's fast shutdown; where that hangs, as it can when it meets the recovery from a crash, the immediate one,
 * which loses nothing that was committed. Resolves to false if the server still runs: it kills processes of its own
 * that hang after 5 s. It is never killed itself, which would leave those behind.
 */
async function shutDown(child: ChildProcess, patience: number): Promise<boolean> {
  child.ref()
  const ended = once(child, 'exit')
  child.kill('SIGINT')
  if (await endsWithin(patience, ended)) return true
  child.kill('SIGQUIT')
  // Whoever has stopped it would otherwise keep it from hearing that.
  child.kill('SIGCONT')
  if (await endsWithin(immediatePatience, ended)) return true
  child.unref()
  return false
}

/** Whether `work` is over within so many milliseconds. */
async function endsWithin(milliseconds: number, work: Promise<unknown>): Promise<boolean> {
  const timer = new AbortController()
  const late = sleep(milliseconds, false, { signal: timer.signal }).catch(() => false)
  return Promise.race([work.then(() => true), late]).finally(() => timer.abort())
}

/** A directory for the socket that only we can enter, beside the data if its path is short enough. */
async function makeSocketDirectory(
  dataDir: string,
  { identity: { user } }: Runtime,
): Promise<{ path: string; temporary: boolean }> {
  const usual = join(dataDir, 'postgres-socket')
  const fits = (directory: string) =>
    Buffer.byteLength(join(directory, `.s.PGSQL.${port}.lock`)) <= longestSocketPath
  const temporary = !fits(usual)
  const base = join(tmpdir(), 'privateline-')
  const path = temporary ? await mkdtemp(fits(`${base}XXXXXX`) ? base : '/tmp/privateline-') : usual
  await mkdir(path, { recursive: true, mode: 0o700 })
  if (user) await chown(path, user.uid, user.gid)
  return { path, temporary }
}
