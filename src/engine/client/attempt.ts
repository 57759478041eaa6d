/** One request over one flow: its client transaction, and its CANCEL (RFC 3261 §9.1). */
import { SipRequest, type SipResponse } from '../message/sip-message.js'
import type { Timer } from '../transaction/timers.js'
import type { Flow } from '../transport/transport.js'
import type { ClientEnvironment } from './environment.js'

/** Header lines for a CANCEL: label and value. */
export type CancelHeaders = readonly (readonly [label: string, value: string])[]

export interface AttemptUser {
  onResponse(response: SipResponse): void
  /** 408: silence (timer B or F); 503: the request could not be sent; 487: even a CANCEL moved nothing. */
  onFailure(status: 408 | 487 | 503, error?: Error): void
}

export class Attempt {
  #state: 'calling' | 'proceeding' | 'done' = 'calling'
  #client: { terminate(): void } | undefined
  #cancel: CancelHeaders | undefined
  #cancelSent = false
  #abandoned = false
  #timer: Timer | undefined

  /** @param request complete, with our Via on top */
  constructor(
    private readonly env: ClientEnvironment,
    private readonly request: SipRequest,
    readonly flow: Flow,
    private readonly user: AttemptUser,
  ) {}

  /** Nothing has come back yet, not even a provisional response. */
  get silent(): boolean {
    return this.#state === 'calling'
  }

  start(): void {
    // The ACK to a 2xx has no transaction and gets no answer (§13.2.2.4): that it left is all that can be known.
    if (this.request.method === 'ACK') {
      return this.env.send(this.flow, this.request.serialize(), (error) => this.#fail(503, error))
    }
    this.#client = this.env.startClient(this.request, this.flow, {
      onResponse: (response) => this.#onResponse(response),
      onTimeout: () => this.#fail(408),
      onTransportError: (error) => this.#fail(503, error),
      onTerminated: () => {},
    })
  }

  /** INVITE only. A CANCEL must not overtake its INVITE: it waits for the first provisional response. */
  cancel(headers: CancelHeaders): void {
    if (this.#state === 'done' || this.#cancel || this.request.method !== 'INVITE') return
    this.#cancel = headers
    if (this.#state === 'proceeding') this.#sendCancel()
  }

  /**
   * Waits no longer, and says no more to the user but a 2xx to INVITE, which has made a dialog. An INVITE's transaction
   * stays for a while, so that a server that wakes up late is cancelled, and its last answer is acknowledged.
   */
  abandon(): void {
    if (this.#state === 'done') return
    const { silent } = this
    this.#finish()
    if (this.request.method !== 'INVITE') return this.#client?.terminate()
    this.#abandoned = true
    if (!silent) this.#sendCancel()
    this.env.scheduler.after(64 * this.env.timing.t1, () => this.#client?.terminate())
  }

  #onResponse(response: SipResponse): void {
    const open = this.#state !== 'done'
    if (response.status >= 200) {
      this.#finish()
      if (open || response.status < 300) this.user.onResponse(response)
    } else if (open) {
      this.#state = 'proceeding'
      this.user.onResponse(response)
      if (this.#cancel) this.#sendCancel()
    } else if (this.#abandoned) {
      // Given up, and now it rings: it must not ring on for nobody.
      this.#sendCancel()
    }
  }

  #sendCancel(): void {
    if (this.#cancelSent) return
    this.#cancelSent = true
    const ignore = (): void => {}
    this.env.startClient(cancelFor(this.request, this.#cancel ?? []), this.flow, {
      onResponse: ignore,
      onTimeout: ignore,
      onTransportError: ignore,
      onTerminated: ignore,
    })
    if (this.#state === 'done') return
    // §9.1: a server that acknowledges no CANCEL is given up after 64*T1.
    this.#timer = this.env.scheduler.after(64 * this.env.timing.t1, () => {
      this.abandon()
      this.user.onFailure(487)
    })
  }

  #fail(status: 408 | 503, error?: Error): void {
    if (this.#state === 'done') return
    this.#finish()
    this.user.onFailure(status, error)
  }

  #finish(): void {
    this.#state = 'done'
    this.#timer?.cancel()
  }
}

/** §9.1: same Request-URI, topmost Via, Call-ID, To, From, CSeq number and Route as the INVITE that went out. */
export function cancelFor(invite: SipRequest, headers: CancelHeaders): SipRequest {
  const cancel = new SipRequest('CANCEL', invite.uri)
  cancel.append('via', invite.lines('via')[0] ?? '')
  cancel.append('max-forwards', '70')
  for (const route of invite.lines('route')) cancel.append('route', route)
  cancel.append('from', invite.get('from') ?? '')
  cancel.append('to', invite.get('to') ?? '')
  cancel.append('call-id', invite.callId)
  cancel.append('cseq', `${invite.cseq.seq} CANCEL`)
  for (const [label, value] of headers) cancel.append(label.toLowerCase(), value, label)
  return cancel
}
