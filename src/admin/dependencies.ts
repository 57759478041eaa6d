/** What the HTTP API needs from the rest of the program. app.ts gives it; nothing here is looked up elsewhere. */
import type { Logger } from 'pino'
import type { Config } from '../config.js'
import type { Store } from '../store/types.js'

/** What an installation needs to do its work; each is asked anew, by a short probe. */
export interface Health {
  /** The database answers. */
  database: boolean
  /** A SIP edge is connected. */
  edge: boolean
}

/** The SIP side, as far as HTTP shows it. A prom-client Registry is one. */
export interface SipSide {
  /** Its metrics in Prometheus text format. */
  metrics(): Promise<string>
}

export interface AdminDependencies {
  config: Config
  store: Store
  /** Keeps secrets to itself (src/log.ts). */
  log: Logger
  health: () => Promise<Health>
  sip: SipSide
}
