/** One branch of a search: one target, and how long it may take (RFC 3261 §16.6-§16.8). */
import { Outgoing, type OutgoingRequest } from '../client/outgoing.js'
import type { SipRequest, SipResponse } from '../message/sip-message.js'
import type { Timer } from '../transaction/timers.js'
import type { FlowAddress } from '../transport/peer.js'
import type { Flow, TlsDetails } from '../transport/transport.js'
import type { ProxyEnvironment } from './client.js'
import type { Target } from './target.js'

export interface BranchOwner {
  readonly incomingFlow: Flow
  readonly provisionalTimeoutMs: number | undefined
  /** The request for this branch, all but Via and Record-Route. */
  prepare(destination: Target): SipRequest
  record(request: SipRequest, outgoing: Flow): void
  branchParameter(): string
  onProvisional(response: SipResponse): void
  /** A 2xx; for INVITE once per arrival. */
  onSuccess(branch: Branch, response: SipResponse): void
  /** `response` absent: made up by us, since the target is unreachable or silent. */
  onFailure(branch: Branch, status: number, response?: SipResponse): void
}

/** Where a branch leads, and how the flow to it is encrypted. */
export interface Hop extends FlowAddress {
  tls?: TlsDetails
}

type State = 'idle' | 'calling' | 'proceeding' | 'done'

export class Branch {
  state: State = 'idle'
  /** Where the request went; for the report to the application. */
  hop: Hop | undefined
  #outgoing: Outgoing | undefined
  #isInvite = false
  #cancelled = false
  /** Runs until the target says something. */
  #timer: Timer | undefined

  constructor(
    private readonly env: ProxyEnvironment,
    private readonly owner: BranchOwner,
    private readonly destination: Target,
  ) {
    this.hop = destination.flow
  }

  begin(): void {
    const { owner, destination } = this
    const request = owner.prepare(destination)
    const what: OutgoingRequest = {
      request,
      preferred: owner.incomingFlow.listener,
      branch: () => owner.branchParameter(),
      finish: (copy, flow) => owner.record(copy, flow),
    }
    if (destination.flow) what.flow = destination.flow
    this.state = 'calling'
    this.#isInvite = request.method === 'INVITE'
    this.#outgoing = new Outgoing(this.env, what, {
      onSent: (_request, flow) => this.#onSent(flow),
      onResponse: (response) => this.#onResponse(response),
      onFailure: (status) => this.#fail(this.#statusFor(status)),
    })
    this.#outgoing.start()
  }

  /** Ends this branch in favour of none: CANCEL, as soon as §9.1 allows. */
  cancel(reasons: readonly string[]): void {
    if (this.state === 'done' || this.#cancelled) return
    this.#cancelled = true
    // Only INVITE can be cancelled (§9.1); nobody waits for the rest.
    if (!this.#isInvite) return this.abandon(408)
    // RFC 3326: why, so that a phone does not list a call as missed that was answered elsewhere.
    this.#outgoing?.cancel(reasons.map((reason) => ['Reason', reason] as const))
  }

  /**
   * Gives the target up without waiting for it any longer. One that wakes up late is cancelled, and its last answer is
   * acknowledged.
   */
  abandon(status: number): void {
    if (this.state === 'done') return
    this.#outgoing?.abandon()
    this.#fail(status)
  }

  #onSent(flow: Flow): void {
    const { transport, remoteAddress: address, remotePort: port, tls } = flow
    this.hop = { transport, address, port, ...(tls && { tls }) }
    const { provisionalTimeoutMs } = this.owner
    if (provisionalTimeoutMs === undefined || this.#timer) return
    this.#timer = this.env.scheduler.after(provisionalTimeoutMs, () => this.abandon(408))
  }

  #onResponse(response: SipResponse): void {
    const { status } = response
    if (status < 200) {
      this.state = 'proceeding'
      this.#timer?.cancel()
      if (status > 100) this.owner.onProvisional(response)
      return
    }
    const again = this.state === 'done'
    this.#finish()
    if (status < 300) this.owner.onSuccess(this, response)
    else if (!again) this.owner.onFailure(this, status, response)
  }

  /** That a datagram could not be sent to a phone is no overload, and the phone may be there again in a moment. */
  #statusFor(status: number): number {
    return status === 503 && this.destination.flow ? 480 : status
  }

  #fail(status: number): void {
    if (this.state === 'done') return
    this.#finish()
    this.owner.onFailure(this, status)
  }

  #finish(): void {
    this.state = 'done'
    this.#timer?.cancel()
  }
}
