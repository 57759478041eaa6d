/** npm run bench -- edges: the embedded engine beside drachtio-server, each with the same application. */
import { parseArgs } from 'node:util'
import { startDrachtioServer } from '../test/support/drachtio-server.js'
import type { SippUser } from '../test/support/sipp.js'
import { findTool } from '../test/support/tools.js'
import { measure, requireSipp, type Row, type Target } from './measure.js'
import type { Mode } from './modes.js'
import { number, numbers, oneOf } from './option-values.js'
import { calledPhone } from './population.js'
import { startSubject } from './subject.js'
import type { EngineSubjectReady } from './subjects/engine.js'
import { users } from './users.js'
import { costColumns, table } from './table.js'

export const usage = `npm run bench -- edges [options]     embedded engine and drachtio-server with one application
  --mode register,proxied-call,answered-call
  --rate 500,3000                operations per second; by default 500,3000 for registrations and 100,500 for calls
  --seconds 10                   length of each measurement
  --rounds 3                     how often each is repeated, the edges in turn
DRACHTIO_SERVER names the binary of drachtio-server, unless it is in PATH as drachtio; without it the engine is alone
`

/** What is driven, by 1000 accounts: calls go to one user who is there, or to one for whom the application answers. */
const works = {
  register: { mode: 'register', phones: users(1000), rates: [500, 3000] },
  'proxied-call': { mode: 'plain-call', phones: users(1000, 'callee'), rates: [100, 500] },
  'answered-call': { mode: 'plain-call', phones: users(1000, 'answered'), rates: [100, 500] },
} as const satisfies Record<string, { mode: Mode; phones: readonly SippUser[]; rates: readonly number[] }>
type Work = keyof typeof works
const allWorks = Object.keys(works) as Work[]

/** Seconds of load at the highest rate before anything is counted: a server that runs for days is compiled. */
const warmUp = 8
/** The default receive buffer of the kernel is too small for this load; the embedded engine asks for as much. */
const udpBufferBytes = 4 * 1024 * 1024

const peerName = 'drachtio-server'

/** An edge with its application. */
interface Subject {
  name: string
  target: Target
  stop(): Promise<void>
}

/** The processes of each subject, and how the sum of them stands in the table. */
const processes = ['edge', 'application'] as const
type EdgeRow = Omit<Row, 'mode'> & { mode: Work; edge: string; sum: number }

const withApplication = async (
  name: string,
  edge: { pid: number; address: string; control: { host: string; port: number; secret: string } },
  callee: string,
  stop: () => Promise<void>,
): Promise<Subject> => {
  const application = await startSubject('application', { control: edge.control, phones: { callee } })
  const pids = { edge: edge.pid, application: application.pid }
  return {
    name,
    target: { address: edge.address, transport: 'udp', domain: 'localhost', pids },
    async stop() {
      await application.stop()
      await stop()
    },
  }
}

const embedded = async (callee: string): Promise<Subject> => {
  const engine = await startSubject<EngineSubjectReady>('engine', {
    listeners: [{ transport: 'udp', host: '127.0.0.1', port: 0 }],
  })
  const { control, listeners } = engine.ready
  const edge = { pid: engine.pid, address: `127.0.0.1:${listeners[0]?.port ?? 0}`, control }
  return withApplication('embedded engine', edge, callee, () => engine.stop())
}

const drachtioServer = async (callee: string): Promise<Subject | undefined> => {
  const binary = process.env.DRACHTIO_SERVER ?? findTool('drachtio')
  if (binary === undefined) {
    console.error(
      'SKIPPED: no drachtio-server (DRACHTIO_SERVER, or drachtio in PATH). The engine has no peer here.',
    )
    return undefined
  }
  const server = await startDrachtioServer(binary, { cdrs: false, logLevel: 'error', udpBufferBytes })
  const edge = { pid: server.pid, address: `127.0.0.1:${server.ports.udp}`, control: server.control }
  return withApplication(peerName, edge, callee, () => server.stop())
}

/** The round that cost neither most nor least; failures and retransmissions of all rounds. */
const middle = (rounds: readonly EdgeRow[]): EdgeRow & { spread: string } => {
  const sorted = [...rounds].sort((a, b) => a.sum - b.sum)
  const row = sorted[Math.floor(sorted.length / 2)]
  if (row === undefined) throw new Error('no rounds')
  const total = (of: (row: EdgeRow) => number): number => rounds.reduce((sum, each) => sum + of(each), 0)
  return {
    ...row,
    failures: total(({ failures }) => failures),
    retransmissions: total(({ retransmissions }) => retransmissions),
    spread: `${sorted[0]?.sum.toFixed(3)}-${sorted.at(-1)?.sum.toFixed(3)}`,
  }
}

/** A row for each load and edge: the middle round, and how far the others were from it. */
const report = (rows: readonly EdgeRow[]): string => {
  const groups = new Map<string, EdgeRow[]>()
  for (const row of rows) {
    const key = `${row.mode} ${row.asked} ${row.edge}`
    groups.set(key, [...(groups.get(key) ?? []), row])
  }
  const middles = [...groups.values()].map(middle)
  const peerOf = ({ mode, asked }: EdgeRow): EdgeRow | undefined =>
    middles.find((row) => row.edge === peerName && row.mode === mode && row.asked === asked)
  return table(
    [
      ['edge', ({ edge }) => edge],
      ...costColumns(processes),
      ['sum CPU s/1000', ({ sum }) => sum.toFixed(3)],
      ['of all rounds', ({ spread }) => spread],
      ['ratio', (row) => (row.sum / (peerOf(row)?.sum ?? Number.NaN)).toFixed(2)],
    ],
    middles,
  )
}

export const run = async (args: string[]): Promise<void> => {
  const { values } = parseArgs({
    args,
    options: {
      mode: { type: 'string', default: allWorks.join(',') },
      rate: { type: 'string' },
      seconds: { type: 'string', default: '10' },
      rounds: { type: 'string', default: '3' },
    },
  })
  const rates = values.rate === undefined ? undefined : numbers('rate', values.rate)
  const seconds = number('seconds', values.seconds)
  const rounds = number('rounds', values.rounds)
  requireSipp()
  const callee = await calledPhone('callee')
  const subjects: Subject[] = []
  const rows: EdgeRow[] = []
  try {
    const address = `127.0.0.1:${callee.port}`
    subjects.push(await embedded(address))
    const peer = await drachtioServer(address)
    if (peer) subjects.push(peer)
    for (const work of oneOf('mode', values.mode, allWorks)) {
      const { mode, phones } = works[work]
      const highest = Math.max(...(rates ?? []), ...works[work].rates)
      console.error(`${work}: warming up ...`)
      for (const { target } of subjects) await measure(target, mode, phones, highest, warmUp)
      for (const rate of rates ?? works[work].rates) {
        for (let round = 1; round <= rounds; round++) {
          // In turn the first and the last: whatever changes on the machine meanwhile meets both.
          for (const { name, target } of round % 2 === 0 ? subjects.toReversed() : subjects) {
            console.error(`${name}: ${work} at ${rate}/s for ${seconds} s, round ${round} of ${rounds} ...`)
            const row = await measure(target, mode, phones, rate, seconds)
            const sum = processes.reduce((all, process) => all + (row.cpu[process] ?? Number.NaN), 0)
            rows.push({ ...row, mode: work, edge: name, sum })
          }
        }
      }
    }
  } finally {
    for (const subject of subjects) await subject.stop()
    callee.stop()
    await callee.done
  }
  console.log(report(rows))
}
