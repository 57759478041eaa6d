/** INVITE client transaction: RFC 3261 §17.1.1 with the Accepted state of RFC 6026 §7.2. */
import { SipRequest, type SipResponse } from '../message/sip-message.js'
import { ClientMachine } from './client-machine.js'

/** Timer D: at least 32 s on unreliable transports, whatever T1 is. */
const timerD = 32_000

export class InviteClientTransaction extends ClientMachine {
  #ack: Buffer | undefined

  receive(response: SipResponse): void {
    const { status } = response
    const undecided = this.state === 'calling' || this.state === 'proceeding'
    if (status < 200) {
      if (this.state === 'calling') {
        this.state = 'proceeding'
        this.settle()
      }
      if (undecided) this.user.onResponse(response)
    } else if (status < 300) {
      if (undecided) {
        this.state = 'accepted'
        // Timer M.
        this.settle(64 * this.env.timing.t1)
      }
      if (this.state === 'accepted') this.user.onResponse(response)
    } else if (undecided) {
      this.#ack = ackFor(this.request, response).serialize()
      this.env.send(this.flow, this.#ack)
      this.complete(response, timerD)
    } else if (this.state === 'completed' && this.#ack) {
      this.env.send(this.flow, this.#ack)
    }
  }

  protected nextInterval(interval: number): number {
    return interval * 2
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
