/**
 * npm run soak: half a million transactions through the engine and its application. Memory must not grow with them,
 * and nothing of them may be left behind.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { EngineStats } from '../src/engine/engine.js'
import { Sipp, type SippResult, type SippRun } from '../test/support/sipp.js'
import { until } from '../test/support/tools.js'
import { growth, type Growth } from './growth.js'
import { boundPort, loadOptions, requireSipp, scenario } from './measure.js'
import { number } from './option-values.js'
import { calledPhone } from './population.js'
import { startSubject } from './subject.js'
import type { EngineSubjectReady } from './subjects/engine.js'
import { megabytes, table } from './table.js'
import { users } from './users.js'

export const usage = `npm run soak -- [options]     memory over many transactions; fails if it grows or if one is left
  --transactions 500000          how many
  --rate 2500                    per second
`

/** The mixture: parts of all transactions, and how many an operation has (ACK has none of its own). */
const loads = [
  { name: 'register', transport: 'udp', share: 0.4, each: 2 },
  { name: 'register', transport: 'tcp', share: 0.12, each: 2 },
  { name: 'plain-call', transport: 'udp', share: 0.14, each: 2, dials: 'callee' },
  { name: 'plain-call', transport: 'udp', share: 0.06, each: 2, dials: 'answered' },
  { name: 'cancelled-call', transport: 'udp', share: 0.12, each: 2, dials: 'ringing' },
  { name: 'options', transport: 'udp', share: 0.16, each: 1 },
] as const

const domain = 'localhost'
/** Seconds from one sample to the next. */
const sampleSeconds = 5
/** Until then the number of transactions rises (each is kept 32 s: 64*T1, RFC 3261 §17.2.2), and tables find their size. */
const settleSeconds = 60
/**
 * Bytes per request. A leak leaves more than a pointer of each on the heap. All memory of a process moves in steps of
 * megabytes; it is looked at for what no heap shows, such as a handle of the system's.
 */
const tolerable = { heap: 8, rss: 100 }

interface Memory {
  heap: number
  external: number
  rss: number
}

interface Sample {
  second: number
  /** Requests so far. */
  requests: number
  stats: EngineStats
  engine: Memory
  application: Memory
}

const sippRun = (load: (typeof loads)[number], rate: number, seconds: number, remote: string): SippRun => {
  const perSecond = Math.max(1, Math.round((rate * load.share) / load.each))
  return {
    scenario: scenario(load.name),
    remote,
    transport: load.transport,
    users: users(1000, 'dials' in load ? load.dials : ''),
    calls: perSecond * seconds,
    trace: false,
    timeout: seconds + 60,
    keys: { domain, contact_port: boundPort },
    options: loadOptions(perSecond),
  }
}

/** What is wrong after the run; empty if nothing is. */
const faults = (failed: number, left: number, grown: Record<string, Growth>): string[] => [
  ...(failed === 0 ? [] : [`${failed} operations failed`]),
  ...(left === 0 ? [] : [`${left} transactions and dialogs were left`]),
  ...Object.entries(grown)
    .filter(([, { verdict }]) => verdict !== 'flat')
    .map(([name, { slope, verdict }]) => `${name}: ${verdict}, ${slope.toFixed(1)} bytes per request`),
]

export const run = async (args: string[]): Promise<void> => {
  const { values } = parseArgs({
    args,
    options: {
      transactions: { type: 'string', default: '500000' },
      rate: { type: 'string', default: '2500' },
    },
  })
  const rate = number('rate', values.rate)
  const seconds = Math.ceil(number('transactions', values.transactions) / rate)
  requireSipp()
  const callees = { callee: await calledPhone('callee'), ringing: await calledPhone('ringing') }
  const engine = await startSubject<EngineSubjectReady>(
    'engine',
    {
      listeners: [
        { transport: 'udp', host: '127.0.0.1', port: 0 },
        { transport: 'tcp', host: '127.0.0.1', port: 0 },
      ],
      // A timer that was cancelled keeps its place until it would have run: three minutes with the timer C of a call.
      timing: { timerC: 30_000 },
      // To collect all garbage takes so long that calls would be refused.
      overload: { delayMs: 10_000 },
    },
    ['--expose-gc'],
  )
  const { control, listeners } = engine.ready
  const phones = Object.fromEntries(
    Object.entries(callees).map(([user, { port }]) => [user, `127.0.0.1:${port}`]),
  )
  const application = await startSubject('application', { control, phones }, ['--expose-gc'])
  const began = Date.now()
  const sample = async (): Promise<Sample> => {
    const stats = await engine.ask<EngineStats>('stats')
    return {
      second: Math.round((Date.now() - began) / 1000),
      requests: stats.requests,
      stats,
      engine: await engine.ask<Memory>('memory'),
      application: await application.ask<Memory>('memory'),
    }
  }
  const samples: Sample[] = [await sample()]
  try {
    console.error(
      `${values.transactions} transactions at ${rate}/s: ${seconds} s, and up to 40 s for what is left ...`,
    )
    let running = true
    const results = Promise.all(
      loads.map(async (load) => {
        const port = listeners.find(({ transport }) => transport === load.transport)?.port ?? 0
        return (await Sipp.start(sippRun(load, rate, seconds, `127.0.0.1:${port}`))).done
      }),
    ).finally(() => (running = false))
    while (running) {
      await Promise.race([sleep(sampleSeconds * 1000), results])
      if (running) samples.push(await sample())
    }
    const left = async (): Promise<number> => {
      const { transactions, dialogs } = await engine.ask<EngineStats>('stats')
      return transactions + dialogs
    }
    await until('nothing is left', async () => (await left()) === 0, 45_000).catch(() => {})
    samples.push(await sample())
    report(samples, await results, await left())
  } finally {
    await application.stop()
    await engine.stop()
    for (const phone of Object.values(callees)) {
      phone.stop()
      await phone.done
    }
  }
}

/** What grew under load, once the number of transactions stood still; the last sample is that of the silence after it. */
const growths = (samples: readonly Sample[]): Record<string, Growth> => {
  const steady = samples.slice(1, -1).filter(({ second }) => second >= settleSeconds)
  const silent = samples.at(-1)
  const mean = (of: (sample: Sample) => number): number =>
    steady.reduce((sum, sample) => sum + of(sample), 0) / steady.length
  const heapOf = ({ heap, external }: Memory): number => heap + external
  // What belongs to the transactions that are alive comes and goes with them.
  const each =
    (mean(({ engine }) => heapOf(engine)) - (silent ? heapOf(silent.engine) : 0)) /
    mean(({ stats }) => stats.transactions)
  const of = (value: (sample: Sample) => number, floor: number, among = steady): Growth =>
    growth(
      among.map((sample) => [sample.requests, value(sample)]),
      floor,
    )
  // The longer it runs the less the heap's holes cost; they are no leak.
  const half = steady.slice(Math.floor(steady.length / 2))
  return {
    'engine heap': of(({ engine, stats }) => heapOf(engine) - each * stats.transactions, tolerable.heap),
    'engine RSS, second half': of(({ engine }) => engine.rss, tolerable.rss, half),
    'application heap': of(({ application }) => heapOf(application), tolerable.heap),
  }
}

/** @throws Error with what is wrong */
const report = (samples: readonly Sample[], results: readonly SippResult[], left: number): void => {
  const memory = ({ heap, external, rss }: Memory): string =>
    [heap, external, rss].map((bytes) => (bytes / 1024 ** 2).toFixed(1)).join(' / ')
  console.log(
    table(
      [
        ['s', ({ second }) => String(second)],
        ['requests', ({ requests }) => String(requests)],
        ['transactions', ({ stats }) => String(stats.transactions)],
        ['dialogs', ({ stats }) => String(stats.dialogs)],
        ['engine MB: heap / external / RSS', ({ engine }) => memory(engine)],
        ['application MB', ({ application }) => memory(application)],
      ],
      samples,
    ),
  )
  const failed = results.reduce((sum, result) => sum + Math.max(result.failed, result.code === 0 ? 0 : 1), 0)
  const done = results.reduce((sum, { successful }, index) => sum + successful * (loads[index]?.each ?? 0), 0)
  const grown = growths(samples)
  console.log(
    `\n${table(
      [
        ['', ([name]) => name],
        ['bytes per request', ([, { slope }]) => slope.toFixed(2)],
        ['noise (2 standard errors)', ([, { noise }]) => noise.toFixed(2)],
        ['verdict', ([, { verdict }]) => verdict],
      ],
      Object.entries(grown),
    )}`,
  )
  console.log(
    `\n${done} transactions by SIPp, ${failed} operations failed, ${left} transactions and dialogs left behind; ` +
      `heap of the engine before and after: ${megabytes(samples[0]?.engine.heap ?? 0)} and ` +
      `${megabytes(samples.at(-1)?.engine.heap ?? 0)} MB`,
  )
  const wrong = faults(failed, left, grown)
  if (wrong.length > 0) throw new Error(wrong.join('\n'))
}
