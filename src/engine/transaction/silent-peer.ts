/** What a client transaction learns of a peer that is silent over UDP. See docs/decisions/udp-refused.md. */
import type { Flow } from '../transport/transport.js'
import type { TransactionEnvironment } from './transaction.js'

/**
 * Why a request need not be sent once more: its peer's machine says that nobody listens there. At the first
 * retransmission (`interval` is T1) the peer is only asked: one lost datagram tells nothing. Nor does a while of
 * silence where the request is no INVITE: that is answered with 100 at once (RFC 3261 §17.2.1), the others when they
 * are done (RFC 4320 §4.1).
 */
export function refusalOf(
  env: TransactionEnvironment,
  flow: Flow,
  method: string,
  interval: number,
): Error | undefined {
  const refusal = env.probe?.(flow)
  const patience = (method === 'INVITE' ? 2 : 4) * env.timing.t1
  return interval >= patience ? refusal : undefined
}
