/**
 * Requests inside dialogs that went through us: forwarded by their Route and our token alone, with no application
 * and no stored state, so that calls outlive both (RFC 3261 §16.4-§16.6, §16.11 for ACK).
 */
import { Outgoing } from '../client/outgoing.js'
import type { SipRequest } from '../message/sip-message.js'
import { parseUri } from '../message/uri.js'
import type { Incoming } from '../transaction/incoming.js'
import { defaultPort } from '../transport/default-ports.js'
import type { Peer } from '../transport/peer.js'
import type { Flow } from '../transport/transport.js'
import type { ProxyEnvironment } from './client.js'
import type { VerifiedDialog } from './dialog-token.js'
import {
  applyEdits,
  branchParameter,
  decrementMaxForwards,
  hasHopsLeft,
  loopHash,
  untrusted,
  type HeaderEdits,
} from './forward.js'
import { applyRemainingRoute } from './record-route.js'
import { Search } from './search.js'
import type { Target } from './target.js'

export function forwardInDialog(env: ProxyEnvironment, incoming: Incoming, dialog: VerifiedDialog): void {
  const { request } = incoming
  if (!hasHopsLeft(request)) {
    incoming.reply(483)
    return
  }
  const destination = targetOf(request, dialog)
  const search = new Search(
    env,
    incoming,
    { simultaneous: true, followRedirects: false, edits: editsFor(dialog), record: () => {} },
    { onFinal: () => {}, onDone: () => {} },
  )
  incoming.onCancel = (cancel) => search.cancel(cancel.lines('reason'))
  incoming.onAbort = () => search.abort()
  incoming.proven = true
  search.start([destination])
}

/** The ACK to a 2xx is a request without a transaction: it goes on, or it is lost and the 2xx comes again. */
export function forwardAck(env: ProxyEnvironment, ack: SipRequest, from: Flow, dialog: VerifiedDialog): void {
  if (!hasHopsLeft(ack)) return
  const { flow } = targetOf(ack, dialog)
  if (!flow) return
  const hash = loopHash(ack)
  decrementMaxForwards(ack)
  applyEdits(ack, editsFor(dialog))
  const branch = (): string => branchParameter(hash, env.unique())
  const nobodyListens = { onResponse: () => {}, onFailure: () => {} }
  new Outgoing(env, { request: ack, flow, preferred: from.listener, branch }, nobodyListens).start()
}

/** What the callee is shown stays the same within the dialog, and nothing else is added to it. */
function editsFor({ fromCaller, shownFrom }: VerifiedDialog): HeaderEdits {
  return fromCaller && shownFrom !== undefined ? [...untrusted, ['From', shownFrom]] : untrusted
}

/**
 * The other side of the dialog, and nobody else: it is our neighbour, whatever the Request-URI or a Route says. Where
 * that names the neighbour's own address, its port counts; it may have moved to another one.
 */
function targetOf(request: SipRequest, { fromCaller, caller, callee }: VerifiedDialog): Target {
  const peer = fromCaller ? callee : caller
  const hop = parseUri(applyRemainingRoute(request))
  const named = hop?.host === peer.address ? (hop.port ?? defaultPort(peer.transport)) : undefined
  if (peer.transport === 'udp') {
    const port = named ?? peer.listens ?? peer.port
    const flow: Peer = { transport: 'udp', address: peer.address, port, ...(peer.on && { on: peer.on }) }
    return { uri: request.uri, flow }
  }
  // Some phones put the port of a connection into their Contact, where nobody takes a new one: the place that they
  // registered for connections is the better one.
  const listens = peer.listens ?? named
  return { uri: request.uri, flow: listens === undefined ? peer : { ...peer, listens } }
}
