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

/** Milliseconds after which a request gives up on an answer; a phone sends it again. The connection is thrown away. */
const queryTimeout = 10_000

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

/** The connection of a URL or a config, with what the store expects of every client. */
export function clientConfig(connection: string | ConnectionConfig, node: string): ConnectionConfig {
  return {
    ...(typeof connection === 'string' ? { connectionString: connection } : connection),
    types: typeParsers(),
    application_name: `privateline ${node}`,
    keepAlive: true,
    connectionTimeoutMillis: connectTimeout,
  }
}

/** `poolSize`: most connections of both pools together. Nothing connects before it is asked to. */
export function openConnections(config: ConnectionConfig, poolSize: number, log: StoreLog): Connections {
  const pipelined = Math.max(1, Math.floor(poolSize / 2))
  const pipeline = new pg.Pool({
    ...config,
    pipeline: true,
    max: pipelined,
    idleTimeoutMillis: idleTimeout,
    query_timeout: queryTimeout,
  })
  // Each client prepares its statements once, perhaps while the tables are still empty, and a plan for an empty table
  // reads all of it. All these statements find their rows by index, so the plan can be settled beforehand.
  pipeline.on('connect', (client) => {
    client.query(`set enable_seqscan = off; set plan_cache_mode = 'force_generic_plan'`).catch(() => {})
  })
  // An idle client that loses its connection; without a listener the process would end.
  pipeline.on('error', (error) => log.warn({ err: error }, 'database connection lost'))
  const knex = knexFactory({
    client: 'pg',
    connection: config as Knex.PgConnectionConfig,
    pool: { min: 0, max: Math.max(1, poolSize - pipelined) },
    acquireConnectionTimeout: connectTimeout,
  })
  let closing: Promise<void> | undefined
  return {
    knex,
    pipeline,
    close: () => (closing ??= Promise.all([knex.destroy(), pipeline.end()]).then(() => {})),
  }
}
