/** One branch of a search: one target, one client transaction (RFC 3261 §16.6-§16.8, §9.1 for CANCEL). */
import { SipRequest, type SipResponse } from '../message/sip-message.js'
import type { Timer } from '../transaction/timers.js'
import { isReliable, type Flow } from '../transport/transport.js'
import type { ProxyEnvironment } from './client.js'
import type { FlowAddress } from './dialog-token.js'
import { pushVia } from './forward.js'
import { flowTo, nextHop } from './next-hop.js'
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

/** Largest payload of a UDP datagram over IPv4, bytes. */
const maxDatagram = 65_507

type State = 'idle' | 'calling' | 'proceeding' | 'done'

export class Branch {
  state: State = 'idle'
  /** Where the request went; for the report to the application. */
  hop: FlowAddress | undefined
  #flow: Flow | undefined
  #request: SipRequest | undefined
  #client: { terminate(): void } | undefined
  #cancelReasons: readonly string[] | undefined
  #cancelSent = false
  #abandoned = false
  #timer: Timer | undefined

  constructor(
    private readonly env: ProxyEnvironment,
    private readonly owner: BranchOwner,
    private readonly destination: Target,
  ) {
    this.hop = destination.flow
  }

  begin(): void {
    const { flow: peer, uri } = this.destination
    this.state = 'calling'
    if (peer) {
      const flow = flowTo(peer, this.env.transport, this.owner.incomingFlow.listener)
      return flow ? this.#send(flow) : this.#fail(430)
    }
    const hop = nextHop(uri, this.env.resolve)
    if (!(hop instanceof Promise)) return this.#connect(hop)
    // A name that takes long to resolve may not hold the call longer than a target that is silent.
    this.#timer = this.env.scheduler.after(64 * this.env.timing.t1, () => this.#fail(408))
    hop.then(
      (address) => this.#connect(address),
      () => this.#connect(undefined),
    )
  }

  /**
   * Ends this branch in favour of none: CANCEL if the target has reacted, at its first reaction if it has not
   * (§9.1: a CANCEL must not overtake its INVITE).
   */
  cancel(reasons: readonly string[]): void {
    if (this.state === 'done' || this.#cancelReasons) return
    this.#cancelReasons = reasons
    if (this.#client === undefined) this.#fail(487)
    // Only INVITE can be cancelled (§9.1); nobody waits for the rest.
    else if (this.#request?.method !== 'INVITE') this.abandon(408)
    else if (this.state === 'proceeding') this.#sendCancel()
  }

  /**
   * Gives the target up without waiting for it any longer. An INVITE's transaction stays for a while, so that a target
   * that wakes up late is cancelled, and its last answer is acknowledged.
   */
  abandon(status: number): void {
    if (this.state === 'done') return
    this.#fail(status)
    const client = this.#client
    if (this.#request?.method !== 'INVITE') return client?.terminate()
    this.#abandoned = true
    this.env.scheduler.after(64 * this.env.timing.t1, () => client?.terminate())
  }

  #connect(address: FlowAddress | undefined): void {
    // Cancelled or given up while the name was being resolved.
    if (this.state === 'done') return
    this.#timer?.cancel()
    const flow =
      address &&
      this.env.transport.openFlow(address.transport, address.address, address.port, {
        preferred: this.owner.incomingFlow.listener,
      })
    if (!flow) return this.#fail(503)
    this.hop = address
    this.#send(flow)
  }

  #send(flow: Flow): void {
    const request = this.owner.prepare(this.destination)
    this.owner.record(request, flow)
    pushVia(request, flow, this.env.transport, this.owner.branchParameter())
    // §18.1.1: it has to fit, and nobody can be asked to take it in parts.
    if (!isReliable(flow.transport) && isOversize(request)) return this.#fail(513)
    this.#flow = flow
    this.#request = request
    const { provisionalTimeoutMs } = this.owner
    if (provisionalTimeoutMs !== undefined) {
      this.#timer = this.env.scheduler.after(provisionalTimeoutMs, () => this.abandon(408))
    }
    this.#client = this.env.startClient(request, flow, {
      onResponse: (response) => this.#onResponse(response),
      onTimeout: () => this.#fail(408),
      onTransportError: () => this.#fail(this.#unreachable(flow)),
      onTerminated: () => {},
    })
  }

  /**
   * RFC 5626 §5.3.1: a connection that is gone is 430, and the application may forget the phone. That a datagram could
   * not be sent says nothing about the phone. Any other transport error counts as 503 (§16.9).
   */
  #unreachable(flow: Flow): number {
    if (!this.destination.flow) return 503
    return isReliable(flow.transport) ? 430 : 480
  }

  #onResponse(response: SipResponse): void {
    const { status } = response
    if (status < 200) {
      // Given up, and now it rings: it must not ring on for nobody.
      if (this.state === 'done') return this.#abandoned ? this.#sendCancel() : undefined
      const first = this.state === 'calling'
      this.state = 'proceeding'
      if (first || status > 100) this.#restartTimerC()
      if (status > 100) this.owner.onProvisional(response)
      if (this.#cancelReasons) this.#sendCancel()
      return
    }
    const again = this.state === 'done'
    this.#finish()
    if (status < 300) this.owner.onSuccess(this, response)
    else if (!again) this.owner.onFailure(this, status, response)
  }

  /** §16.6 step 11 and §16.8: an INVITE that rings may not ring for ever. */
  #restartTimerC(): void {
    this.#timer?.cancel()
    if (this.#request?.method !== 'INVITE' || this.#cancelSent) return
    this.#timer = this.env.scheduler.after(this.env.timing.timerC, () => this.cancel([]))
  }

  #sendCancel(): void {
    if (this.#cancelSent || !this.#request || !this.#flow) return
    this.#cancelSent = true
    const cancel = cancelFor(this.#request, this.#cancelReasons ?? [])
    const ignore = (): void => {}
    this.env.startClient(cancel, this.#flow, {
      onResponse: ignore,
      onTimeout: ignore,
      onTransportError: ignore,
      onTerminated: ignore,
    })
    this.#timer?.cancel()
    if (this.state === 'done') return
    // §9.1: a target that acknowledges no CANCEL is given up after 64*T1.
    this.#timer = this.env.scheduler.after(64 * this.env.timing.t1, () => this.abandon(487))
  }

  #fail(status: number): void {
    if (this.state === 'done') return
    this.#finish()
    this.owner.onFailure(this, status)
  }

  #finish(): void {
    this.state = 'done'
    this.#timer?.cancel()
    this.#timer = undefined
  }
}

function isOversize(request: SipRequest): boolean {
  // Header sections are bounded far below, so that nearly all requests need no counting.
  return request.body.length > maxDatagram / 2 && request.serialize().length > maxDatagram
}

/** §9.1: same Request-URI, topmost Via, Call-ID, To, From, CSeq number and Route as the INVITE that went out. */
function cancelFor(invite: SipRequest, reasons: readonly string[]): SipRequest {
  const cancel = new SipRequest('CANCEL', invite.uri)
  cancel.append('via', invite.lines('via')[0] ?? '')
  cancel.append('max-forwards', '70')
  for (const route of invite.lines('route')) cancel.append('route', route)
  cancel.append('from', invite.get('from') ?? '')
  cancel.append('to', invite.get('to') ?? '')
  cancel.append('call-id', invite.callId)
  cancel.append('cseq', `${invite.cseq.seq} CANCEL`)
  // RFC 3326: why, so that a phone does not list a call as missed that was answered elsewhere.
  for (const reason of reasons) cancel.append('reason', reason)
  return cancel
}
