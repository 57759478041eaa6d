/**
 * Requests inside dialogs that went through us: forwarded by their Route and our token alone, with no application
 * and no stored state, so that calls outlive both (RFC 3261 §16.4-§16.6, §16.11 for ACK).
 */
import { Outgoing } from '../client/outgoing.js'
import type { SipRequest } from '../message/sip-message.js'
import { parseUri } from '../message/uri.js'
import type { Incoming } from '../transaction/incoming.js'
import { defaultPort } from '../transport/default-ports.js'
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

/** Ports below belong to the services of a machine; no phone moves to one (RFC 6335 §6). */
const firstFreePort = 1024

/**
 * The other side of the dialog, and nobody else: it is our neighbour, whatever the Request-URI or a Route says. Over UDP
 * that may name another port of the neighbour's own address, as a phone does that has moved to one, or that answers
 * calls at another one than it registered (RFC 3261 §12.2). A connection is made to no other port than the phone itself
 * gave for it: the sender could try all ports of the other side's machine, from ours.
 */
function targetOf(request: SipRequest, { fromCaller, caller, callee }: VerifiedDialog): Target {
  const peer = fromCaller ? callee : caller
  const hop = parseUri(applyRemainingRoute(request))
  if (peer.transport !== 'udp') return { uri: request.uri, flow: peer }
  const named = hop?.host === peer.address ? (hop.port ?? defaultPort('udp')) : 0
  const port = named >= firstFreePort ? named : (peer.listens ?? peer.port)
  return { uri: request.uri, flow: { ...peer, port } }
}
