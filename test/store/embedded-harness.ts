import { execFile, spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import tap from 'tap'
import type { Test } from 'tap'
import { startEmbeddedDatabase } from '../../src/store/embedded.js'
import type { EmbeddedDatabase, EmbeddedOptions } from '../../src/store/embedded.js'
import { silent } from '../support/database.js'
import { scratch } from '../support/scratch.js'
import { isAlive, until } from '../support/tools.js'

/** A data directory; goes with the test, and so does a server that is still running there. */
export async function directory(t: Pick<Test, 'teardown'>): Promise<string> {
  const path = await mkdtemp(join(scratch, 'privateline-embedded-'))
  t.teardown(async () => {
    const pidFile = await readFile(join(path, 'postgres', 'postmaster.pid'), 'utf8').catch(() => '')
    const pid = Number.parseInt(pidFile, 10)
    if (pid > 0 && pid !== process.pid && (await isAlive(pid))) process.kill(pid, 'SIGQUIT')
    await rm(path, { recursive: true, force: true, maxRetries: 5 })
  })
  return path
}

let cluster: Promise<string> | undefined

/**
 * A data directory with a database in it, for tests that are not about the first start: a copy takes a tenth of the
 * time that making one takes.
 */
export async function usedDirectory(t: Test): Promise<string> {
  const path = await directory(t)
  await promisify(execFile)('cp', ['-R', '-p', await (cluster ??= makeCluster()), path])
  return path
}

async function makeCluster(): Promise<string> {
  const path = await directory(tap)
  const database = await launch(path)
  await database.stop()
  return join(path, 'postgres')
}

/** Without waiting for the disk, for tests that don't pull the plug. */
export const launch = (dataDir: string, options: Partial<EmbeddedOptions> = {}) =>
  startEmbeddedDatabase({ dataDir, log: silent, settings: { fsync: 'off' }, ...options })

export async function start(
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

export function otherProcess(t: Test, dataDir: string): OtherProcess {
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
