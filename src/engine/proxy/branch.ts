/** One branch of a search: one target, one client transaction (RFC 3261 §16.6-§16.8, §9.1 for CANCEL). */
import { SipRequest, type SipResponse } from '../message/sip-message.js'
import type { Timer } from '../transaction/timers.js'
import type { Flow } from '../transport/transport.js'
import type { ProxyEnvironment } from './client.js'
import type { FlowAddress } from './dialog-token.js'
import { pushVia } from './forward.js'
import { nextHop } from './next-hop.js'
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
  #timer: Timer | undefined

  constructor(
    private readonly env: ProxyEnvironment,
    private readonly owner: BranchOwner,
    private readonly destination: Target,
  ) {
    this.hop = destination.flow
  }

  begin(): void {
    const { flow: wanted, nextHop: uri } = this.destination
    if (wanted) {
      const flow = this.env.transport.findFlow(wanted.transport, wanted.address, wanted.port)
      if (flow) return this.#send(flow)
      if (uri === undefined) return this.#fail(430)
    }
    const hop = nextHop(uri ?? this.destination.uri, this.env.resolve)
    if (hop instanceof Promise) {
      this.state = 'calling'
      void hop.then((address) => {
        if (this.state === 'calling') this.#connect(address)
      })
    } else {
      this.#connect(hop)
    }
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

  /** Gives the target up without waiting for it; used where it never said a word. */
  abandon(status: number): void {
    if (this.state === 'done') return
    this.#fail(status)
    this.#client?.terminate()
  }

  #connect(address: FlowAddress | undefined): void {
    const flow =
      address &&
      this.env.transport.openFlow(address.transport, address.address, address.port, {
        preferred: this.owner.incomingFlow.listener,
      })
    if (!flow) return this.#fail(503)
    this.hop ??= address
    this.#send(flow)
  }

  #send(flow: Flow): void {
    const request = this.owner.prepare(this.destination)
    this.owner.record(request, flow)
    pushVia(request, flow, this.env.transport, this.owner.branchParameter())
    this.#flow = flow
    this.#request = request
    this.state = 'calling'
    const { provisionalTimeoutMs } = this.owner
    if (provisionalTimeoutMs !== undefined) {
      this.#timer = this.env.scheduler.after(provisionalTimeoutMs, () => this.abandon(408))
    }
    this.#client = this.env.startClient(request, flow, {
      onResponse: (response) => this.#onResponse(response),
      onTimeout: () => this.#fail(408),
      // RFC 5626 §5.3.1: a flow that is gone is 430; any other transport error counts as 503 (§16.9).
      onTransportError: () => this.#fail(this.destination.flow ? 430 : 503),
      onTerminated: () => {},
    })
  }

  #onResponse(response: SipResponse): void {
    const { status } = response
    if (status < 200) {
      if (this.state === 'done') return
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
