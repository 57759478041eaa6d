/** A request from the network until its final answer: its server transaction and what the engine knows about it. */
import { responseTo } from '../message/response.js'
import type { SipRequest, SipResponse } from '../message/sip-message.js'
import { newTag } from '../message/tokens.js'
import { replyFlow } from '../transport/reply-flow.js'
import type { Flow, TransportLayer } from '../transport/transport.js'
import { ServerEntry } from './server-entry.js'
import type { Timer } from './timers.js'
import { serverKey, type TransactionTable } from './table.js'
import type { TransactionEnvironment } from './transaction.js'

/** §17.2.1 allows 200 ms; the clock is coarse. */
const tryingDelayMs = 150

/** Who gets a 2xx to these is nobody in particular: anybody may ask, and CANCEL is not the application's to accept. */
const vouchesForNobody = new Set(['OPTIONS', 'CANCEL'])

export class Incoming {
  readonly request: SipRequest
  readonly flow: Flow
  /** The handle under which an application knows this transaction. */
  readonly id: string
  /** Our tag for responses that we make; a proxied response brings its own. */
  toTag = newTag()
  #tagged = false
  /** Once this is set the caller's CANCEL goes there. */
  onCancel: ((cancel: SipRequest) => void) | undefined
  /** Called when the final answer has been given, by whomever. */
  onAnswered: ((response?: SipResponse) => void) | undefined
  /** Gives it up in order when the server stops. */
  onAbort: (() => void) | undefined
  /** Called once when the application has reacted, or it is answered without it. */
  onReaction: (() => void) | undefined
  /** The caller's connection is gone while it still waits for its answer. */
  onCallerLost: (() => void) | undefined
  /**
   * Set once the application or a dialog vouches for the sender. Until then a failure is not repeated by timer G: the
   * source of a datagram may be forged, and would get eleven answers for one (RFC 3261 §26.3.2.4).
   */
  proven = false
  finalStatus = 0
  readonly #entry: ServerEntry
  #trying: Timer | undefined

  constructor(
    private readonly env: TransactionEnvironment,
    table: TransactionTable,
    private readonly transport: TransportLayer,
    request: SipRequest,
    flow: Flow,
    id: string,
    onFailure: (flow: Flow, error: Error) => void,
  ) {
    this.request = request
    this.flow = flow
    this.id = id
    const key = serverKey(request, request.method)
    const back = replyFlow(request, flow, transport)
    this.#entry = new ServerEntry(env, this, back, key, table, onFailure)
    table.addServer(key, this.#entry)
  }

  /** §17.2.1: 100 unless another response comes within 200 ms. */
  replyTryingLater(): void {
    this.#trying = this.env.scheduler.after(tryingDelayMs, () => {
      if (this.#entry.incoming) this.reply(100)
    })
  }

  /** The application's own tag in place of ours, unless a response has carried that (§12.1.1). */
  chooseTag(tag: string): void {
    if (!this.#tagged) this.toTag = tag
  }

  /** The application has said something about it. */
  reacted(): void {
    this.onReaction?.()
    this.onReaction = undefined
  }

  /** Never to be answered; repetitions are absorbed as long as a client may send them (timer B or F). */
  abandon(): void {
    this.reacted()
    this.#entry.incoming = undefined
    this.#entry.abandoned = true
    this.onAnswered?.()
    this.env.scheduler.after(64 * this.env.timing.t1, () => this.#entry.machine.terminate())
  }

  /** Sends a response of ours: status, and header fields by label; does nothing if it comes too late. */
  reply(status: number, reason?: string, headers: readonly (readonly [string, string])[] = []): void {
    this.respond(responseTo(this.request, status, reason, { toTag: this.toTag, headers }))
  }

  /** Sends a complete response; gives the bytes that went out, undefined if the transaction can't take it any more. */
  respond(response: SipResponse): Buffer | undefined {
    const { status } = response
    if (status > 100) {
      this.#tagged = true
      this.reacted()
    }
    this.#trying?.cancel()
    const data = response.serialize()
    const { machine } = this.#entry
    // A connection may be lost while a phone rings. For the unknown none is opened: they could ask for thousands.
    if (this.proven) machine.flow = replyFlow(this.request, machine.flow, this.transport)
    const taken = machine.respond(status, data, this.proven)
    if (taken && status >= 200 && this.finalStatus === 0) {
      this.finalStatus = status
      this.#entry.answered(data.length)
      if (status < 300 && !vouchesForNobody.has(this.request.method)) this.transport.vouch(this.flow)
      this.onAnswered?.(response)
    }
    return taken ? data : undefined
  }
}
