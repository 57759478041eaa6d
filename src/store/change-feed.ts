import { randomBytes } from 'node:crypto'
import type { Knex } from 'knex'
import { withDomainErrors } from './constraints.js'
import type { ConnectionConfig } from './connection.js'
import { listen } from './listener.js'
import type { StoreLog } from './log.js'

/** `accounts`: anything of these accounts, or they are gone; `bindings`: only where they are registered. */
export type Change = { kind: 'accounts' | 'bindings'; ids: readonly number[] } | 'everything'

/** PostgreSQL's channel; all nodes on one database share it. */
export const channel = 'privateline_changes'

/** PostgreSQL refuses payloads of 8000 bytes and more. */
const maxPayload = 7_900

/** The payloads that tell a change to the other nodes: `origin kind id,id,…`, as many as it takes. */
export function encodeChange(origin: string, change: Change): string[] {
  if (change === 'everything') return [`${origin} everything`]
  const payloads: string[] = []
  let payload = ''
  for (const id of change.ids) {
    if (payload.length + 12 > maxPayload) {
      payloads.push(payload)
      payload = ''
    }
    payload += payload === '' ? `${origin} ${change.kind} ${id}` : `,${id}`
  }
  if (payload !== '') payloads.push(payload)
  return payloads
}

/** What a payload says. One that this version doesn't understand can mean anything, so it means everything. */
export function decodeChange(payload: string): { origin: string; change: Change } {
  const [origin = '', kind, list = ''] = payload.split(' ')
  const ids = list.split(',').map(Number)
  const known =
    (kind === 'accounts' || kind === 'bindings') && ids.every((id) => Number.isInteger(id) && id > 0)
  return { origin, change: known ? { kind, ids } : 'everything' }
}

/** Tells changes between what caches, on this node and, through PostgreSQL, on the others. */
export interface ChangeFeed {
  /** False while changes of other nodes can't be heard: nothing may be answered from memory then. */
  readonly live: boolean
  onChange(listener: (change: Change) => void): () => void
  /**
   * Runs an administrative change in one transaction. `work` adds the ids of the accounts it touches to `touched`;
   * all nodes are told, this one before the promise resolves. Broken constraints reject with their StoreError.
   */
  transaction<T>(work: (trx: Knex.Transaction, touched: Set<number>) => Promise<T>): Promise<T>
  /** For a transaction run by the caller: the payloads to send inside it with `pg_notify(channel, …)`. */
  payloads(change: Change): string[]
  /** For a transaction run by the caller: tells this node, after the commit. */
  announce(change: Change): void
  /** For a transaction run by the caller that failed: whether it was committed isn't known, now or later. */
  announceUncertain(change: Change): void
  close(): Promise<void>
}

/** Resolves once the changes of other nodes are heard. See docs/decisions/change-feed.md. */
export async function openChangeFeed(
  knex: Knex,
  config: ConnectionConfig,
  log: StoreLog,
): Promise<ChangeFeed> {
  const listeners = new Set<(change: Change) => void>()
  // Our own notifications come back to us; this is how they are known.
  let origin = randomOrigin()

  const tell = (change: Change) => {
    for (const listener of listeners) {
      try {
        listener(change)
      } catch (error) {
        log.error({ err: error }, 'a listener to changes of the store failed')
      }
    }
  }

  const listener = await listen({
    config,
    channel,
    log,
    onNotification(payload) {
      const { origin: sender, change } = decodeChange(payload)
      if (sender !== origin) tell(change)
    },
    onLost: () => tell('everything'),
    onListening: () => tell('everything'),
  })

  const feed: ChangeFeed = {
    get live() {
      return listener.listening()
    },
    onChange(changeListener) {
      listeners.add(changeListener)
      return () => void listeners.delete(changeListener)
    },
    payloads: (change) => encodeChange(origin, change),
    announce: tell,
    announceUncertain(change) {
      // If the transaction is committed after all, its notification arrives then, and must not be taken for an echo.
      origin = randomOrigin()
      tell(change)
    },
    async transaction(work) {
      const touched = new Set<number>()
      const change = (): Change => ({ kind: 'accounts', ids: [...touched] })
      try {
        const result = await withDomainErrors(() =>
          knex.transaction(async (trx) => {
            const value = await work(trx, touched)
            for (const payload of feed.payloads(change())) {
              await trx.raw('select pg_notify(?, ?)', [channel, payload])
            }
            return value
          }),
        )
        if (touched.size > 0) feed.announce(change())
        return result
      } catch (error) {
        if (touched.size > 0) feed.announceUncertain(change())
        throw error
      }
    },
    close: () => listener.close(),
  }
  return feed
}

const randomOrigin = () => randomBytes(6).toString('hex')
