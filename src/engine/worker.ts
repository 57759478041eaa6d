/** The engine in a thread of its own, so that SIP parsing and the application use two cores. See host.ts. */
import { parentPort, workerData } from 'node:worker_threads'
import { createEngine } from './engine.js'
import type { HostMessage, WorkerMessage, WorkerOptions } from './host.js'

const port = parentPort
if (!port) throw new Error('this file runs as a worker thread')
const { recordRouteKey, debug, ...options } = workerData as WorkerOptions

function tell(message: WorkerMessage): void {
  port?.postMessage(message)
}

function logger(level: 'debug' | 'warn' | 'error') {
  return (details: object, text: string): void => {
    if (level !== 'debug' || debug) tell({ type: 'log', level, text, details: plain(details) })
  }
}

const engine = createEngine({
  ...options,
  recordRouteKey: Buffer.from(recordRouteKey),
  log: { debug: logger('debug'), warn: logger('warn'), error: logger('error') },
})

port.on('message', (message: HostMessage) => {
  void handle(message)
})

async function handle(message: HostMessage): Promise<void> {
  switch (message.type) {
    case 'drain':
      await engine.drain(message.ms)
      return tell({ type: 'done', id: message.id })
    case 'stop':
      await engine.stop()
      tell({ type: 'done', id: message.id })
      return port?.close()
    case 'updateTls':
      try {
        engine.updateTls(message.material)
      } catch (error) {
        return tell({ type: 'refused', id: message.id, error: plain({ err: error }) })
      }
      return tell({ type: 'done', id: message.id })
    case 'stats':
      return tell({ type: 'stats', id: message.id, stats: engine.stats() })
  }
}

try {
  const { listeners, control } = await engine.start()
  tell({ type: 'ready', addresses: { listeners: listeners.map((listener) => ({ ...listener })), control } })
} catch (error) {
  tell({ type: 'failed', error: plain({ err: error }) })
  port.close()
}

/** What can be cloned to the other thread: an Error's own text and fields. */
function plain(details: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(details).map(([key, value]) => [
      key,
      value instanceof Error ? { ...value, message: value.message, stack: value.stack } : value,
    ]),
  )
}
