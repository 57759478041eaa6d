/** Non-INVITE server transaction: RFC 3261 §17.2.2. */
import { isReliable, type Flow } from '../transport/transport.js'
import type { Timer } from './timers.js'
import type { ServerTransactionUser, TransactionEnvironment } from './transaction.js'

type State = 'trying' | 'proceeding' | 'completed' | 'terminated'

export class NonInviteServerTransaction {
  state: State = 'trying'
  #last: Buffer | undefined
  #timerJ: Timer | undefined

  constructor(
    private readonly env: TransactionEnvironment,
    /** Where responses go (§18.2.2); another one of the same transport when that is gone. */
    public flow: Flow,
    private readonly user: ServerTransactionUser,
  ) {}

  /** A response of the user, ready for the wire. False if a final one was sent already. */
  respond(status: number, data: Buffer): boolean {
    if (this.state !== 'trying' && this.state !== 'proceeding') return false
    this.#send(data)
    if (status < 200) {
      this.state = 'proceeding'
      this.#last = data
      return true
    }
    this.state = 'completed'
    // Timer J is zero on a reliable transport: there are no retransmissions to absorb.
    if (isReliable(this.flow.transport)) {
      this.terminate()
    } else {
      this.#last = data
      this.#timerJ = this.env.scheduler.after(64 * this.env.timing.t1, () => this.terminate())
    }
    return true
  }

  receiveRetransmission(): void {
    if (this.#last) this.#send(this.#last)
  }

  terminate(): void {
    if (this.state === 'terminated') return
    this.state = 'terminated'
    this.#timerJ?.cancel()
    this.#last = undefined
    this.user.onTerminated()
  }

  #send(data: Buffer): void {
    this.env.send(this.flow, data, (error) => this.user.onFailure?.(error))
  }
}
