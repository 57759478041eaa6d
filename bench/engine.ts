/** npm run bench -- engine: the embedded engine under an application that answers at once. */
import { parseArgs } from 'node:util'
import { sharesOf, type CpuProfile, type Share } from './cpu-profile.js'
import { measure, requireSipp, type Row, type Target } from './measure.js'
import { number, numbers } from './option-values.js'
import { startSubject } from './subject.js'
import type { EngineSubjectReady } from './subjects/engine.js'
import { costColumns, table, type Column } from './table.js'
import { users } from './users.js'

export const usage = `npm run bench -- engine [options]     REGISTER, 200 on the engine alone, and where its time goes
  --rate 2000,5000               requests per second
  --seconds 10                   length of each measurement
  --transport udp                or tcp
  --functions 15                 how many functions of the profile are shown
`

const phones = users(1000)
/** Seconds of load before anything is counted, for the just-in-time compiler. */
const warmUp = 5

const columns: Column<Row>[] = [
  ...costColumns(['engine', 'application']),
  // What one core could do at this cost; no rate that was held.
  [
    'requests/s of a core',
    ({ cpu }) => Math.round(1000 / (cpu['engine'] ?? Number.NaN)).toLocaleString('en'),
  ],
]

const shareColumns = (title: string): Column<Share>[] => [
  [title, ({ name }) => name],
  ['share', ({ share }) => `${(share * 100).toFixed(1)} %`],
]

export const run = async (args: string[]): Promise<void> => {
  const { values } = parseArgs({
    args,
    options: {
      rate: { type: 'string', default: '2000,5000' },
      seconds: { type: 'string', default: '10' },
      transport: { type: 'string', default: 'udp' },
      functions: { type: 'string', default: '15' },
    },
  })
  const rates = numbers('rate', values.rate)
  const seconds = number('seconds', values.seconds)
  const functions = number('functions', values.functions)
  const { transport } = values
  if (transport !== 'udp' && transport !== 'tcp') throw new Error('--transport: udp or tcp')
  requireSipp()
  const engine = await startSubject<EngineSubjectReady>('engine', {
    listeners: [{ transport, host: '127.0.0.1', port: 0 }],
  })
  const { control, listeners } = engine.ready
  const application = await startSubject('template', { control, method: 'register' })
  const pids = { engine: engine.pid, application: application.pid }
  const address = `127.0.0.1:${listeners[0]?.port ?? 0}`
  const target: Target = { address, transport, domain: 'localhost', pids }
  const load = (rate: number, length: number): Promise<Row> => {
    console.error(`${rate}/s for ${length} s ...`)
    return measure(target, 'bare-register', phones, rate, length)
  }
  const rows: Row[] = []
  try {
    const highest = Math.max(...rates)
    await load(highest, warmUp)
    for (const rate of rates) rows.push(await load(rate, seconds))
    // By itself: the profiler costs time too.
    await engine.ask('profile begins')
    await load(highest, seconds)
    const { areas, functions: all } = sharesOf(await engine.ask<CpuProfile>('profile ends'))
    console.log(table(columns, rows))
    console.log(`\n${table(shareColumns('part of the engine'), areas)}`)
    console.log(`\n${table(shareColumns('function'), all.slice(0, functions))}`)
  } finally {
    await application.stop()
    await engine.stop()
  }
}
