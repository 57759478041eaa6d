/**
 * An INVITE of an application, the first of a call or one within it: its early dialogs, the forks that answer, their
 * ACKs, and how it ends when the application does not play its part (RFC 3261 §13.2, §14.1; RFC 3262 §4).
 */
import type { CancelHeaders } from '../client/attempt.js'
import type { Outgoing } from '../client/outgoing.js'
import type { SipRequest, SipResponse } from '../message/sip-message.js'
import type { Flow } from '../transport/transport.js'
import { contactUri, type Dialog, type DialogOwner } from './dialog.js'
import { endByUs } from './goodbye.js'
import { Answer } from './uac-answer.js'
import { concludeWithin, dialogOfResponse, type SentRequest } from './uac-dialog.js'
import { hangUp, outgoing, type UacEnvironment, type Way } from './uac-send.js'

/** Who has asked for a request, and what it is told. */
export interface UacUser {
  /** The request leaves; again if another server is tried. */
  onSent(request: SipRequest, flow: Flow): void
  /** A response that is the application's concern; the final one once. */
  onResponse(response: SipResponse, flow: Flow | undefined, dialog: Dialog | undefined): void
  /** In place of a final response: see `OutgoingUser.onFailure`. */
  onFailure(status: number): void
}

export interface UacRequestOptions {
  /** All but Via; `localhost` may stand for us. */
  request: SipRequest
  way: Way
  /** The way is a flow of the peer itself. */
  direct: boolean
  owner: DialogOwner
  /** Absent: it is outside any dialog. */
  dialog?: Dialog
}

/** Most forks of one call that are followed. A hostile server could invent any number. */
const maxForks = 32

export class UacInvite {
  readonly #outgoing: Outgoing
  /** The attempts, from server to server; the last one is nearly always the only one. */
  readonly #sent: SentRequest[] = []
  /** By To tag: the last RSeq that was seen. */
  readonly #reliable = new Map<string, number>()
  /** Reliable provisional responses that the application has yet to acknowledge, in their order. */
  #unacknowledged: { rseq: number; dialog: Dialog }[] = []
  readonly #early = new Map<string, Dialog>()
  readonly #answers = new Map<string, Answer>()
  #answer: Answer | undefined
  #final = false
  #cancelled = false
  #disowned = false

  constructor(
    private readonly env: UacEnvironment,
    private readonly what: UacRequestOptions,
    private readonly user: UacUser & {
      /** Nothing more will come of it. */
      onSettled(): void
    },
  ) {
    this.#outgoing = outgoing(env, what.request, what.way, {
      onSent: (request, flow) => {
        this.#sent.push({ request, flow, owner: what.owner, direct: what.direct })
        user.onSent(request, flow)
      },
      onResponse: (response) => this.#onResponse(response),
      onFailure: (status) => this.#fail(status),
    })
  }

  start(): void {
    if (this.what.dialog) this.what.dialog.ourInvite = true
    this.#outgoing.start()
  }

  /** No final response has come yet. */
  get open(): boolean {
    return !this.#final
  }

  /** The 2xx that the application was shown, while it has not acknowledged it. */
  get awaitingAck(): Answer | undefined {
    const answer = this.#answer
    return answer && !answer.acknowledged && answer.dialog.state !== 'ended' ? answer : undefined
  }

  /** `headers`: what the CANCEL shall carry besides its own (RFC 3326), label and value. */
  cancel(headers: CancelHeaders): void {
    if (this.#final) return
    this.#cancelled = true
    this.#outgoing.cancel(headers)
  }

  /** What has left last, or is about to. */
  get lastSent(): { request: SipRequest; flow?: Flow } {
    return this.#sent.at(-1) ?? { request: this.what.request }
  }

  /** The application's ACK to the 2xx that it was shown; `ack` has the number of `awaitingAck`. */
  acknowledge(ack?: SipRequest, onSent?: (ack: SipRequest, flow: Flow) => void): void {
    const answer = this.awaitingAck
    if (!answer) return
    answer.acknowledge(ack, onSent)
    if (answer.doom !== undefined) endByUs(this.env, answer.dialog, answer.doom)
  }

  /** RFC 3262 §4: the dialog in which that reliable response came; a PRACK is its due, and is taken as sent. */
  takeReliable(rseq: number | undefined): { dialog: Dialog; rseq: number } | undefined {
    const at = this.#unacknowledged.findIndex((one) => rseq === undefined || one.rseq === rseq)
    return at === -1 ? undefined : this.#unacknowledged.splice(at, 1)[0]
  }

  /** The application is gone: nobody is left who could talk. */
  disown(): void {
    this.#disowned = true
    this.cancel([])
    const answer = this.awaitingAck
    if (answer) this.#endUnseen(answer)
  }

  #onResponse(response: SipResponse): void {
    if (response.status === 100) return
    if (response.status < 200) this.#onProvisional(response)
    else if (response.status < 300) this.#onSuccess(response)
    else this.#onRejected(response)
  }

  #onProvisional(response: SipResponse): void {
    const sent = this.#attemptOf(response)
    // Another fork rings on although one has answered.
    if (this.#final || !sent) return
    const dialog = this.what.dialog ?? this.#earlyDialog(sent, response)
    const { toTag = '' } = response
    const rseq = rseqOf(response)
    if (rseq !== undefined) {
      const last = this.#reliable.get(toTag)
      // RFC 3262 §4: repeated, or ahead of one that was lost and will be repeated.
      if (last !== undefined && rseq !== last + 1) return
      if (last === undefined && this.#reliable.size >= maxForks) return
      this.#reliable.set(toTag, rseq)
      if (dialog) this.#unacknowledged.push({ rseq, dialog })
    }
    this.user.onResponse(response, sent.flow, dialog)
    // RFC 6228 §4: this fork has ended before it answered.
    const ended = response.status === 199 && this.#early.get(toTag)
    if (ended) this.#drop(ended)
  }

  #earlyDialog(sent: SentRequest, response: SipResponse): Dialog | undefined {
    const { toTag } = response
    if (toTag === undefined) return undefined
    const known = this.#early.get(toTag)
    if (known) return known
    if (this.#early.size >= maxForks) return undefined
    const dialog = dialogOfResponse(this.env.dialogs, sent, response)
    if (!dialog) return undefined
    dialog.usages.add('invite')
    dialog.ourInvite = true
    this.#early.set(toTag, dialog)
    return dialog
  }

  /** §13.2.2.4: each To tag is a call of its own. The first is the application's; nobody wants the others. */
  #onSuccess(response: SipResponse): void {
    const { toTag = '' } = response
    const known = this.#answers.get(toTag)
    if (known) return known.repeat()
    const sent = this.#attemptOf(response)
    if (!sent || this.#answers.size >= maxForks) return
    const dialog = this.what.dialog ?? dialogOfResponse(this.env.dialogs, sent, response)
    if (!dialog) return
    const answer = new Answer(this.env, dialog, sent.request)
    this.#answers.set(toTag, answer)
    const first = !this.#final
    this.#final = true
    dialog.ourInvite = false
    if (dialog.state === 'ended') {
      // A BYE has crossed it, and does the rest.
      answer.acknowledge()
    } else if (first && !this.#disowned) {
      this.#answer = answer
      this.#accept(answer, sent, response)
    } else {
      this.#endUnseen(answer)
    }
    if (!first) return
    this.#settleLater()
    this.user.onResponse(response, sent.flow, dialog)
  }

  /** The answer that counts. */
  #accept(answer: Answer, sent: SentRequest, response: SipResponse): void {
    const { dialog } = answer
    concludeWithin(this.env.dialogs, dialog, sent.request, response.status, response)
    this.env.settle(dialog, sent.request, response, 'uac')
    if (this.what.dialog) {
      // The peer has come back over another connection.
      if (!dialog.flow.open) dialog.flow = sent.flow
    } else if (this.#cancelled) {
      // What drachtio-server does, and its applications expect: they were done with this call.
      answer.doom = 'ACK-BYE due to cancel race condition'
    } else if (contactUri(response) === undefined) {
      // drachtio-srf makes no dialog of it.
      answer.doom = 'no Contact in response'
    }
  }

  #onRejected(response: SipResponse): void {
    if (this.#final) return
    this.#close(response.status)
    this.user.onResponse(response, this.#attemptOf(response)?.flow, this.what.dialog)
    this.user.onSettled()
  }

  #fail(status: number): void {
    if (this.#final) return
    this.#close(status)
    this.user.onFailure(status)
    this.user.onSettled()
  }

  /** It has failed: the early dialogs are over (§12.3), and a dialog that it came in perhaps too (§14.1). */
  #close(status: number): void {
    this.#final = true
    for (const dialog of [...this.#early.values()]) this.#drop(dialog)
    const { dialog, request } = this.what
    if (!dialog) return
    dialog.ourInvite = false
    concludeWithin(this.env.dialogs, dialog, request, status)
  }

  /** §13.2.2.4: after 64*T1 no fork will answer any more, and no answer is repeated. */
  #settleLater(): void {
    this.env.scheduler.after(64 * this.env.timing.t1, () => {
      for (const dialog of [...this.#early.values()]) this.#drop(dialog)
      const answer = this.awaitingAck
      if (answer) {
        answer.acknowledge()
        endByUs(this.env, answer.dialog, 'ACK timeout')
      }
      this.user.onSettled()
    })
  }

  /** A server that was given up for its silence may still be the one that answers. */
  #attemptOf(response: SipResponse): SentRequest | undefined {
    const branch = response.peekVia()?.branch
    return this.#sent.find(({ request }) => request.via.branch === branch) ?? this.#sent.at(-1)
  }

  /** Nobody has begun to talk; within a call that goes on there is nothing to end. */
  #endUnseen(answer: Answer): void {
    answer.acknowledge()
    if (!this.what.dialog) hangUp(this.env, answer.dialog, 'nobody is left for this call')
  }

  #drop(dialog: Dialog): void {
    this.#early.delete(dialog.remoteTag)
    if (dialog.state === 'early') this.env.dialogs.remove(dialog)
  }
}

/** RFC 3262 §7.1. */
function rseqOf(response: SipResponse): number | undefined {
  const value = response.get('rseq')
  return value !== undefined && /^\d{1,10}$/.test(value) ? Number(value) : undefined
}
