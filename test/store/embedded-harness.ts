import { spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { platform, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { startEmbeddedDatabase } from '../../src/store/embedded.js'
import type { EmbeddedDatabase, EmbeddedOptions } from '../../src/store/embedded.js'
import { silent } from '../support/database.js'
import { until } from '../support/tools.js'

/** A data directory; goes with the test, and so does a server that is still running there. */
export async function directory(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'privateline-embedded-'))
  t.teardown(async () => {
    const pidFile = await readFile(join(path, 'postgres', 'postmaster.pid'), 'utf8').catch(() => '')
    const pid = Number.parseInt(pidFile, 10)
    if (pid > 0 && pid !== process.pid && (await isAlive(pid))) process.kill(pid, 'SIGQUIT')
    await rm(path, { recursive: true, force: true, maxRetries: 5 })
  })
  return path
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

/** Not even waiting for its parent to take notice of its end. */
export async function isAlive(pid: number): Promise<boolean> {
  if (platform() === 'linux')
    return /\) [^ZX]/.test(await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ''))
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
