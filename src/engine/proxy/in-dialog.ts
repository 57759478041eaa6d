/**
 * Requests inside dialogs that went through us: forwarded by their Route and our token alone, with no application
 * and no stored state, so that calls outlive both (RFC 3261 §16.4-§16.6, §16.11 for ACK).
 */
import type { SipRequest } from '../message/sip-message.js'
import type { Incoming } from '../transaction/incoming.js'
import type { Flow, TransportName } from '../transport/transport.js'
import type { ProxyEnvironment } from './client.js'
import type { VerifiedDialog } from './dialog-token.js'
import { branchParameter, decrementMaxForwards, loopHash, pushVia } from './forward.js'
import { nextHop } from './next-hop.js'
import { applyRemainingRoute, bracketed } from './record-route.js'
import { Search } from './search.js'
import type { Target } from './target.js'

export function forwardInDialog(env: ProxyEnvironment, incoming: Incoming, dialog: VerifiedDialog): void {
  const { request } = incoming
  if (!hasHopsLeft(request)) {
    incoming.reply(483)
    return
  }
  const destination = destinationOf(request, dialog)
  const search = new Search(
    env,
    incoming,
    { simultaneous: true, followRedirects: false, edits: [], record: () => {} },
    { onFinal: () => {}, onDone: () => {} },
  )
  incoming.onCancel = (cancel) => search.cancel(cancel.lines('reason'))
  search.start([destination])
}

/** The ACK to a 2xx is a request without a transaction: it goes on, or it is lost and the 2xx comes again. */
export function forwardAck(env: ProxyEnvironment, ack: SipRequest, from: Flow, dialog: VerifiedDialog): void {
  if (!hasHopsLeft(ack)) return
  const destination = destinationOf(ack, dialog)
  const branch = branchParameter(loopHash(ack), env.unique())
  decrementMaxForwards(ack)
  const send = (flow: Flow | undefined): void => {
    if (!flow) return
    pushVia(ack, flow, env.transport, branch)
    env.send(flow, ack.serialize())
  }
  const { flow } = destination
  const live = flow && env.transport.findFlow(flow.transport, flow.address, flow.port)
  if (live) return send(live)
  const hop = nextHop(destination.nextHop ?? ack.uri, env.resolve)
  const open = (address: typeof flow): Flow | undefined =>
    address &&
    env.transport.openFlow(address.transport, address.address, address.port, { preferred: from.listener })
  if (hop instanceof Promise) void hop.then((address) => send(open(address)))
  else send(open(hop))
}

/** §16.3 step 3: a request may only travel on while it has hops left. */
export function hasHopsLeft(request: SipRequest): boolean {
  return Number(request.get('max-forwards') ?? 70) > 0
}

function uriOf(transport: TransportName, address: string, port: number): string {
  return `sip:${bracketed(address)}:${port};transport=${transport}`
}

function destinationOf(request: SipRequest, dialog: VerifiedDialog): Target {
  const hop = applyRemainingRoute(request)
  const destination: Target = { uri: request.uri, nextHop: hop }
  const peer = dialog.fromCaller ? dialog.flows.callee : dialog.flows.caller
  // With a route left, the peer is not our neighbour, and its flow is not the way.
  if (!peer || hop !== request.uri) return destination
  destination.flow = peer
  // Some phones put the port of a connection into their Contact, where nobody takes a new one. The place that they
  // registered for connections is the better one, once all connections are gone by a restart of ours.
  if (peer.listens !== undefined) destination.nextHop = uriOf(peer.transport, peer.address, peer.listens)
  return destination
}
