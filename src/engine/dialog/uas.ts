/**
 * The server side of the applications' dialogs: what their responses make of a dialog (RFC 3261 §12.1.1, §13.3), and
 * which requests of the peer get to them (§12.2.2, §14.2, §15.1.2).
 */
import { randomInt } from 'node:crypto'
import { SipRequest, type SipResponse } from '../message/sip-message.js'
import type { Incoming } from '../transaction/incoming.js'
import type { Flow } from '../transport/transport.js'
import { nameOurselves } from './contact.js'
import {
  acceptSequence,
  confirm,
  dialogId,
  dialogOfUas,
  refreshTarget,
  type Dialog,
  type DialogOwner,
} from './dialog.js'
import type { UacEnvironment } from './uac-send.js'
import { expireLater } from './expiry.js'
import { endByUs } from './goodbye.js'
import { tooLate, type Outcome } from './reliable.js'
import { answerSession, tooBrief } from './session.js'
import { ServedInvite } from './served-invite.js'
import { applyFinal, beginsUsage, dialogMaking } from './usages.js'

/** A request that an application answers. */
export interface Served {
  readonly incoming: Incoming
  readonly owner: DialogOwner
  /** The one it came in, or that its responses have made. */
  dialog: Dialog | undefined
  invite?: ServedInvite
}

/** Methods that have nothing to do with the call in their dialog (RFC 5057). */
const ofSubscription: ReadonlySet<string> = new Set(['SUBSCRIBE', 'NOTIFY'])

/** Whose 1xx (INVITE) and 2xx responses say where we are reached from now on. */
const needContact: ReadonlySet<string> = new Set([...dialogMaking, 'UPDATE'])

export class Uas {
  /** The last INVITE of each dialog: for its PRACK and ACK. */
  readonly #invites = new Map<Dialog, ServedInvite>()
  /** Dialogs whose end we are told of. */
  readonly #watched = new WeakSet<Dialog>()

  constructor(private readonly env: UacEnvironment) {}

  /** Whether it is for this layer to answer: it makes a dialog, or came in one. */
  concerns(served: Served): boolean {
    return served.dialog !== undefined || dialogMaking.has(served.incoming.request.method)
  }

  /** A response of the application to a request that concerns this layer; `onOutcome` is called once, maybe later. */
  respond(served: Served, response: SipResponse, onOutcome: (outcome: Outcome) => void): void {
    this.#complete(served, response)
    // Most INVITEs that come without credentials get one answer: a challenge.
    const simple = served.incoming.request.method !== 'INVITE' || (response.status >= 300 && !served.invite)
    if (simple) return onOutcome(this.#transmit(served, response))
    served.invite ??= this.#serve(served)
    served.invite.respond(response, onOutcome)
  }

  /** The application leaves to the proxy what it has begun to answer: its early dialog is none. */
  release(served: Served): void {
    served.invite?.end()
    if (served.dialog && served.incoming.request.toTag === undefined) this.env.dialogs.remove(served.dialog)
    served.dialog = undefined
  }

  /** The request has its final answer, whoever gave it; undefined: it is never to be answered. */
  answered(served: Served, response: SipResponse | undefined): void {
    const { dialog, invite, incoming } = served
    const { request } = incoming
    const accepted = response !== undefined && response.status < 300
    if (!accepted) invite?.end()
    if (!dialog) return
    if (request.method === 'INVITE') dialog.peerInvite = undefined
    if (request.method === 'UPDATE') dialog.peerUpdate = false
    if (accepted && hasSession(request)) this.env.settle(dialog, request, response, 'uas')
    if (accepted) expireLater(this.env, dialog, request, response)
    if (request.toTag === undefined) {
      if (!accepted) this.env.dialogs.remove(dialog)
    } else if (response) {
      if (accepted) refreshTarget(dialog, request, incoming.flow)
      applyFinal(this.env.dialogs, dialog, request, response.status, response)
    }
  }

  /** A request of the peer within a dialog: answered here if it may not be now, else `deliver` hands it up. */
  receive(incoming: Incoming, dialog: Dialog, deliver: () => void): void {
    const { request } = incoming
    incoming.proven = true
    // §12.2.2: it was overtaken by a later one.
    if (!acceptSequence(dialog, request)) return incoming.reply(500)
    const minimum = hasSession(request) ? tooBrief(request) : undefined
    if (minimum) return incoming.reply(422, undefined, minimum)
    if (dialog.leaving && !ofSubscription.has(request.method)) return this.#receiveLate(incoming, dialog)
    switch (request.method) {
      case 'INVITE':
        // §14.2.
        if (dialog.ourInvite) return incoming.reply(491)
        if (dialog.peerInvite) return incoming.reply(500, undefined, retryLater())
        // RFC 5407 §3.1.4: the offer of the one before may still be on its way, in the ACK.
        if (this.#invites.get(dialog)?.awaitsAck) return incoming.reply(491)
        dialog.peerInvite = incoming
        return deliver()
      case 'UPDATE':
        // RFC 3311 §5.2. Before the answer a call may negotiate in UPDATEs while its INVITE is open.
        if (dialog.peerUpdate) return incoming.reply(500, undefined, retryLater())
        if (dialog.ourUpdate && request.body.length > 0) return incoming.reply(491)
        if (dialog.state === 'confirmed' && request.body.length > 0) {
          if (dialog.ourInvite) return incoming.reply(491)
          if (dialog.peerInvite) return incoming.reply(500, undefined, retryLater())
        }
        dialog.peerUpdate = true
        return deliver()
      case 'PRACK': {
        const release = this.#invites.get(dialog)?.receivePrack(request)
        if (!release) return incoming.reply(481)
        deliver()
        return release()
      }
      case 'BYE':
        return this.#receiveBye(incoming, dialog, deliver)
      default:
        return deliver()
    }
  }

  /** False if no 2xx of ours waits for it: a repetition, or a stray one. */
  receiveAck(ack: SipRequest, flow: Flow): boolean {
    const dialog = this.env.dialogs.find(ack)
    const invite = dialog && this.#invites.get(dialog)
    if (!dialog || !invite?.receiveAck(ack)) return false
    // Unless a PRACK is still on its way, it was needed for this alone.
    if (!invite.awaitsPrack) this.#invites.delete(dialog)
    this.env.tell(dialog, ack, { source: 'network', flow, transactionId: invite.id })
    return true
  }

  /** §15: the callee must not send BYE before the ACK to its 2xx. Calls back when that is no obstacle (any more). */
  afterAck(dialog: Dialog, run: () => void): void {
    const invite = this.#invites.get(dialog)
    if (invite) invite.afterAck(run)
    else run()
  }

  /** §15.1.2: an INVITE that is open ends with the call; of several early dialogs, one may be ended in this way (§15). */
  #receiveBye(incoming: Incoming, dialog: Dialog, deliver: () => void): void {
    if (!dialog.usages.has('invite')) return incoming.reply(481)
    const { peerInvite, state } = dialog
    // The application knows of no early dialog: to it, this is a CANCEL.
    if (state === 'early') incoming.reply(peerInvite ? 200 : 481)
    if (peerInvite) this.terminate(peerInvite, dialog, 487, 'BYE')
    if (state === 'confirmed') deliver()
  }

  /** It has crossed the application's BYE (RFC 5407 §3.2.2, §3.3); to the application it would be a new call. */
  #receiveLate(incoming: Incoming, dialog: Dialog): void {
    const isBye = incoming.request.method === 'BYE'
    incoming.reply(isBye ? 200 : 481)
    if (isBye) this.env.dialogs.endUsage(dialog, 'invite')
  }

  /** §12.1.1, §13.3.1.4: Contact, and our own address where the application can't know it. */
  #complete({ incoming, dialog }: Served, response: SipResponse): void {
    const { request, flow } = incoming
    const { status } = response
    if (status <= 100 || status >= 300) return
    if (status >= 200 && hasSession(request)) answerSession(request, response, dialog?.session)
    const tellsTarget = needContact.has(request.method) && (status >= 200 || request.method === 'INVITE')
    if (tellsTarget && response.get('contact') === undefined) {
      response.append('contact', dialog?.localContact ?? `<${contactScheme(request)}:localhost>`)
    }
    nameOurselves(response, this.env.transport, flow)
  }

  #serve(served: Served): ServedInvite {
    const { incoming } = served
    const invite = new ServedInvite(this.env, incoming, {
      transmit: (response) => this.#transmit(served, response),
      onNoPrack: () => this.terminate(incoming, served.dialog, 504, 'no PRACK'),
      onNoAck: () => {
        if (served.dialog) endByUs(this.env, served.dialog, 'ACK timeout')
      },
    })
    if (served.dialog) this.#bind(served.dialog, invite)
    return invite
  }

  #bind(dialog: Dialog, invite: ServedInvite): void {
    if (!this.#watched.has(dialog)) {
      this.#watched.add(dialog)
      dialog.onEnd.push(() => {
        this.#invites.get(dialog)?.end()
        this.#invites.delete(dialog)
      })
    }
    this.#invites.set(dialog, invite)
  }

  /** The INVITE ends without the application, which is told in the one way that it understands: a CANCEL. */
  terminate(incoming: Incoming, dialog: Dialog | undefined, status: number, why: string): void {
    const { request } = incoming
    const cancel = new SipRequest('CANCEL', request.uri)
    for (const name of ['via', 'from', 'to', 'call-id']) cancel.append(name, request.get(name) ?? '')
    cancel.append('cseq', `${request.cseq.seq} CANCEL`)
    cancel.append('reason', `SIP;cause=${status};text="${why}"`)
    this.env.cancelled(incoming, cancel, dialog?.id)
    incoming.reply(status, undefined, status === 503 ? [['Retry-After', '5']] : [])
  }

  #transmit(served: Served, response: SipResponse): Outcome {
    const { incoming } = served
    const { request } = incoming
    const { status } = response
    const first = served.dialog === undefined
    if (request.toTag === undefined && makesDialog(request, response)) {
      const refused = first ? this.#make(served, response) : undefined
      if (refused) return refused
      if (served.dialog && status >= 200) confirm(served.dialog, response)
    } else if (served.dialog && status >= 200 && status < 300) {
      served.dialog.localContact = response.get('contact') ?? served.dialog.localContact
    }
    const sent = incoming.respond(response)
    if (sent) return { sent }
    if (first && served.dialog) this.env.dialogs.remove(served.dialog)
    return tooLate
  }

  /** The dialog begins; or the request is refused, and this says why. */
  #make(served: Served, response: SipResponse): Outcome | undefined {
    const { incoming, owner, invite } = served
    const { request, flow } = incoming
    const { dialogs } = this.env
    const refuse = (status: number, refused: string): Outcome => {
      incoming.reply(status, undefined, status === 503 ? [['Retry-After', '10']] : [])
      return { refused }
    }
    if (dialogs.full) return refuse(503, 'too many dialogs')
    // §8.2.2.2: the same request over another way, or another one with its identity.
    if (dialogs.get(dialogId(request.callId, request.fromTag ?? ''))) {
      return refuse(482, 'dialog already exists, rejecting this request')
    }
    const dialog = dialogOfUas(request, response, flow, owner)
    if (!dialog) return refuse(400, 'request has no Contact')
    dialogs.add(dialog)
    served.dialog = dialog
    if (invite) {
      dialog.peerInvite = incoming
      this.#bind(dialog, invite)
    }
    return undefined
  }
}

/** §14.2. */
function retryLater(): [[string, string]] {
  return [['Retry-After', String(randomInt(11))]]
}

/** §12.1.1: who has called us by a sips: URI is to get one for the rest of the call. */
function contactScheme(request: SipRequest): string {
  const top = request.values('record-route')[0] ?? request.values('contact')[0] ?? ''
  return request.uri.startsWith('sips:') || /^[^<]*<?sips:/.test(top) ? 'sips' : 'sip'
}

function hasSession({ method }: SipRequest): boolean {
  return method === 'INVITE' || method === 'UPDATE'
}

/** §12.1: a 2xx, of INVITE also a provisional response with a tag. */
function makesDialog(request: SipRequest, response: SipResponse): boolean {
  const { status } = response
  if (status <= 100 || status >= 300) return false
  return status >= 200 ? beginsUsage(request, response) : request.method === 'INVITE'
}
