/**
 * One suite, two edges: each test runs on the embedded engine, and on a drachtio-server where there is one.
 * TEST_DRACHTIO_URL=drachtio://:secret@host:port names a running one, which is this suite's alone meanwhile;
 * DRACHTIO_SERVER=<binary> lets the suite start one.
 */
import { once } from 'node:events'
import { createServer } from 'node:net'
import tap from 'tap'
import type { Test } from 'tap'
import { defaultTiming } from '../../src/engine/transaction/timers.js'
import { makeSelfSigned } from '../../src/engine/transport/self-signed.js'
import { askHostports, startDrachtioServer } from './drachtio-server.js'
import type { DifferenceName, EdgeName } from './edge-differences.js'
import { secret, startEdge } from './edge.js'
import { createPhone, type Phone, type PhoneTransport } from './phone.js'
import { newApplication, settled, type App } from './srf.js'
import { until } from './tools.js'

export interface Control {
  host: string
  port: number
  secret: string
}

export interface Edge {
  readonly name: EdgeName
  readonly control: Control
  /** T1 of its transactions, ms. */
  readonly t1: number
  /** Timers H of a 2xx and B, C, D of a proxied request, which drachtio-server has hard-wired: 64*T1 of it, ms. */
  readonly fixed64T1: number
  port(transport: PhoneTransport): number
  /** Connects one more application, which `prepare` has told what to do; ready when its routes are in place. */
  application(prepare?: (app: App) => void, tags?: string[]): Promise<App>
  phone(transport: PhoneTransport, options?: { listen?: boolean; connect?: boolean }): Promise<Phone>
  /** What is expected of this edge where a known difference lies between the two. */
  differs<T>(difference: DifferenceName, by: { embedded: T; drachtioServer: T }): T
}

/** What an edge needs to be one; the rest is the same for all. */
interface Server {
  name: EdgeName
  control: Control
  t1: number
  port(transport: PhoneTransport): number
}

const transports = ['udp', 'tcp', 'tls', 'ws', 'wss'] as const

/** So short that answers may come too late for it: only where no answer is what a test is about. */
const shortT1 = 20

/** On a running drachtio-server files wait for each other, and tests for its hard-wired timers. */
const patienceMs = 600_000
if (process.env['TEST_DRACHTIO_URL']) tap.setTimeout(patienceMs)

export interface EdgeTestOptions {
  /** It waits for transactions to time out: T1 is short, for all that is not a server of its own. */
  timesOut?: boolean
  /** It waits for a timer that drachtio-server has hard-wired, half a minute: there it is left to TEST_DRACHTIO_URL. */
  waits?: boolean
}

/** Declares a test once for each edge that there is. */
export function onEveryEdge(
  name: string,
  test: (t: Test, edge: Edge) => Promise<void>,
  { timesOut = false, waits = false }: EdgeTestOptions = {},
): void {
  const t1 = timesOut ? shortT1 : defaultTiming.t1
  tap.test(`${name} (embedded engine)`, async (t) => test(t, edgeOn(t, await embedded(t, t1))))
  if (process.env['TEST_DRACHTIO_URL']) {
    tap.test(`${name} (drachtio-server at TEST_DRACHTIO_URL)`, async (t) =>
      test(t, edgeOn(t, await running())),
    )
  }
  if (process.env['DRACHTIO_SERVER'] && !waits) {
    tap.test(`${name} (drachtio-server)`, async (t) => test(t, edgeOn(t, await startedServer(t1))))
  }
}

function edgeOn(t: Test, server: Server): Edge {
  return {
    ...server,
    fixed64T1: server.name === 'embedded engine' ? 64 * server.t1 : 32_000,
    async application(prepare, tags) {
      const app = newApplication(tags)
      app.on('error', () => {})
      prepare?.(app)
      const connected = once(app as unknown as NodeJS.EventEmitter, 'connect')
      const closed = once(app as unknown as NodeJS.EventEmitter, 'close')
      app.connect(server.control)
      const [error] = (await connected) as [Error | null]
      if (error) throw error
      await settled(app)
      t.teardown(async () => {
        try {
          app.disconnect()
        } catch {
          return // The test has disconnected it already, and the library throws then.
        }
        await closed
      })
      return app
    },
    async phone(transport, options = {}) {
      const address = { host: '127.0.0.1', port: server.port(transport) }
      const phone = await createPhone({ transport, server: address, ...options })
      t.teardown(() => phone.close())
      return phone
    },
    differs: (_difference, by) => (server.name === 'embedded engine' ? by.embedded : by.drachtioServer),
  }
}

/** A new engine for each test, with a certificate for all. */
async function embedded(t: Test, t1: number): Promise<Server> {
  certificate ??= makeSelfSigned(['localhost', '127.0.0.1'])
  const edge = await startEdge(t, {
    listeners: transports.map((transport) => ({ transport, host: '127.0.0.1', port: 0 })),
    timing: { ...defaultTiming, t1, t2: 8 * t1, t4: 10 * t1 },
    tls: await certificate,
  })
  return {
    name: 'embedded engine',
    control: { ...edge.control, secret },
    t1,
    port: (transport) => edge.port(transport),
  }
}
let certificate: ReturnType<typeof makeSelfSigned> | undefined

/** One drachtio-server for all tests of a process with the same T1: applications come and go one after the other. */
function startedServer(t1: number): Promise<Server> {
  const server = started.get(t1) ?? startServer(t1)
  started.set(t1, server)
  return server
}
const started = new Map<number, Promise<Server>>()

async function startServer(t1: number): Promise<Server> {
  const server = await startDrachtioServer(process.env['DRACHTIO_SERVER'] ?? '', { t1 })
  tap.teardown(() => server.stop())
  const { control, ports } = server
  return { name: 'drachtio-server', control, t1, port: (transport) => ports[transport] }
}

function running(): Promise<Server> {
  found ??= (async (): Promise<Server> => {
    const { hostname, port, password } = new URL(process.env['TEST_DRACHTIO_URL'] ?? '')
    const control = { host: hostname, port: Number(port || 9022), secret: decodeURIComponent(password) }
    await own(control.port)
    const hostports = await askHostports(control)
    if (hostports === undefined) throw new Error('nobody answers at TEST_DRACHTIO_URL with that secret')
    return {
      name: 'drachtio-server',
      control,
      t1: defaultTiming.t1,
      port(transport) {
        const [, address] = new RegExp(`(?:^|,)${transport}/127\\.0\\.0\\.1:(\\d+)`).exec(hostports) ?? []
        if (!address) throw new Error(`no ${transport} listener on 127.0.0.1 in ${hostports}`)
        return Number(address)
      },
    }
  })()
  return found
}
let found: Promise<Server> | undefined

/**
 * Test files run side by side, but requests go round robin over the applications of one server: one file after the
 * other has it to itself. A listening port is a lock that no killed process leaves behind.
 */
async function own(controlPort: number): Promise<void> {
  const lock = createServer()
  await until(
    'the drachtio-server is free',
    () =>
      new Promise<boolean>((resolve) => {
        lock.once('error', () => resolve(false))
        lock.listen({ host: '127.0.0.1', port: lockPort(controlPort), exclusive: true }, () => resolve(true))
      }),
    patienceMs,
  )
  tap.teardown(() => void lock.close())
}

function lockPort(controlPort: number): number {
  return controlPort > 40_000 ? controlPort - 20_000 : controlPort + 20_000
}
