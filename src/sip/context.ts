/** What the steps of the chain hand on to each other. */
import type { Logger } from 'pino'
import type { SipAccount } from '../store/types.js'
import type { EdgeRequest } from './edge-request.js'
import type { Reply } from './reply.js'

export interface Context {
  readonly request: EdgeRequest
  /** With Call-ID, method and source. Made on first use: most requests write no log line. */
  readonly log: Logger
  /** Costs next to nothing where such lines are not written. */
  debug(facts: object, message: string): void
  /** Who sent it; set by the step `authenticate`. */
  account?: SipAccount
  /** A younger nonce for the phone (RFC 7616 §3.5), to go with a 2xx to REGISTER. */
  nextNonce?: string
}

export type Verdict =
  | 'continue'
  /** The edge has taken the request over, or has answered it. */
  | 'done'
  | { drop: string }
  | Reply

export type Step = (context: Context) => Verdict | Promise<Verdict>

export function createContext(request: EdgeRequest, log: Logger): Context {
  let child: Logger | undefined
  const own = () => {
    const { callId, method, source } = request
    child ??= log.child({ callId, method, source: `${source.transport}:${source.address}:${source.port}` })
    return child
  }
  return {
    request,
    get log() {
      return own()
    },
    debug(facts, message) {
      if (log.isLevelEnabled('debug')) own().debug(facts, message)
    },
  }
}
