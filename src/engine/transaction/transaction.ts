/** What the four transaction machines of RFC 3261 §17 have in common. */
import type { SipResponse } from '../message/sip-message.js'
import type { Flow, SendFailure } from '../transport/transport.js'
import type { Scheduler, Timing } from './timers.js'

/** The world as a transaction machine sees it. */
export interface TransactionEnvironment {
  readonly scheduler: Scheduler
  readonly timing: Timing
  send(flow: Flow, data: Buffer, onFailure?: SendFailure): void
  /** As TransportLayer.probe: what is known of a UDP peer that is silent. */
  probe?(flow: Flow): Error | undefined
}

/** What a client transaction tells its user. */
export interface ClientTransactionUser {
  /** A provisional or final response; a 2xx to INVITE once per arrival (RFC 6026 §7.2). */
  onResponse(response: SipResponse): void
  /** Timer B or F: no final response came in time. */
  onTimeout(): void
  /** The request could not be handed to the network. */
  onTransportError(error: Error): void
  /** The transaction is gone; always the last call. */
  onTerminated(): void
}

/** What a server transaction tells its user. */
export interface ServerTransactionUser {
  /** The ACK to a final response never came (timer H), or a response could not be sent. */
  onFailure?(error: Error): void
  onTerminated(): void
}
