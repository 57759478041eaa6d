import { readFile, rm } from 'node:fs/promises'
import { platform } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { StoreLog } from '../log.js'
import { superuser } from './cluster.js'
import { runAs } from './identity.js'
import type { Runtime } from './identity.js'

/** Where a postmaster that runs on a cluster says it can be reached, from its postmaster.pid. */
export interface Postmaster {
  pid: number
  socketDir: string
  port: number
}

/**
 * The lock that says whose the cluster is: held by a connection, so it ends with the process that took it, however
 * that ends. The number is arbitrary, and ours for ever.
 */
const ownerLock = 5_061_002

/** Milliseconds. Recovery after a crash can take a while. */
const patience = 120_000
const pollInterval = 20
/** Milliseconds that a server may take to let us in or to answer; one that was stopped (SIGSTOP) does neither. */
const answerPatience = 5_000

export class DataDirInUseError extends Error {
  override readonly name = 'DataDirInUseError'
}

/** Connects to the server at that socket and takes the cluster; undefined if another process has it. */
export async function claim(socketDir: string, port: number): Promise<pg.Client | undefined> {
  const client = new pg.Client({
    ...{ host: socketDir, port, user: superuser, database: 'postgres' },
    connectionTimeoutMillis: answerPatience,
    query_timeout: answerPatience,
  })
  // Whoever uses the client adds a listener of its own; an error without any would end the process.
  client.on('error', () => {})
  try {
    await client.connect()
    const { rows } = await client.query<{ mine: boolean }>('select pg_try_advisory_lock($1) as mine', [
      ownerLock,
    ])
    if (rows[0]?.mine) return client
  } catch (error) {
    await client.end().catch(() => {})
    throw error
  }
  await client.end()
  return undefined
}

/** How long the server may take to notice that the owner was killed, on a busy machine, in milliseconds. */
const noticePatience = 500

/** PostgreSQL's code for: starting up, recovering or shutting down. */
const isNotReady = (error: unknown): boolean => (error as { code?: string }).code === '57P03'

/**
 * Sees to it that no postmaster runs on the cluster. One whose owner is gone (our process was killed) is shut down in
 * order. Rejects with DataDirInUseError if the owner lives.
 */
export async function clearTheWay(
  cluster: string,
  dataDir: string,
  runtime: Runtime,
  log: StoreLog,
): Promise<void> {
  const begin = Date.now()
  for (;;) {
    const running = await readPidFile(cluster)
    if (!running) return
    try {
      const owner = await claim(running.socketDir, running.port)
      if (!owner) {
        if (Date.now() - begin > noticePatience) throw inUse(dataDir)
        await sleep(pollInterval)
        continue
      }
      log.info(
        { pid: running.pid },
        'the embedded database was left running by a process that ended; stopping it',
      )
      const stop = (mode: string, seconds: number) =>
        runAs(runtime.identity, runtime.binaries.pgCtl, [
          ...['stop', '-D', cluster, '-m', mode, '-t', String(seconds), '-w'],
        ])
      // A fast shutdown that meets a start or a recovery can hang for good; an immediate one loses nothing committed.
      await stop('fast', 5).catch(() => stop('immediate', 30))
      await owner.end().catch(() => {})
      return
    } catch (error) {
      if (error instanceof DataDirInUseError) throw error
      if (!isNotReady(error) && !(await isPostgres(running.pid))) {
        // Left by a server that was killed. The id may be another program's by now, which PostgreSQL would take for
        // a postmaster; it isn't one, and nobody answers at its socket.
        await rm(join(running.socketDir, `.s.PGSQL.${running.port}.lock`), { force: true })
        await rm(join(cluster, 'postmaster.pid'), { force: true })
        return
      }
      // It starts, recovers or stops: soon it is ready or gone.
      if (Date.now() - begin > patience) {
        throw new Error(
          `DATA_DIR: process ${running.pid} runs the database in ${cluster} but does not answer: stop it first`,
          { cause: error },
        )
      }
      await sleep(pollInterval)
    }
  }
}

export const inUse = (dataDir: string): DataDirInUseError =>
  new DataDirInUseError(
    `DATA_DIR: another Privateline is running on ${dataDir}: stop it, or give this one a directory of its own`,
  )

/** Lines of postmaster.pid: process id, data directory, start time, port, socket directory, … */
export async function readPidFile(cluster: string): Promise<Postmaster | undefined> {
  const text = await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => '')
  const [pid, , , port, socketDir] = text.split('\n')
  return pid
    ? { pid: Number(pid), port: Number(port) || 5432, socketDir: socketDir || '/nonexistent' }
    : undefined
}

/** Whether it is a living postgres; one that ended may stay listed until its parent takes notice. */
async function isPostgres(pid: number): Promise<boolean> {
  // `123 (postgres) S …` or `S postgres`
  const status =
    platform() === 'linux'
      ? readFile(`/proc/${pid}/stat`, 'utf8')
      : runAs({ prefix: [] }, 'ps', ['-p', String(pid), '-o', 'stat=,comm='])
  return /^\d+ \(postgres\) [^ZX]|^[^ZX\s]\S*\s+(.*\/)?postgres\s*$/.test(await status.catch(() => ''))
}
