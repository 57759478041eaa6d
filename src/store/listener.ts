import pg from 'pg'
import type { ConnectionConfig } from './connection.js'
import type { StoreLog } from './log.js'

/** A connection that listens to one channel, made again whenever it is lost. */
export interface Listener {
  /** Whether every notification sent from now on will arrive. */
  listening(): boolean
  close(): Promise<void>
}

export interface ListenOptions {
  config: ConnectionConfig
  channel: string
  log: StoreLog
  onNotification(payload: string): void
  /** Notifications may be missed from now on. */
  onLost(): void
  /** It listens again; what was sent in between is lost. */
  onListening(): void
}

/** Milliseconds. A peer that went without a word is noticed after two heartbeats at the latest. */
const heartbeatInterval = 5_000
const firstRetry = 100
const longestRetry = 5_000

/** Resolves once it listens; rejects if the first attempt fails. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { config, channel, log } = options
  let client: pg.Client | undefined
  let closed = false
  let timer: NodeJS.Timeout | undefined

  async function connect(): Promise<void> {
    const candidate = new pg.Client(config)
    candidate.on('notification', ({ payload }) => options.onNotification(payload ?? ''))
    // Registered before connecting: an error without a listener would end the process.
    candidate.on('error', (error) => lost(candidate, error))
    candidate.on('end', () => lost(candidate, new Error('the connection was closed')))
    try {
      await candidate.connect()
      await candidate.query(`listen ${pg.escapeIdentifier(channel)}`)
    } catch (error) {
      await candidate.end().catch(() => {})
      throw error
    }
    client = candidate
    schedule(() => heartbeat(candidate), heartbeatInterval)
  }

  function lost(candidate: pg.Client, error: Error): void {
    if (candidate !== client) return
    client = undefined
    clearTimeout(timer)
    candidate.end().catch(() => {})
    if (closed) return
    log.warn({ err: error }, 'changes of other nodes can not be heard; caches are off until they can')
    options.onLost()
    reconnect(firstRetry)
  }

  function reconnect(delay: number): void {
    schedule(() => {
      connect().then(
        () => {
          if (closed) return void client?.end()
          log.info('changes of other nodes are heard again')
          options.onListening()
        },
        () => {
          if (!closed) reconnect(Math.min(delay * 2, longestRetry))
        },
      )
    }, delay)
  }

  /** A server that vanished with its machine closes no connection: only silence tells. */
  function heartbeat(candidate: pg.Client): void {
    const deadline = setTimeout(
      () => lost(candidate, new Error('the database did not answer')),
      heartbeatInterval,
    ).unref()
    candidate
      .query('select 1')
      .then(
        () => schedule(() => heartbeat(candidate), heartbeatInterval),
        (error: Error) => lost(candidate, error),
      )
      .finally(() => clearTimeout(deadline))
  }

  function schedule(action: () => void, delay: number): void {
    clearTimeout(timer)
    if (!closed) timer = setTimeout(action, delay).unref()
  }

  await connect()
  return {
    listening: () => client !== undefined,
    async close() {
      closed = true
      clearTimeout(timer)
      const last = client
      client = undefined
      await last?.end()
    },
  }
}
