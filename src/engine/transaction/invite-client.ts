/** INVITE client transaction: RFC 3261 §17.1.1 with the Accepted state of RFC 6026 §7.2. */
import { SipRequest, type SipResponse } from '../message/sip-message.js'
import { isReliable, type Flow } from '../transport/transport.js'
import type { Timer } from './timers.js'
import { refusalOf } from './silent-peer.js'
import type { ClientTransactionUser, TransactionEnvironment } from './transaction.js'

type State = 'calling' | 'proceeding' | 'accepted' | 'completed' | 'terminated'

/** Timer D: at least 32 s on unreliable transports, whatever T1 is. */
const timerD = 32_000

export class InviteClientTransaction {
  state: State = 'calling'
  #data: Buffer | undefined
  #ack: Buffer | undefined
  #timerA: Timer | undefined
  /** B, D or M: the one that ends the present state. */
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
    const { status } = response
    if (status < 200) {
      if (this.state === 'calling') {
        this.state = 'proceeding'
        this.#timerA?.cancel()
        this.#ending?.cancel()
        this.#data = undefined
      }
      if (this.state === 'proceeding') this.user.onResponse(response)
      return
    }
    if (status < 300) {
      if (this.state === 'calling' || this.state === 'proceeding') {
        this.state = 'accepted'
        this.#timerA?.cancel()
        this.#ending?.cancel()
        this.#data = undefined
        this.#ending = this.env.scheduler.after(64 * this.env.timing.t1, () => this.terminate())
      }
      if (this.state === 'accepted') this.user.onResponse(response)
      return
    }
    if (this.state === 'completed') {
      if (this.#ack) this.env.send(this.flow, this.#ack)
      return
    }
    if (this.state !== 'calling' && this.state !== 'proceeding') return
    this.state = 'completed'
    this.#timerA?.cancel()
    this.#ending?.cancel()
    this.#data = undefined
    this.#ack = ackFor(this.request, response).serialize()
    this.env.send(this.flow, this.#ack)
    this.user.onResponse(response)
    if (isReliable(this.flow.transport)) return this.terminate()
    this.#ending = this.env.scheduler.after(timerD, () => this.terminate())
  }

  terminate(): void {
    if (this.state === 'terminated') return
    this.state = 'terminated'
    this.#timerA?.cancel()
    this.#ending?.cancel()
    this.#data = undefined
    this.#ack = undefined
    this.user.onTerminated()
  }

  /** The stream connection has closed. */
  connectionLost(): void {
    this.#fail(new Error('connection closed'))
  }

  #fail(error: Error): void {
    // Once the peer has answered, a late send error says nothing about the call.
    if (this.state !== 'calling') return
    this.user.onTransportError(error)
    this.terminate()
  }

  #retransmitAfter(interval: number): void {
    this.#timerA = this.env.scheduler.after(interval, () => {
      if (this.state !== 'calling' || !this.#data) return
      const refusal = refusalOf(this.env, this.flow, interval)
      if (refusal) return this.#fail(refusal)
      this.env.send(this.flow, this.#data, (error) => this.#fail(error))
      this.#retransmitAfter(interval * 2)
    })
  }
}

/** ACK to a 300-699 response: RFC 3261 §17.1.1.3. */
export function ackFor(invite: SipRequest, response: SipResponse): SipRequest {
  const ack = new SipRequest('ACK', invite.uri)
  const via = invite.lines('via')[0]
  if (via !== undefined) ack.append('via', via)
  ack.append('max-forwards', '70')
  for (const route of invite.lines('route')) ack.append('route', route)
  ack.append('from', invite.get('from') ?? '')
  ack.append('to', response.get('to') ?? invite.get('to') ?? '')
  ack.append('call-id', invite.callId)
  ack.append('cseq', `${invite.cseq.seq} ACK`)
  return ack
}
