/** Where the response to a request goes (RFC 3261 §18.2.2, RFC 3581 §4). */
import type { SipRequest } from '../message/sip-message.js'
import { defaultPort } from './default-ports.js'
import { isReliable, type Flow, type TransportLayer } from './transport.js'

/**
 * The flow for a response.
 *
 * Streams: the connection that the request came over. Once that is closed, TCP gets a connection to the port of the Via;
 * a TLS or WebSocket client accepts none, so the closed flow is given back, and sending over it fails.
 *
 * UDP: the address the request came from, at the port it came from if the Via has `rport`, else at the Via's.
 *
 * The address is the real source in every case, never the sent-by or `maddr` that the sender has chosen: what it claims
 * must not direct our answers at others. Where sent-by is true the two are the same.
 *
 * @param request as the layer has delivered it, with `received` and `rport` filled in
 * @param flow what it came over
 */
export function replyFlow(request: SipRequest, flow: Flow, transport: TransportLayer): Flow {
  const { via } = request
  if (isReliable(flow.transport)) {
    if (flow.open || flow.answersOnly || flow.transport !== 'tcp') return flow
  } else if (via.rport !== undefined) {
    return flow
  }
  const port = via.port ?? defaultPort(flow.transport)
  if (flow.open && port === flow.remotePort) return flow
  const { transport: name, remoteAddress, listener } = flow
  return transport.openFlow(name, remoteAddress, port, { preferred: listener }) ?? flow
}
