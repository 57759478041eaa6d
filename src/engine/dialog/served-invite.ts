/**
 * An INVITE that an application answers itself, until the ACK to its 2xx: RFC 3261 §13.3.1, with the reliable
 * provisional responses of RFC 3262.
 */
import type { SipRequest, SipResponse } from '../message/sip-message.js'
import type { Incoming } from '../transaction/incoming.js'
import type { Timer } from '../transaction/timers.js'
import type { TransactionEnvironment } from '../transaction/transaction.js'
import { ReliableProvisionals, becomesReliable, tooLate, type Outcome } from './reliable.js'

/** §13.3.1.1: proxies on the way would give up a call from which nothing is heard for three minutes. */
const remindMs = 60_000

export interface ServedInviteUser {
  /** Hands a response to the transaction, with what it means to the dialog. */
  transmit(response: SipResponse): Outcome
  /** A reliable provisional response has got no PRACK: RFC 3262 §3 wants the INVITE rejected. */
  onNoPrack(): void
  /** The 2xx has got no ACK: §13.3.1.4 wants the session ended with a BYE. */
  onNoAck(): void
}

export class ServedInvite {
  #reliable: ReliableProvisionals | undefined
  /** A 2xx that waits for a PRACK. */
  #held: { response: SipResponse; onOutcome: (outcome: Outcome) => void } | undefined
  #state: 'open' | 'accepted' | 'over' = 'open'
  #repeat: Timer | undefined
  #limit: Timer | undefined
  readonly #waiting: (() => void)[] = []

  constructor(
    private readonly env: TransactionEnvironment,
    private readonly incoming: Pick<Incoming, 'id' | 'request'>,
    private readonly user: ServedInviteUser,
  ) {}

  /** The handle under which the application knows it. */
  get id(): string {
    return this.incoming.id
  }

  /** `onOutcome` is called once: now, or when what has to come first has come. */
  respond(response: SipResponse, onOutcome: (outcome: Outcome) => void): void {
    const { status } = response
    if (this.#state !== 'open' || (this.#held && status >= 200)) return onOutcome(tooLate)
    if (status >= 300) {
      onOutcome(this.user.transmit(response))
    } else if (status >= 200) {
      if (this.#reliable?.blocksAnswer) this.#held = { response, onOutcome }
      else this.#accept(response, onOutcome)
    } else if (status > 100 && becomesReliable(this.incoming.request, response)) {
      this.#reliable ??= new ReliableProvisionals(
        this.env,
        this.incoming.request,
        (one) => this.user.transmit(one),
        () => this.user.onNoPrack(),
      )
      this.#reliable.send(response, onOutcome)
    } else {
      onOutcome(this.user.transmit(response))
      if (status > 100) this.#remind(response)
    }
  }

  /** Undefined if it means no response of this INVITE; else to be called when the PRACK was handed up. */
  receivePrack(prack: SipRequest): (() => void) | undefined {
    const release = this.#reliable?.acknowledge(prack)
    return (
      release &&
      (() => {
        release()
        const held = this.#held
        if (!held || this.#reliable?.blocksAnswer) return
        this.#held = undefined
        this.#accept(held.response, held.onOutcome)
      })
    )
  }

  /** False if it is not the first ACK to our 2xx. */
  receiveAck(ack: SipRequest): boolean {
    if (this.#state !== 'accepted' || ack.cseq.seq !== this.incoming.request.cseq.seq) return false
    this.end()
    return true
  }

  /** The 2xx is out, and its ACK has not come yet. */
  get awaitsAck(): boolean {
    return this.#state === 'accepted'
  }

  /** Calls back when no ACK is missing (any more): now, with the ACK, or when there is nothing to wait for. */
  afterAck(run: () => void): void {
    if (this.awaitsAck) this.#waiting.push(run)
    else run()
  }

  /** A reliable provisional response has not been acknowledged. */
  get awaitsPrack(): boolean {
    return this.#reliable?.awaitsPrack ?? false
  }

  /** Nothing is to be sent any more: it is refused, given up, acknowledged, or its dialog has ended. */
  end(): void {
    this.#state = 'over'
    this.#repeat?.cancel()
    this.#limit?.cancel()
    this.#reliable?.stop()
    this.#held?.onOutcome(tooLate)
    this.#held = undefined
    for (const run of this.#waiting.splice(0)) run()
  }

  #accept(response: SipResponse, onOutcome: (outcome: Outcome) => void): void {
    const outcome = this.user.transmit(response)
    if ('sent' in outcome && this.#state === 'open') {
      this.#state = 'accepted'
      this.#reliable?.stop()
      this.#repeatAfter(response, this.env.timing.t1)
      this.#limit = this.env.scheduler.after(64 * this.env.timing.t1, () => {
        this.end()
        this.user.onNoAck()
      })
    }
    onOutcome(outcome)
  }

  /** §13.3.1.4: on every transport, since a proxy on the way may go on over UDP. */
  #repeatAfter(response: SipResponse, interval: number): void {
    this.#repeat?.cancel()
    this.#repeat = this.env.scheduler.after(interval, () => {
      this.user.transmit(response)
      this.#repeatAfter(response, Math.min(interval * 2, this.env.timing.t2))
    })
  }

  #remind(response: SipResponse): void {
    this.#repeat?.cancel()
    if (this.#state !== 'open') return
    this.#repeat = this.env.scheduler.after(remindMs, () => {
      this.user.transmit(response)
      this.#remind(response)
    })
  }
}
