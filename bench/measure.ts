/** One row of the bench: a load at a held rate for a bounded time, and what it cost. */
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Sipp, type SippResult, type SippRun, type SippUser } from '../test/support/sipp.js'
import { findTool, root } from '../test/support/tools.js'
import type { Mode } from './modes.js'
import { cpuSeconds, memoryBytes } from './processes.js'
import { operations, percentile, type Operation } from './wire-log.js'

/** What is measured. */
export interface Target {
  /** host:port */
  address: string
  transport: 'udp' | 'tcp'
  domain: string
  /** Its processes: name to root process id. */
  pids: Record<string, number>
}

export interface Row {
  mode: Mode
  /** Operations per second. */
  asked: number
  held: number
  failures: number
  retransmissions: number
  /** CPU seconds per 1000 operations, by process. */
  cpu: Record<string, number>
  /** Part of one core that the load generators took, 0 to 1: near 1 they were the limit. */
  generator: number
  /** ms */
  p50: number
  p99: number
  /** Bytes by process, before and after. */
  memory: Record<string, { before: number; after: number }>
}

/** Seconds before the measurement begins: caches, and the first second of a load that starts all at once. */
const warmUp = 2

/** Port in the contacts of phones that register but are never called (discard, RFC 863). */
export const boundPort = '9'

export const scenario = (name: string): string => path.join(root, 'bench/scenarios', `${name}.xml`)

/** @throws Error if there is no SIPp on this machine */
export const requireSipp = (): void => {
  if (findTool('sipp') !== undefined) return
  throw new Error('sipp is not installed (Debian: apt-get install sip-tester)')
}

/** SIPp options for a load: it may not throttle itself below what is asked, nor stop because it was late. */
export const loadOptions = (rate: number): string[] => [
  ...['-r', String(rate), '-l', String(Math.max(rate * 3, 200)), '-buff_size', '4194304'],
  ...['-watchdog_major_maxtriggers', '100000', '-watchdog_minor_maxtriggers', '100000'],
]

/**
 * Drives `target` in one mode.
 * @param users phones that register or call; a call's callee stands in `dials`
 * @param rate operations per second
 * @param seconds length of the measurement
 */
export const measure = async (
  target: Target,
  mode: Mode,
  users: readonly SippUser[],
  rate: number,
  seconds: number,
): Promise<Row> => {
  const before = await memoryBytes(target.pids)
  const log: { operations: Operation[] } = { operations: [] }
  const load = await Sipp.start(loadOf(target, mode, users, rate, seconds), async (dir) => {
    log.operations = await operations(path.join(dir, 'short.log'), mode)
  })
  const processes = { ...target.pids, sipp: load.pid }
  await sleep(warmUp * 1000)
  const from = { time: Date.now() / 1000, cpu: await cpuSeconds(processes) }
  await sleep(seconds * 1000)
  const to = { time: Date.now() / 1000, cpu: await cpuSeconds(processes) }
  const result = await load.done
  const after = await memoryBytes(target.pids)

  const counted = log.operations.filter(({ ended }) => ended >= from.time && ended < to.time)
  const waits = counted.map(({ began, ended }) => (ended - began) * 1000).sort((a, b) => a - b)
  const used = (name: string): number => (to.cpu[name] ?? 0) - (from.cpu[name] ?? 0)
  const names = Object.keys(target.pids)
  return {
    mode,
    asked: rate,
    held: counted.length / (to.time - from.time),
    failures: result.failed + unended(result),
    retransmissions: result.retransmissions,
    cpu: Object.fromEntries(names.map((name) => [name, (used(name) / counted.length) * 1000])),
    generator: used('sipp') / (to.time - from.time),
    p50: percentile(waits, 0.5),
    p99: percentile(waits, 0.99),
    memory: Object.fromEntries(
      names.map((name) => [name, { before: before[name] ?? 0, after: after[name] ?? 0 }]),
    ),
  }
}

/** A SIPp that ended by itself without a verdict (no memory, no socket) is a failure that no counter shows. */
const unended = ({ code, failed }: SippResult): number => (code !== 0 && failed === 0 ? 1 : 0)

const loadOf = (
  target: Target,
  mode: Mode,
  users: readonly SippUser[],
  rate: number,
  seconds: number,
): SippRun => {
  // A second beyond the measurement, so that the rate is held to its very end.
  const length = warmUp + seconds + 1
  const run = {
    scenario: scenario(mode),
    remote: target.address,
    transport: target.transport,
    users,
    trace: false,
    timeout: length + 30,
    // The devices that `bind` registered: each refreshes its binding and adds none.
    keys: { domain: target.domain, contact_port: boundPort },
  }
  const log = ['-trace_shortmsg', '-shortmessage_file', 'short.log']
  if (mode !== 'refresh') return { ...run, calls: rate * length, options: [...loadOptions(rate), ...log] }
  // As many phones as refreshes per second, started over the first second, each refreshing once per second.
  const keys = { ...run.keys, rounds: String(length - 1) }
  return { ...run, keys, calls: rate, options: [...loadOptions(rate), ...log, '-d', '1000'] }
}
