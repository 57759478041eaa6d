/** What both client transactions do (RFC 3261 §17.1): send, repeat over UDP, give up, and end in their time. */
import type { SipRequest, SipResponse } from '../message/sip-message.js'
import { isReliable, type Flow } from '../transport/transport.js'
import { refusalOf } from './silent-peer.js'
import type { Timer } from './timers.js'
import type { ClientTransactionUser, TransactionEnvironment } from './transaction.js'

export abstract class ClientMachine {
  /** `calling` is the state Trying of a non-INVITE transaction; it has no `accepted`. */
  state: 'calling' | 'proceeding' | 'accepted' | 'completed' | 'terminated' = 'calling'
  /** There as long as the request may have to be sent again, and a failure to send it matters. */
  #data: Buffer | undefined
  /** A or E. */
  #repetition: Timer | undefined
  /** B or F, later D, K or M: the one that ends the present state. */
  #ending: Timer | undefined

  constructor(
    protected readonly env: TransactionEnvironment,
    protected readonly flow: Flow,
    protected readonly request: SipRequest,
    protected readonly user: ClientTransactionUser,
  ) {}

  abstract receive(response: SipResponse): void

  /** How long until the request is sent once more, given how long it was this time; ms. */
  protected abstract nextInterval(interval: number): number

  start(): void {
    const { t1 } = this.env.timing
    this.#data = this.request.serialize()
    this.#ending = this.env.scheduler.after(64 * t1, () => {
      this.user.onTimeout()
      this.terminate()
    })
    if (!isReliable(this.flow.transport)) this.#repeatAfter(t1)
    this.#send(this.#data)
  }

  terminate(): void {
    if (this.state === 'terminated') return
    this.state = 'terminated'
    this.settle()
    this.user.onTerminated()
  }

  /** The stream connection has closed. */
  connectionLost(): void {
    this.#fail(new Error('connection closed'))
  }

  /** The request is not sent again, and the transaction ends after `lifetimeMs`, if that is given. */
  protected settle(lifetimeMs?: number): void {
    this.#data = undefined
    this.#repetition?.cancel()
    this.#ending?.cancel()
    if (lifetimeMs !== undefined) {
      this.#ending = this.env.scheduler.after(lifetimeMs, () => this.terminate())
    }
  }

  /** The final answer. It may be repeated for `lifetimeMs`; never over a reliable transport. */
  protected complete(response: SipResponse, lifetimeMs: number): void {
    const reliable = isReliable(this.flow.transport)
    this.state = 'completed'
    this.settle(reliable ? undefined : lifetimeMs)
    this.user.onResponse(response)
    if (reliable) this.terminate()
  }

  #send(data: Buffer): void {
    this.env.send(this.flow, data, (error) => this.#fail(error))
  }

  #fail(error: Error): void {
    if (!this.#data) return
    this.user.onTransportError(error)
    this.terminate()
  }

  #repeatAfter(interval: number): void {
    this.#repetition = this.env.scheduler.after(interval, () => {
      if (!this.#data) return
      const silent = this.state === 'calling'
      const refusal = silent ? refusalOf(this.env, this.flow, this.request.method, interval) : undefined
      if (refusal) return this.#fail(refusal)
      this.#send(this.#data)
      this.#repeatAfter(this.nextInterval(interval))
    })
  }
}
