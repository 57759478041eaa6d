/** The Via of a request that we send. */
import { formatHostPort } from '../message/host.js'
import type { SipRequest } from '../message/sip-message.js'
import type { Flow, TransportLayer } from '../transport/transport.js'

/**
 * RFC 3261 §8.1.1.7 and §16.6 step 8: our Via on top, with the transport that is really used (§18.1.1); `rport` so that
 * the response finds back through a NAT (RFC 3581 §3).
 */
export function pushVia(request: SipRequest, flow: Flow, transport: TransportLayer, branch: string): void {
  const { host, port } = transport.localAddress(flow)
  const name = flow.transport.toUpperCase()
  request.prepend('via', `SIP/2.0/${name} ${formatHostPort(host, port)};branch=${branch};rport`)
}
