/** Non-INVITE client transaction: RFC 3261 §17.1.2. */
import type { SipRequest, SipResponse } from '../message/sip-message.js'
import { isReliable, type Flow } from '../transport/transport.js'
import type { Timer } from './timers.js'
import { refusalOf } from './silent-peer.js'
import type { ClientTransactionUser, TransactionEnvironment } from './transaction.js'

type State = 'trying' | 'proceeding' | 'completed' | 'terminated'

export class NonInviteClientTransaction {
  state: State = 'trying'
  #data: Buffer | undefined
  #timerE: Timer | undefined
  /** F or K. */
  #ending: Timer | undefined

  constructor(
    private readonly env: TransactionEnvironment,
    private readonly flow: Flow,
    private readonly request: SipRequest,
    private readonly user: ClientTransactionUser,
  ) {}

  start(): void {
    this.#data = this.request.serialize()
    this.#ending = this.env.scheduler.after(64 * this.env.timing.t1, () => {
      this.user.onTimeout()
      this.terminate()
    })
    if (!isReliable(this.flow.transport)) this.#retransmitAfter(this.env.timing.t1)
    this.env.send(this.flow, this.#data, (error) => this.#fail(error))
  }

  receive(response: SipResponse): void {
    if (this.state !== 'trying' && this.state !== 'proceeding') return
    if (response.status < 200) {
      this.state = 'proceeding'
      this.user.onResponse(response)
      return
    }
    this.state = 'completed'
    this.#timerE?.cancel()
    this.#ending?.cancel()
    this.#data = undefined
    this.user.onResponse(response)
    // Timer K absorbs retransmitted responses; there are none on a reliable transport.
    if (isReliable(this.flow.transport)) return this.terminate()
    this.#ending = this.env.scheduler.after(this.env.timing.t4, () => this.terminate())
  }

  terminate(): void {
    if (this.state === 'terminated') return
    this.state = 'terminated'
    this.#timerE?.cancel()
    this.#ending?.cancel()
    this.#data = undefined
    this.user.onTerminated()
  }

  /** The stream connection has closed. */
  connectionLost(): void {
    this.#fail(new Error('connection closed'))
  }

  #fail(error: Error): void {
    if (this.state !== 'trying' && this.state !== 'proceeding') return
    this.user.onTransportError(error)
    this.terminate()
  }

  #retransmitAfter(interval: number): void {
    this.#timerE = this.env.scheduler.after(interval, () => {
      if ((this.state !== 'trying' && this.state !== 'proceeding') || !this.#data) return
      const refusal = this.state === 'trying' ? refusalOf(this.env, this.flow, interval) : undefined
      if (refusal) return this.#fail(refusal)
      this.env.send(this.flow, this.#data, (error) => this.#fail(error))
      // §17.1.2.2: T2 from the moment a provisional response has come.
      const next =
        this.state === 'proceeding' ? this.env.timing.t2 : Math.min(interval * 2, this.env.timing.t2)
      this.#retransmitAfter(next)
    })
  }
}
