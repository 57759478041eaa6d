/** Provisional responses that are repeated until the caller's PRACK: RFC 3262 §3. */
import { randomInt } from 'node:crypto'
import type { SipRequest, SipResponse } from '../message/sip-message.js'
import type { Timer } from '../transaction/timers.js'
import type { TransactionEnvironment } from '../transaction/transaction.js'
import { hasOption, withoutOption } from './options.js'

/** What became of a response of the application: the bytes that went out, or why none did. */
export type Outcome = { readonly sent: Buffer } | { readonly refused: string }

export const tooLate: Outcome = { refused: 'Response not sent due to unknown transaction' }

interface Queued {
  response: SipResponse
  onOutcome: (outcome: Outcome) => void
}

/**
 * Whether a provisional response goes out reliably; the tag `100rel` in its Require is put right. A caller that
 * requires it gets it, one that doesn't support it doesn't, whatever the application has asked for.
 */
export function becomesReliable(invite: SipRequest, response: SipResponse): boolean {
  const asked = hasOption(response, 'require', '100rel')
  const required = hasOption(invite, 'require', '100rel')
  if (required && !asked) response.append('require', '100rel')
  if (required || (asked && hasOption(invite, 'supported', '100rel'))) return true
  if (asked) withoutOption(response, 'require', '100rel')
  return false
}

export class ReliableProvisionals {
  /** §3: the first is chosen at random, far enough from 2^32. */
  #rseq = randomInt(1, 2 ** 31 - 1)
  #unacknowledged: SipResponse | undefined
  readonly #queue: Queued[] = []
  #repeat: Timer | undefined
  #limit: Timer | undefined
  #stopped = false

  constructor(
    private readonly env: TransactionEnvironment,
    private readonly invite: SipRequest,
    /** Hands a response to the transaction. */
    private readonly transmit: (response: SipResponse) => Outcome,
    /** No PRACK came within 64*T1. */
    private readonly onSilence: () => void,
  ) {}

  get awaitsPrack(): boolean {
    return this.#unacknowledged !== undefined
  }

  /** §5: a 2xx has to wait for the PRACK of an answer or offer in a provisional response. */
  get blocksAnswer(): boolean {
    const waiting = [this.#unacknowledged, ...this.#queue.map(({ response }) => response)]
    return waiting.some((response) => response && response.body.length > 0)
  }

  /** §3: one at a time; the next one goes when the one before is acknowledged. */
  send(response: SipResponse, onOutcome: (outcome: Outcome) => void): void {
    if (this.#unacknowledged) this.#queue.push({ response, onOutcome })
    else this.#send({ response, onOutcome })
  }

  /**
   * A PRACK: undefined if it means nothing that waits for one. Else to be called when it was handed up: what has
   * waited for it goes out after it.
   */
  acknowledge(prack: SipRequest): (() => void) | undefined {
    const [rseq, seq, method] = (prack.get('rack') ?? '').trim().split(/[ \t]+/)
    if (!this.#unacknowledged || method !== 'INVITE') return undefined
    if (Number(rseq) !== this.#rseq || Number(seq) !== this.invite.cseq.seq) return undefined
    this.#unacknowledged = undefined
    this.#repeat?.cancel()
    this.#limit?.cancel()
    return () => {
      const next = this.#queue.shift()
      if (next) this.#send(next)
    }
  }

  /** A final response has been sent: nothing is repeated any more, but a PRACK on its way is still known. */
  stop(): void {
    this.#stopped = true
    this.#repeat?.cancel()
    this.#limit?.cancel()
    for (const { onOutcome } of this.#queue.splice(0)) onOutcome(tooLate)
  }

  #send(one: Queued): void {
    one.response.set('rseq', String(++this.#rseq))
    const outcome = this.transmit(one.response)
    one.onOutcome(outcome)
    if ('refused' in outcome || this.#stopped) return
    this.#unacknowledged = one.response
    this.#repeatAfter(this.env.timing.t1)
    this.#limit = this.env.scheduler.after(64 * this.env.timing.t1, () => {
      this.stop()
      this.onSilence()
    })
  }

  /** §3: the interval doubles without a bound. */
  #repeatAfter(interval: number): void {
    this.#repeat = this.env.scheduler.after(interval, () => {
      const response = this.#unacknowledged
      if (response && 'sent' in this.transmit(response)) this.#repeatAfter(interval * 2)
    })
  }
}
