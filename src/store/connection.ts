import { Socket } from 'node:net'
import knexFactory from 'knex'
import type { Knex } from 'knex'
import pg from 'pg'
import type { StoreLog } from './log.js'

export type ConnectionConfig = pg.ClientConfig

/** The two ways to the database: knex for administration, pipelined clients for what every request needs. */
export interface Connections {
  knex: Knex
  /**
   * Clients that send statements without waiting for the answer to the one before (PostgreSQL's pipelining): a
   * transaction takes one round trip per decision instead of one per statement.
   */
  pipeline: pg.Pool
  close(): Promise<void>
}

/** How long a caller waits for a connection, in milliseconds, before it is told that the database is away. */
const connectTimeout = 10_000
/** The same in administration, where a request then waits for an answer as well; both together stay bearable. */
const administrationConnectTimeout = 5_000

/** Milliseconds after which a request gives up on an answer; a phone sends it again. The connection is thrown away. */
export const defaultQueryTimeout = 10_000

/** Milliseconds that saying goodbye to the database may take; one that hangs doesn't answer. */
const farewellTimeout = 1_000

/** Milliseconds after which an unused connection is closed. */
const idleTimeout = 300_000

const int8 = 20
const timestamptz = 1184

/** Times leave the driver as milliseconds since the epoch; bigint as number (ids and counts stay below 2^53). */
function typeParsers(): pg.CustomTypesConfig {
  const parsers = new pg.TypeOverrides()
  const toDate = pg.types.getTypeParser(timestamptz) as (text: string) => Date
  parsers.setTypeParser(int8, Number)
  parsers.setTypeParser(timestamptz, (text) => toDate(text).getTime())
  return parsers
}

/**
 * The connection of a URL or a config, with what the store expects of every client. `sockets` holds those of all
 * clients made of it, as long as they are open.
 */
export function clientConfig(
  connection: string | ConnectionConfig,
  node: string,
  queryTimeout = defaultQueryTimeout,
  sockets = new Set<Socket>(),
): ConnectionConfig {
  return {
    ...(typeof connection === 'string' ? { connectionString: connection } : connection),
    types: typeParsers(),
    application_name: `privateline ${node}`,
    keepAlive: true,
    connectionTimeoutMillis: connectTimeout,
    query_timeout: queryTimeout,
    stream: () => {
      const socket = new Socket()
      sockets.add(socket)
      return socket.once('close', () => sockets.delete(socket))
    },
  }
}

/** The config for what may take its time: waiting for another node, changing tables. */
export const withoutQueryTimeout = (config: ConnectionConfig): ConnectionConfig => ({
  ...config,
  query_timeout: 0,
})

/** Resolves when `farewell` does; if that takes too long, after cutting the connections. */
export async function closeOrCut(
  farewell: Promise<unknown>,
  sockets: ReadonlySet<Socket>,
  log: StoreLog,
): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), farewellTimeout)
  })
  const outcome = await Promise.race([farewell, late]).finally(() => clearTimeout(timer))
  if (outcome !== 'late') return
  log.warn('the database does not take leave: its connections are cut')
  farewell.catch(() => {})
  for (const socket of sockets) socket.destroy()
}

/** knex on a pool of its own. Nothing connects before it is asked to. */
export function openKnex(config: ConnectionConfig, poolSize: number, log: StoreLog): Knex {
  // Whoever asked gets the error, and tells of it; knex's own lines are details.
  const detail = (message: unknown) => log.debug({ knex: String(message) }, 'knex')
  return knexFactory({
    client: 'pg',
    connection: {
      ...config,
      connectionTimeoutMillis: administrationConnectTimeout,
      // knex sends one statement at a time. But only a pipelining client gives up its connection with a statement that
      // isn't answered; another one queues what comes next, such as the rollback, behind it.
      pipeline: true,
    } as Knex.PgConnectionConfig,
    pool: { min: 0, max: poolSize, validate: isOpen },
    acquireConnectionTimeout: administrationConnectTimeout,
    log: {
      debug: detail,
      warn: detail,
      deprecate: detail,
      error: (message: unknown) => log.warn({ knex: String(message) }, 'knex'),
    },
  })
}

/** A client says that it has ended a moment after its socket was destroyed; until then knex would give it out. */
const isOpen = ({ connection }: { connection: { stream: Socket } }) => !connection.stream.destroyed

/** `poolSize`: most connections of both pools together. Nothing connects before it is asked to. */
export function openConnections(config: ConnectionConfig, poolSize: number, log: StoreLog): Connections {
  const pipelined = Math.max(1, Math.floor(poolSize / 2))
  const pipeline = new pg.Pool({
    ...config,
    pipeline: true,
    max: pipelined,
    idleTimeoutMillis: idleTimeout,
  })
  // Each client prepares its statements once, perhaps while the tables are still empty, and a plan for an empty table
  // reads all of it. All these statements find their rows by index, so the plan can be settled beforehand.
  pipeline.on('connect', (client) => {
    client.query(`set enable_seqscan = off; set plan_cache_mode = 'force_generic_plan'`).catch(() => {})
  })
  // An idle client that loses its connection; without a listener the process would end.
  pipeline.on('error', (error) => log.warn({ err: error }, 'database connection lost'))
  const knex = openKnex(config, Math.max(1, poolSize - pipelined), log)
  let closing: Promise<void> | undefined
  return {
    knex,
    pipeline,
    close: () => (closing ??= Promise.all([knex.destroy(), pipeline.end()]).then(() => {})),
  }
}
