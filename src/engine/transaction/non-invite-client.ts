/** Non-INVITE client transaction: RFC 3261 §17.1.2. */
import type { SipResponse } from '../message/sip-message.js'
import { ClientMachine } from './client-machine.js'

export class NonInviteClientTransaction extends ClientMachine {
  receive(response: SipResponse): void {
    if (this.state !== 'calling' && this.state !== 'proceeding') return
    // Timer K absorbs repeated answers.
    if (response.status >= 200) return this.complete(response, this.env.timing.t4)
    this.state = 'proceeding'
    this.user.onResponse(response)
  }

  protected nextInterval(interval: number): number {
    // §17.1.2.2: T2 from the moment a provisional response has come.
    const { t2 } = this.env.timing
    return this.state === 'proceeding' ? t2 : Math.min(interval * 2, t2)
  }
}
