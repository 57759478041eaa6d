/** INVITE server transaction: RFC 3261 §17.2.1 with the Accepted state of RFC 6026 §7.1. */
import { isReliable, type Flow } from '../transport/transport.js'
import type { Timer } from './timers.js'
import type { ServerTransactionUser, TransactionEnvironment } from './transaction.js'

type State = 'proceeding' | 'accepted' | 'completed' | 'confirmed' | 'terminated'

/**
 * How often timer G repeats a failure for a sender whose address may be forged. Once it has heard 100 an honest one
 * does not repeat its INVITE any more, so one answer alone may be lost; eleven would be worth forging an address for.
 */
const repeatsForStrangers = 2

export class InviteServerTransaction {
  state: State = 'proceeding'
  /** The last provisional or the final response, for retransmissions of the request. */
  #last: Buffer | undefined
  #timerG: Timer | undefined
  /** H, I or L: the one that ends the present state. */
  #ending: Timer | undefined

  constructor(
    private readonly env: TransactionEnvironment,
    /** Where responses go (§18.2.2); another one of the same transport when that is gone. */
    public flow: Flow,
    private readonly user: ServerTransactionUser,
  ) {}

  /**
   * A response of the user, ready for the wire. False if this transaction can't take it any more. `repeat` false: a
   * final failure is sent again for a repeated INVITE only, not by timer G, since the client repeats that until it
   * hears anything; after a provisional response, by timer G a few times.
   */
  respond(status: number, data: Buffer, repeat = true): boolean {
    if (status < 200) {
      if (this.state !== 'proceeding') return false
      this.#last = data
      this.#send(data)
      return true
    }
    if (status < 300) {
      // RFC 6026 §7.1: further 2xx (forks, retransmissions of the callee) pass through in Accepted.
      if (this.state !== 'proceeding' && this.state !== 'accepted') return false
      if (this.state === 'proceeding') {
        this.state = 'accepted'
        this.#last = undefined
        this.#ending = this.env.scheduler.after(64 * this.env.timing.t1, () => this.terminate())
      }
      this.#send(data)
      return true
    }
    if (this.state !== 'proceeding') return false
    this.state = 'completed'
    const repeats = repeat ? Infinity : this.#last === undefined ? 0 : repeatsForStrangers
    this.#last = data
    this.#ending = this.env.scheduler.after(64 * this.env.timing.t1, () => {
      this.user.onFailure?.(new Error('no ACK for the final response (timer H)'))
      this.terminate()
    })
    if (!isReliable(this.flow.transport)) this.#retransmitAfter(this.env.timing.t1, repeats)
    this.#send(data)
    return true
  }

  /** The INVITE again. */
  receiveRetransmission(): void {
    // Accepted absorbs it: the 2xx is retransmitted end to end by the UAS core (RFC 6026 §7.1).
    if ((this.state === 'proceeding' || this.state === 'completed') && this.#last) this.#send(this.#last)
  }

  /** ACK to a 300-699 response. */
  receiveAck(): void {
    if (this.state !== 'completed') return
    this.state = 'confirmed'
    this.#timerG?.cancel()
    this.#ending?.cancel()
    this.#last = undefined
    if (isReliable(this.flow.transport)) return this.terminate()
    this.#ending = this.env.scheduler.after(this.env.timing.t4, () => this.terminate())
  }

  terminate(): void {
    if (this.state === 'terminated') return
    this.state = 'terminated'
    this.#timerG?.cancel()
    this.#ending?.cancel()
    this.#last = undefined
    this.user.onTerminated()
  }

  #retransmitAfter(interval: number, times: number): void {
    if (times === 0) return
    this.#timerG = this.env.scheduler.after(interval, () => {
      if (this.state !== 'completed' || !this.#last) return
      this.#send(this.#last)
      this.#retransmitAfter(Math.min(interval * 2, this.env.timing.t2), times - 1)
    })
  }

  #send(data: Buffer): void {
    this.env.send(this.flow, data, (error) => this.user.onFailure?.(error))
  }
}
