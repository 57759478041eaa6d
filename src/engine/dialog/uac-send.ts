/** How a request of an application leaves: the way into a dialog, ACK, and the BYE that the engine itself sends. */
import { Outgoing, type OutgoingRequest, type OutgoingUser } from '../client/outgoing.js'
import type { SipRequest } from '../message/sip-message.js'
import { magicCookie } from '../message/via.js'
import type { Peer } from '../transport/peer.js'
import { isReliable, type Flow, type TransportLayer } from '../transport/transport.js'
import { nameOurselves } from './contact.js'
import { requestWithin, type Dialog } from './dialog.js'
import type { DialogEnvironment } from './environment.js'
import { nextHopOf } from './reach.js'

/** The surroundings of requests of our own. */
export interface UacEnvironment extends DialogEnvironment {
  /** The connection over which the phone with this Contact has registered. */
  registered(uri: string): Peer | undefined
  /** Calls back when no ACK to a 2xx of ours is missing in that dialog (any more). */
  afterAck(dialog: Dialog, run: () => void): void
}

/** Where a request goes instead of its topmost Route or Request-URI. */
export type Way = Pick<OutgoingRequest, 'flow' | 'nextHop' | 'preferred'>

/**
 * The way to the peer of a dialog: its own connection while it is there, else the one over which it has registered
 * since, else its route or Contact.
 */
export function wayWithin(env: UacEnvironment, dialog: Dialog): Way {
  const { uri, flow } = nextHopOf(dialog)
  const preferred = dialog.flow.listener
  if (flow && isThere(flow, env.transport)) return { flow, preferred }
  const again = dialog.routeSet.length === 0 ? env.registered(dialog.remoteTarget) : undefined
  return again ? { flow: again, preferred } : { nextHop: uri, preferred }
}

/** A datagram can always be sent. A connection may be gone, and then only who takes them can have another one. */
function isThere({ transport, address, port, listens }: Peer, layer: TransportLayer): boolean {
  if (!isReliable(transport) || listens !== undefined) return true
  return layer.findFlow(transport, address, port) !== undefined
}

/** Not started yet. */
export function outgoing(env: UacEnvironment, request: SipRequest, way: Way, user: OutgoingUser): Outgoing {
  return new Outgoing(env, departure(env, request, way), user)
}

/**
 * The ACK to a 2xx has no transaction of its own, and gets no answer (§13.2.2.4, §17): sent once. `onSent` is told what
 * left and over which flow; not called if there is no way.
 */
export function sendAck(
  env: UacEnvironment,
  ack: SipRequest,
  way: Way,
  onSent: (ack: SipRequest, flow: Flow) => void,
): void {
  outgoing(env, ack, way, { onSent, onResponse: () => {}, onFailure: () => {} }).start()
}

/**
 * Ends a call on behalf of nobody (§15.1.1): BYE, and the dialog is over whatever the peer says.
 *
 * @param reason text for RFC 3326
 * @returns the BYE, and the flow it took if that is known by now
 */
export function hangUp(
  env: UacEnvironment,
  dialog: Dialog,
  reason: string,
): { bye: SipRequest; flow: Flow | undefined } {
  const way = wayWithin(env, dialog)
  let bye = requestWithin(dialog, 'BYE')
  bye.append('reason', `SIP;cause=200;text="${reason}"`)
  let flow: Flow | undefined
  env.dialogs.remove(dialog)
  outgoing(env, bye, way, {
    onSent: (sent, over) => {
      bye = sent
      flow = over
    },
    onResponse: () => {},
    onFailure: () => {},
  }).start()
  return { bye, flow }
}

function departure(env: UacEnvironment, request: SipRequest, way: Way): OutgoingRequest {
  return {
    request,
    ...way,
    branch: () => magicCookie + env.unique(),
    finish: (copy, flow) => nameOurselves(copy, env.transport, flow),
  }
}
