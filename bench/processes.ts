/** What processes cost, by /proc (Linux): each with all its threads and children. */
import { readFile, readdir } from 'node:fs/promises'

/** Kernel clock ticks per second; 100 on every Linux platform (USER_HZ is part of its ABI). */
const ticks = 100

interface Stat {
  parent: number
  /** CPU seconds of its own and of children that have ended. */
  cpu: number
}

const stat = async (pid: number): Promise<Stat | undefined> => {
  const text = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => undefined)
  if (text === undefined) return undefined
  // The name in parentheses may hold spaces: count the fields behind it. proc(5): ppid is 4, utime to cstime 14 to 17.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const times = fields.slice(11, 15).map(Number)
  return { parent: Number(fields[1]), cpu: times.reduce((sum, time) => sum + time, 0) / ticks }
}

/** Proportional set size: memory that several processes share counts once. Bytes. */
const memory = async (pid: number): Promise<number> => {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'latin1').catch(() => '')
  return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) * 1024
}

/** Resident set size of one process: what it shares with others counts in full. Bytes. */
export const residentBytes = async (pid: number): Promise<number> => {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'latin1')
  return Number(/^Rss:\s+(\d+) kB/m.exec(text)?.[1] ?? Number.NaN) * 1024
}

/** Every process of the machine. */
const snapshot = async (): Promise<Map<number, Stat>> => {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const stats = await Promise.all(pids.map(async (pid) => [pid, await stat(pid)] as const))
  return new Map(stats.filter((entry): entry is [number, Stat] => entry[1] !== undefined))
}

/** The processes of each named tree: a process belongs to the nearest root above it. */
const trees = (all: Map<number, Stat>, roots: Record<string, number>): Map<string, number[]> => {
  const names = new Map(Object.entries(roots).map(([name, pid]) => [pid, name]))
  const owner = (pid: number): string | undefined => {
    const parent = all.get(pid)?.parent
    return names.get(pid) ?? (parent === undefined || parent === 0 ? undefined : owner(parent))
  }
  const members = new Map<string, number[]>(Object.keys(roots).map((name) => [name, []]))
  for (const pid of all.keys()) members.get(owner(pid) ?? '')?.push(pid)
  return members
}

/** CPU seconds used so far by each tree of `roots` (name to process id). */
export const cpuSeconds = async (roots: Record<string, number>): Promise<Record<string, number>> => {
  const all = await snapshot()
  const sum = (pids: number[]): number => pids.reduce((total, pid) => total + (all.get(pid)?.cpu ?? 0), 0)
  return Object.fromEntries([...trees(all, roots)].map(([name, pids]) => [name, sum(pids)]))
}

/** Bytes of memory that each tree holds now. */
export const memoryBytes = async (roots: Record<string, number>): Promise<Record<string, number>> => {
  const result: Record<string, number> = {}
  for (const [name, pids] of trees(await snapshot(), roots)) {
    result[name] = (await Promise.all(pids.map(memory))).reduce((sum, bytes) => sum + bytes, 0)
  }
  return result
}
