/** The programs of others that the interop suites and the bench drive, and what happens where one is missing. */
import type { ChildProcess } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { platform } from 'node:os'
import path from 'node:path'

/** Directory of the checkout; the compiled file lies in <outDir>/test/support. */
export const root = path.resolve(import.meta.dirname, '../../..')

const executable = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The path of a program in PATH, or undefined. */
export const findTool = (name: string): string | undefined =>
  (process.env.PATH ?? '')
    .split(path.delimiter)
    .map((dir) => path.join(dir, name))
    .find(executable)

/**
 * The `skip` option of a tap test that needs `tools` (program names, or absolute paths of files): false, or the reason, which
 * goes to stderr as well, so that a skipped suite is not mistaken for a passed one.
 * @throws Error with CI=true: there a missing tool is a failure, not a reason to skip.
 */
export const skipWithout = (...tools: string[]): string | false => {
  const missing = tools.filter((tool) =>
    path.isAbsolute(tool) ? !existsSync(tool) : findTool(tool) === undefined,
  )
  if (missing.length === 0) return false
  const reason = `not found: ${missing.join(', ')} (.ci/run installs them)`
  if (process.env.CI === 'true') throw new Error(reason)
  console.error(`SKIPPED, this interop suite did not run: ${reason}`)
  return reason
}

/** Ports below those that the system chooses for others (Linux: from 32768 on) and that its services have. */
const [lowestPort, highestPort] = [12_000, 32_000]
let nextPort = lowestPort + Math.floor(Math.random() * (highestPort - lowestPort))

/**
 * A loopback port that is free on UDP and TCP now, and that nobody else gets from here. For tools that can't take port 0
 * and tell what they got.
 * @param ports how many in a row are kept for the caller; only the first is known to be free
 */
export const freePort = async (ports = 1): Promise<number> => {
  for (;;) {
    if (nextPort + ports > highestPort) nextPort = lowestPort
    const port = nextPort
    nextPort += ports
    const tcp = createServer().listen(port, '127.0.0.1')
    const udp = createSocket('udp4').bind(port, '127.0.0.1')
    const opened = await Promise.allSettled([once(tcp, 'listening'), once(udp, 'listening')])
    tcp.close()
    udp.close()
    if (opened.every(({ status }) => status === 'fulfilled')) return port
  }
}

/**
 * Waits until `condition` gives a value other than undefined or false.
 * @param timeout ms; after it the promise rejects with `what`
 */
export const until = async <T>(
  what: string,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  timeout = 10_000,
): Promise<T> => {
  const deadline = Date.now() + timeout
  for (;;) {
    const value = await condition()
    if (value !== undefined && value !== false) return value
    if (Date.now() > deadline) throw new Error(`not within ${timeout} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** Whether the process runs; one that has ended and waits for its parent to take notice of it doesn't. */
export async function isAlive(pid: number): Promise<boolean> {
  if (platform() === 'linux')
    return /\) [^ZX]/.test(await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ''))
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** tap ends a file that takes too long by SIGALRM from within and SIGTERM from outside; neither runs 'exit' handlers. */
const deadly = ['SIGALRM', 'SIGTERM', 'SIGINT', 'SIGHUP'] as const

/** What this process has started and what ends it. */
const children = new Map<ChildProcess, 'SIGTERM' | 'SIGKILL'>()

const endChildren = (): void => {
  for (const [child, signal] of children) child.kill(signal)
}

const endAndDie = (name: NodeJS.Signals): void => {
  endChildren()
  // Our handler is gone now: this time the signal does what it does by default.
  process.kill(process.pid, name)
}

/** Ends a child when this process ends for whatever reason, a test time-out included: none may stay behind. */
export const endWithUs = (child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): void => {
  if (children.size === 0) {
    process.once('exit', endChildren)
    for (const name of deadly) process.once(name, endAndDie)
  }
  children.set(child, signal)
  child.once('exit', () => {
    children.delete(child)
    if (children.size > 0) return
    process.off('exit', endChildren)
    for (const name of deadly) process.off(name, endAndDie)
  })
}
