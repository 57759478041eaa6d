/** An embedded engine in this process with an unmodified drachtio-srf application on it, and phones for both. */
import { randomBytes } from 'node:crypto'
import Srf from 'drachtio-srf'
import type { Test } from 'tap'
import { createEngine, type Engine, type EngineLimits } from '../../src/engine/engine.js'
import type { Dns } from '../../src/engine/resolve/dns.js'
import { defaultTiming, type Scheduler, type Timing } from '../../src/engine/transaction/timers.js'
import type {
  ClientCertificates,
  Listener,
  ListenerSpec,
  OutgoingTls,
  TlsMaterial,
} from '../../src/engine/transport/transport.js'
import { createPhone, type Phone, type PhoneOptions, type PhoneTransport } from './phone.js'

export const testLimits: EngineLimits = {
  maxMessageBytes: 65_536,
  maxHeaders: 256,
  maxConnections: 100,
  maxConnectionsPerSource: 100,
  idleTimeoutMs: 60_000,
  partialMessageTimeoutMs: 5000,
  connectTimeoutMs: 5000,
  maxSendQueueBytes: 1_000_000,
  maxTransactions: 10_000,
  maxForks: 20,
  applicationTimeoutMs: 5000,
}

export const secret = 'test secret'

/** The RFC's ratios, ten times as fast, so that a test of timer B takes 3.2 s. */
export const fastTiming: Timing = { ...defaultTiming, t1: 50, t2: 400, t4: 500 }

export interface TestEdge {
  engine: Engine
  listeners: readonly Listener[]
  control: { host: string; port: number }
  port(transport: PhoneTransport, family?: 4 | 6): number
  /** Connects one more application. */
  application(): Promise<Srf>
  phone(transport: PhoneTransport, options?: Partial<PhoneOptions>): Promise<Phone>
}

export async function startEdge(
  t: Test,
  options: {
    listeners?: ListenerSpec[]
    timing?: Timing
    scheduler?: Scheduler
    limits?: Partial<EngineLimits>
    key?: Buffer
    tls?: TlsMaterial
    dns?: Dns
    clientCertificates?: ClientCertificates
    outgoingTls?: OutgoingTls
  } = {},
): Promise<TestEdge> {
  const engine = createEngine({
    listeners: options.listeners ?? [
      { transport: 'udp', host: '127.0.0.1', port: 0 },
      { transport: 'tcp', host: '127.0.0.1', port: 0 },
    ],
    control: { host: '127.0.0.1', port: 0, secret },
    limits: { ...testLimits, ...options.limits },
    recordRouteKey: options.key ?? randomBytes(32),
    timing: options.timing ?? defaultTiming,
    ...(options.scheduler && { scheduler: options.scheduler }),
    ...(options.tls ? { tls: options.tls } : {}),
    ...(options.dns && { dns: options.dns }),
    ...(options.clientCertificates ? { clientCertificates: options.clientCertificates } : {}),
    ...(options.outgoingTls ? { outgoingTls: options.outgoingTls } : {}),
  })
  const { listeners, control } = await engine.start()
  const cleanups: (() => unknown)[] = []
  t.teardown(async () => {
    for (const cleanup of cleanups) await cleanup()
    await engine.stop()
  })
  const port = (transport: PhoneTransport, family: 4 | 6 = 4): number => {
    const listener = listeners.find((one) => one.transport === transport && one.family === family)
    if (!listener) throw new Error(`no ${transport} listener`)
    return listener.port
  }
  return {
    engine,
    listeners,
    control,
    port,
    async application() {
      const srf = new Srf()
      srf.on('error', () => {})
      const connected = new Promise<void>((resolve, reject) => {
        srf.on('connect', (error: Error | null) => (error ? reject(error) : resolve()))
      })
      srf.connect({ host: control.host, port: control.port, secret })
      await connected
      cleanups.push(() => {
        // The library throws if the test has disconnected already.
        try {
          srf.disconnect()
        } catch {
          return
        }
      })
      return srf
    },
    async phone(transport, more = {}) {
      const family = more.localHost?.includes(':') ? 6 : 4
      const host = family === 6 ? '::1' : '127.0.0.1'
      const phone = await createPhone({ transport, server: { host, port: port(transport, family) }, ...more })
      cleanups.push(() => phone.close())
      return phone
    },
  }
}

/** A target as the application names it: the phone's own contact, and the flow that reaches it. */
export function targetOf(phone: Phone, user: string): string {
  const host = phone.localHost.includes(':') ? `[${phone.localHost}]` : phone.localHost
  const transport = phone.transport === 'udp' ? '' : `;transport=${phone.transport}`
  return `sip:${user}@${host}:${phone.localPort}${transport};flow=${host}:${phone.localPort};flow-transport=${phone.transport}`
}
