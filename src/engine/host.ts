/** Runs the engine in a worker thread and speaks with it; the application side reaches it by the control port. */
import { Worker } from 'node:worker_threads'
import type { EngineAddresses, EngineOptions, EngineStats } from './engine.js'
import type { TlsMaterial } from './transport/transport.js'

export type WorkerOptions = Omit<EngineOptions, 'recordRouteKey' | 'log' | 'timing' | 'scheduler' | 'dns'> & {
  recordRouteKey: Uint8Array
  /** Whether debug lines are wanted at all; they cross a thread. */
  debug: boolean
}

export type HostMessage =
  | { type: 'drain'; id: number; ms: number }
  | { type: 'stop'; id: number }
  | { type: 'stats'; id: number }
  | { type: 'updateTls'; id: number; material: TlsMaterial }

export type WorkerMessage =
  | { type: 'ready'; addresses: EngineAddresses }
  | { type: 'failed'; error: Record<string, unknown> }
  | { type: 'done'; id: number }
  | { type: 'refused'; id: number; error: Record<string, unknown> }
  | { type: 'stats'; id: number; stats: EngineStats }
  | { type: 'log'; level: 'debug' | 'warn' | 'error'; text: string; details: Record<string, unknown> }

export interface EngineLog {
  debug(details: object, text: string): void
  warn(details: object, text: string): void
  error(details: object, text: string): void
}

export interface EngineHost {
  addresses: EngineAddresses
  /** See Engine. Rejects if the certificate can't be used, or if the thread is dead. */
  updateTls(material: TlsMaterial): Promise<void>
  /** Takes no new calls, waits up to `ms` for unanswered requests. */
  drain(ms: number): Promise<void>
  stop(): Promise<void>
  /** Rejects if the thread is dead. */
  stats(): Promise<EngineStats>
  /** Ends the thread on the spot, as a crash would; for tests of what follows. */
  kill(): Promise<void>
}

/**
 * Young objects live for one request; a nursery of this size keeps them from being promoted and scanned again and
 * again under load. MiB.
 */
const nurseryMb = 32

/**
 * Starts the engine; rejects with its error (fields `code`, `transport`, `host`, `port` where an address can't be
 * had). `onDeath` is told once if the thread ends later without having been stopped.
 */
export async function startEngine(
  options: WorkerOptions,
  log: EngineLog,
  onDeath: (error: Error) => void,
): Promise<EngineHost> {
  const worker = new Worker(new URL('./worker.js', import.meta.url), {
    workerData: options,
    resourceLimits: { maxYoungGenerationSizeMb: nurseryMb },
  })
  const waiting = new Map<number, (answer: WorkerMessage | undefined) => void>()
  let lastId = 0
  let running = false
  let stopping = false
  let ended = false
  let failure = new Error('the engine thread ended')

  const ask = <Answer extends WorkerMessage>(
    make: (id: number) => HostMessage,
  ): Promise<Answer | undefined> =>
    new Promise((resolve) => {
      if (ended) return resolve(undefined)
      const id = ++lastId
      waiting.set(id, (answer) => resolve(answer as Answer | undefined))
      worker.postMessage(make(id))
    })

  const addresses = await new Promise<EngineAddresses>((resolve, reject) => {
    worker.on('message', (message: WorkerMessage) => {
      switch (message.type) {
        case 'ready':
          running = true
          return resolve(message.addresses)
        case 'failed':
          return reject(revive(message.error['err']))
        case 'log':
          return log[message.level](message.details, message.text)
        default:
          waiting.get(message.id)?.(message)
          waiting.delete(message.id)
      }
    })
    worker.on('error', (error) => {
      failure = error
      reject(error)
    })
    worker.on('exit', () => {
      ended = true
      reject(failure)
      for (const give of waiting.values()) give(undefined)
      if (running && !stopping) onDeath(failure)
    })
  })

  return {
    addresses,
    async updateTls(material) {
      const answer = await ask((id) => ({ type: 'updateTls', id, material }))
      if (!answer) throw failure
      if (answer.type === 'refused') throw revive(answer.error['err'])
    },
    async drain(ms) {
      await ask((id) => ({ type: 'drain', id, ms }))
    },
    async stop() {
      stopping = true
      await ask((id) => ({ type: 'stop', id }))
      await worker.terminate()
    },
    async kill() {
      await worker.terminate()
    },
    async stats() {
      const answer = await ask<Extract<WorkerMessage, { type: 'stats' }>>((id) => ({ type: 'stats', id }))
      if (!answer) throw failure
      return answer.stats
    },
  }
}

function revive(plain: unknown): Error {
  const fields = (plain ?? {}) as { message?: string }
  return Object.assign(new Error(fields.message ?? 'the engine could not be started'), fields)
}
