import type { Socket } from 'node:net'
import type { QueryConfig } from 'pg'
import { createAccessStore } from './access-store.js'
import { createAccountStore } from './account-store.js'
import { createAdminStore } from './admin-store.js'
import { createCallStore } from './call-store.js'
import { openChangeFeed } from './change-feed.js'
import {
  clientConfig,
  closeOrCut,
  defaultQueryTimeout,
  openConnections,
  openKnex,
  withoutQueryTimeout,
} from './connection.js'
import type { ConnectionConfig } from './connection.js'
import { createDirectory } from './directory.js'
import { createGroupStore } from './group-store.js'
import type { StoreLog } from './log.js'
import { migrate } from './migrate.js'
import { createRegistrationStore } from './registration-store.js'
import { createRegistrationWriter } from './registration-writer.js'
import { createSipEventStore } from './sip-event-store.js'
import { createSettingsStore } from './settings-store.js'
import type { Registration, Store } from './types.js'

export interface StoreOptions {
  /** DATABASE_URL, or what startEmbeddedDatabase gave. It has to be a direct connection: LISTEN needs a session. */
  connection: string | ConnectionConfig
  /** Name of this node, as it shows up in the database's list of connections. */
  node: string
  log: StoreLog
  /** Most connections besides the one that listens. */
  poolSize?: number
  /** Milliseconds after which a statement that isn't answered means that the database is away. */
  queryTimeout?: number
  /** Milliseconds since the epoch. */
  now?: () => number
}

/**
 * Connects, migrates and opens the store. Rejects with DatabaseTooNewError if a newer version wrote the database, or
 * with what the driver says if it can't be reached.
 */
export async function openStore({
  connection,
  node,
  log,
  poolSize = 10,
  queryTimeout = defaultQueryTimeout,
  now = Date.now,
}: StoreOptions): Promise<Store> {
  const sockets = new Set<Socket>()
  const config = clientConfig(connection, node, queryTimeout, sockets)
  const connections = openConnections(config, poolSize, log)
  const { knex, pipeline } = connections
  try {
    await migratePatiently(withoutQueryTimeout(config), log)
    const feed = await openChangeFeed(knex, config, log)
    const directory = createDirectory(pipeline, feed, now)
    const expiryListeners: ((expired: readonly Registration[]) => void)[] = []
    const expired = (bindings: readonly Registration[]) => {
      for (const listener of expiryListeners) listener(bindings)
    }
    return {
      groups: createGroupStore(knex, feed),
      accounts: createAccountStore(knex, feed),
      directory,
      registrations: {
        ...createRegistrationStore(knex, feed, now, expired),
        ...createRegistrationWriter(pipeline, feed, directory, now, expired),
        onExpired: (listener) => void expiryListeners.push(listener),
      },
      admins: { ...createAdminStore(knex), ...createAccessStore(knex, now) },
      settings: createSettingsStore(knex),
      calls: createCallStore(knex),
      sipEvents: createSipEventStore(knex),

      onChange: (listener) =>
        feed.onChange((change) => {
          if (change === 'everything') listener(change)
          else if (change.kind === 'accounts') listener({ accountIds: change.ids })
        }),

      async ping(timeoutMs) {
        let timer: NodeJS.Timeout | undefined
        const late = new Promise<never>((_, reject) => {
          timer = setTimeout(
            () => reject(new Error(`the database did not answer in ${timeoutMs} ms`)),
            timeoutMs,
          )
        })
        // With the timeout on the query as well, the connection that hangs is thrown away, and the next is a new one.
        const pipelined = pipeline.query({ text: 'select 1', query_timeout: timeoutMs } as QueryConfig)
        const administrative = knex.raw('select 1').options({ query_timeout: timeoutMs })
        try {
          await Promise.race([Promise.all([pipelined, administrative]), late])
        } finally {
          clearTimeout(timer)
        }
      },

      close: () => closeOrCut(Promise.all([feed.close(), connections.close()]), sockets, log),
    }
  } catch (error) {
    await closeOrCut(connections.close(), sockets, log)
    throw error
  }
}

async function migratePatiently(config: ConnectionConfig, log: StoreLog): Promise<void> {
  const knex = openKnex(config, 4, log)
  try {
    await migrate(knex, config)
  } finally {
    await knex.destroy()
  }
}
