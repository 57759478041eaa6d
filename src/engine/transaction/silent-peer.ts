/** What a client transaction learns of a peer that is silent over UDP. See docs/decisions/udp-refused.md. */
import type { Flow } from '../transport/transport.js'
import type { TransactionEnvironment } from './transaction.js'

/**
 * Why a request need not be sent once more: its peer's machine says that nobody listens there. At the first
 * retransmission (`interval` is T1) the peer is only asked: one lost datagram tells nothing.
 */
export function refusalOf(env: TransactionEnvironment, flow: Flow, interval: number): Error | undefined {
  const refusal = env.probe?.(flow)
  return interval > env.timing.t1 ? refusal : undefined
}
