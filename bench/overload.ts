/** npm run bench -- overload: what the product still does when twice as much is asked as it can do. */
import { execFileSync } from 'node:child_process'
import { createReadStream } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Product } from '../test/support/product.js'
import { Sipp, sippSettings, type SippUser } from '../test/support/sipp.js'
import { findTool } from '../test/support/tools.js'
import { boundPort, loadOptions, requireSipp, scenario, type Target } from './measure.js'
import { shapes } from './modes.js'
import { number, numbers, oneOf, pairs } from './option-values.js'
import { accountMaker, answering, bind, type Population } from './population.js'
import { cpuSeconds } from './processes.js'
import { table } from './table.js'
import { percentile } from './wire-log.js'

export const usage = `npm run bench -- overload [options]     goodput at twice the capacity
  --mode register,call   what to drive; both
  --start 500            operations per second to begin with; by default 500 for registrations and 50 for calls
  --times 2              how often the capacity is offered in the end; a list repeats the end
  --seconds 20           length of that; the search for the capacity takes steps of a third of it
  --set NAME=VALUE       a setting of the product (may be repeated)
The server gets one core and the load the others, where taskset can do that: they would share, otherwise
`

type OverloadMode = 'register' | 'call'
const defaultStart: Record<OverloadMode, number> = { register: 500, call: 50 }

const accounts = 2000
/** Seconds of load before anything is counted. */
const warmUp = 3
/** An operation that took longer is of no use any more: people hang up, phones try again. Seconds. */
const inTime = 4
/** The next step of the search offers so much more; the search ends where less than this share of it is done. */
const step = 1.3
const keptUp = 0.93

interface Row {
  mode: OverloadMode
  asked: number
  /** Operations per second that succeeded in time. */
  goodput: number
  /** Operations per second that were told to come back later. */
  refused: number
  retransmissions: number
  p50: number
  p99: number
  /** Cores used. */
  server: number
  load: number
}

interface Outcome {
  began: number
  ended: number
  status: number
}

/** What became of the operations in SIPp's log of messages: those that got their last 200, or a 503. */
const outcomes = async (file: string, mode: OverloadMode): Promise<Outcome[]> => {
  const { opens, closes } = shapes[mode]
  const open = new Map<string, number>()
  const done: Outcome[] = []
  for await (const line of createInterface({ input: createReadStream(file, 'latin1') })) {
    const [, , time = '', direction = '', callId = '', cseq = '', first = ''] = line.split('\t')
    if (direction === 'S') {
      if (opens.test(cseq) && !open.has(callId)) open.set(callId, Number(time))
      continue
    }
    const status = Number(first.slice(8, 11))
    const began = open.get(callId)
    if (began === undefined || (status !== 503 && !(status === 200 && closes.test(cseq)))) continue
    done.push({ began, ended: Number(time), status })
    open.delete(callId)
  }
  return done
}

const drive = async (
  target: Target,
  mode: OverloadMode,
  users: readonly SippUser[],
  rate: number,
  seconds: number,
): Promise<Row> => {
  console.error(`${mode} at ${rate}/s for ${seconds} s ...`)
  const length = warmUp + seconds + 1
  const log: { outcomes: Outcome[] } = { outcomes: [] }
  const load = await Sipp.start(
    {
      scenario: scenario(mode),
      remote: target.address,
      users,
      calls: 0,
      trace: false,
      timeout: length,
      keys: { domain: target.domain, contact_port: boundPort },
      // An open load: what is not answered must not keep the next one from being sent. 32 s live those.
      options: [
        ...loadOptions(rate),
        ...['-l', String(rate * 40), '-trace_shortmsg', '-shortmessage_file', 'short.log'],
        // No BYE for a registration that was refused.
        ...['-default_behaviors', 'all,-bye'],
      ],
    },
    async (dir) => {
      log.outcomes = await outcomes(path.join(dir, 'short.log'), mode)
    },
  )
  pin(load.pid, 'load')
  const processes = { ...target.pids, load: load.pid }
  await sleep(warmUp * 1000)
  const from = { time: Date.now() / 1000, cpu: await cpuSeconds(processes) }
  await sleep(seconds * 1000)
  const to = { time: Date.now() / 1000, cpu: await cpuSeconds(processes) }
  const { retransmissions } = await load.done
  const counted = log.outcomes.filter(({ ended }) => ended >= from.time && ended < to.time)
  const good = counted.filter(({ began, ended, status }) => status === 200 && ended - began <= inTime)
  const waits = good.map(({ began, ended }) => (ended - began) * 1000).sort((a, b) => a - b)
  const lasted = to.time - from.time
  const cores = (names: string[]): number =>
    names.reduce((sum, name) => sum + (to.cpu[name] ?? 0) - (from.cpu[name] ?? 0), 0) / lasted
  return {
    mode,
    asked: rate,
    goodput: good.length / lasted,
    refused: counted.filter(({ status }) => status === 503).length / lasted,
    retransmissions,
    p50: percentile(waits, 0.5),
    p99: percentile(waits, 0.99),
    server: cores(Object.keys(target.pids)),
    load: cores(['load']),
  }
}

/** Puts a process with its threads, and what it will start, on the cores of the server or on those of the load. */
const pin = (pid: number, role: 'server' | 'load'): void => {
  if (findTool('taskset') === undefined) return
  execFileSync('taskset', ['-a', '-p', '-c', role === 'server' ? '0' : '1-1023', String(pid)], {
    stdio: 'ignore',
  })
}

/** Offers more and more until the server does not keep up; the most that it did is the peak. */
const search = async (
  target: Target,
  mode: OverloadMode,
  users: readonly SippUser[],
  start: number,
  seconds: number,
): Promise<Row[]> => {
  const rows: Row[] = []
  for (let rate = start; ; rate = Math.round(rate * step)) {
    const row = await drive(target, mode, users, rate, seconds)
    rows.push(row)
    if (row.goodput < rate * keptUp) return rows
  }
}

const callersOf = ({ phones, callees }: Population): SippUser[] =>
  phones.map((caller, index) => ({
    ...caller,
    dials: callees[index % callees.length]?.virtualNumber ?? '',
  }))

const bench = async (
  target: Target,
  population: Population,
  mode: OverloadMode,
  options: { start: number; times: number[]; seconds: number },
): Promise<Row[]> => {
  const callee = mode === 'call' ? await answering(target, population.callees) : undefined
  if (callee) pin(callee.pid, 'load')
  const users = mode === 'call' ? callersOf(population) : population.phones
  try {
    const rows = await search(target, mode, users, options.start, Math.ceil(options.seconds / 3))
    const capacity = Math.max(...rows.map(({ goodput }) => goodput))
    for (const times of options.times) {
      rows.push(await drive(target, mode, users, Math.round(capacity * times), options.seconds))
    }
    return rows
  } finally {
    callee?.stop()
    await callee?.done
  }
}

const show = (rows: readonly Row[]): string => {
  const peak = (mode: OverloadMode): number =>
    Math.max(...rows.filter((row) => row.mode === mode).map(({ goodput }) => goodput))
  return table(
    [
      ['mode', ({ mode }) => mode],
      ['asked/s', ({ asked }) => String(asked)],
      ['goodput/s', ({ goodput }) => goodput.toFixed(0)],
      ['of the peak', ({ mode, goodput }) => `${((goodput / peak(mode)) * 100).toFixed(0)} %`],
      ['refused/s', ({ refused }) => refused.toFixed(0)],
      ['retrans.', ({ retransmissions }) => String(retransmissions)],
      ['p50 ms', ({ p50 }) => p50.toFixed(0)],
      ['p99 ms', ({ p99 }) => p99.toFixed(0)],
      ['server cores', ({ server }) => server.toFixed(2)],
      ['SIPp cores', ({ load }) => load.toFixed(2)],
    ],
    rows,
  )
}

export const run = async (args: string[]): Promise<void> => {
  const { values } = parseArgs({
    args,
    options: {
      mode: { type: 'string', default: 'register,call' },
      start: { type: 'string' },
      times: { type: 'string', default: '2' },
      seconds: { type: 'string', default: '20' },
      set: { type: 'string', multiple: true, default: [] },
    },
  })
  const modes = oneOf('mode', values.mode, ['register', 'call'] as const)
  const times = numbers('times', values.times)
  const seconds = number('seconds', values.seconds)
  requireSipp()
  const product = await Product.start({ ...sippSettings, ...pairs('set', values.set) })
  try {
    const [database] = await product.databasePids()
    const pids = { server: product.pid, ...(database === undefined ? {} : { database }) }
    const target: Target = { address: product.sip('udp'), transport: 'udp', domain: 'localhost', pids }
    const population = await (await accountMaker(product))(accounts)
    await bind(target, population.phones, accounts)
    for (const pid of Object.values(pids)) pin(pid, 'server')
    const rows: Row[] = []
    for (const mode of modes) {
      const start = values.start === undefined ? defaultStart[mode] : number('start', values.start)
      rows.push(...(await bench(target, population, mode, { start, times, seconds })))
    }
    console.log(show(rows))
    const said = product.log.split('\n').filter((line) => line.includes('overload'))
    console.log(said.join('\n'))
  } finally {
    await product.dispose()
  }
}
