/**
 * The embedded engine in a process of its own, with the limits of the product's default configuration. It runs in
 * the main thread, whose nursery has by default the size that host.ts gives to the product's engine thread.
 */
import { randomBytes } from 'node:crypto'
import { Session } from 'node:inspector/promises'
import { createEngine, type EngineAddresses } from '../../src/engine/engine.js'
import type { OverloadLimits } from '../../src/engine/overload/overload.js'
import { defaultTiming, type Timing } from '../../src/engine/transaction/timers.js'
import type { ListenerSpec } from '../../src/engine/transport/transport.js'
import { memoryNow, serveSubject, subjectOptions } from '../subject.js'

export interface EngineSubjectReady {
  listeners: EngineAddresses['listeners']
  control: { host: string; port: number; secret: string }
}

export interface EngineSubjectOptions {
  listeners: ListenerSpec[]
  overload?: Partial<OverloadLimits>
  timing?: Partial<Timing>
}

const { listeners: specs, overload, timing } = subjectOptions<EngineSubjectOptions>()
const secret = randomBytes(16).toString('hex')
const engine = createEngine({
  listeners: specs,
  control: { host: '127.0.0.1', port: 0, secret },
  recordRouteKey: randomBytes(32),
  limits: {
    maxMessageBytes: 65_536,
    maxHeaders: 256,
    maxConnections: 20_000,
    maxConnectionsPerSource: 1000,
    idleTimeoutMs: 7_800_000,
    partialMessageTimeoutMs: 10_000,
    connectTimeoutMs: 5000,
    maxSendQueueBytes: 4 * 1024 * 1024,
    maxTransactions: 400_000,
    maxForks: 20,
    applicationTimeoutMs: 30_000,
    ...(overload ? { overload } : {}),
  },
  timing: { ...defaultTiming, ...timing },
  log: {
    debug: () => {},
    warn: (details, text) => console.error('engine:', text, details),
    error: (details, text) => console.error('engine:', text, details),
  },
})
const { listeners, control } = await engine.start()

const profiler = new Session()
profiler.connect()

const ready: EngineSubjectReady = {
  listeners: listeners.map((listener) => ({ ...listener })),
  control: { ...control, secret },
}
serveSubject(
  ready,
  {
    stats: () => engine.stats(),
    memory: memoryNow,
    'profile begins': async () => {
      await profiler.post('Profiler.enable')
      await profiler.post('Profiler.setSamplingInterval', { interval: 500 })
      await profiler.post('Profiler.start')
    },
    'profile ends': async () => (await profiler.post('Profiler.stop')).profile,
  },
  () => engine.stop(),
)
