/** The settings of one node: config/default.json overlaid by the environment. Filled in by loadConfig. */
import type { ListenerSpec } from './engine/transport/transport.js'

export type DigestAlgorithm = 'SHA-256' | 'MD5'

export interface Config {
  dataDir: string
  /** Absent: the embedded database in dataDir. */
  databaseUrl?: string
  sip: {
    /** Served domains, lower case; the first is shown to phones. */
    domains: string[]
    realm: string
    realmForce: boolean
    listeners: ListenerSpec[]
    /** Seconds. */
    minExpires: number
    defaultExpires: number
    maxExpires: number
    maxContacts: number
    authAlgorithms: DigestAlgorithm[]
    /** Seconds until an unanswered call ends with 480. */
    ringTimeout: number
    /** Seconds. */
    nonceLifetime: number
    /** Most REGISTERs in one database transaction. */
    registrationBatch: number
  }
  /** Certificate and key files (PEM); absent: a self-signed pair in dataDir. */
  tls?: { certFile: string; keyFile: string }
  limits: {
    maxMessageBytes: number
    maxHeaders: number
    maxConnections: number
    maxConnectionsPerSource: number
    /** Seconds. */
    idleTimeout: number
    maxTransactions: number
    maxForks: number
  }
  http: { host: string; port: number }
  adminPassword?: string
  adminApiToken?: string
  /** drachtio-servers to use instead of the embedded engine. */
  drachtioUrls: string[]
  /** Seconds that SIGTERM waits for running transactions. */
  drainTimeout: number
  logLevel: string
}
