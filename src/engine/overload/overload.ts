/**
 * Overload control (RFC 6357, RFC 7339 §5): which new requests are turned away so that the others are served in time.
 * Waiting times are measured, not lengths of queues: that of what arrives, and that of what an application was given.
 * Pure: time and chance come in as arguments, nothing is sent. docs/decisions/overload.md tells why it is like this.
 */
import { Lately } from './lately.js'
import { WaitingLine, type Place } from './line.js'
import { LoopLag } from './loop-lag.js'
import { Sources } from './sources.js'

export interface OverloadLimits {
  /** The wait at which the first of the least important requests are turned away, ms; each rank above bears more. */
  delayMs: number
  /** Fewer new requests per second than this are no load: the machine is slow for another reason. */
  fewestPerSecond: number
  /** Fewer requests than this with the applications are no queue. */
  fewestWaiting: number
  /** Most requests that wait for a first reaction of the applications; above, every new one is refused. */
  maxWaiting: number
  /** As many new requests per second from one address make it one that sends much. */
  muchPerSecond: number
}

export const defaultOverloadLimits: OverloadLimits = {
  delayMs: 80,
  fewestPerSecond: 50,
  fewestWaiting: 50,
  maxWaiting: 10_000,
  muchPerSecond: 20,
}

/**
 * `input`: the engine can't keep up; `application`: the applications can't; `waiting`: too many wait for them;
 * `repeated`: a copy of one that was refused; `stale`: a copy that was sent before the refusal can have arrived. It
 * needs no answer of its own.
 */
export type RefusalReason = 'input' | 'application' | 'waiting' | 'repeated' | 'stale'

export interface OverloadStats {
  refused: Record<RefusalReason, number>
  /** ms. */
  inputDelay: number
  applicationDelay: number
  waiting: number
}

/** A new request as far as this decision needs it. */
export interface Newcomer {
  method: string
  callId: string
  /** Carries Authorization or Proxy-Authorization. */
  hasCredentials: boolean
  /** An emergency call (RFC 5031). */
  emergency: boolean
  address: string
}

/** Told once when requests begin to be refused, and once when that is over: one line each in the log. */
export interface OverloadLog {
  begun(stats: OverloadStats): void
  over(seconds: number, refused: Record<RefusalReason, number>): void
}

/** What each rank bears more than the one below. */
const patience = 1.5
/** How often `tick` wants to be called, ms. */
export const tickMs = 50
/** Weight of the newest tick in the rate of arrivals: half a second or so decides. */
const smoothing = tickMs / 500
/** Input that waits is no overload before it has lasted so long, ms: a pause of the machine passes by itself. */
const inputPatienceMs = 300
/** Nothing refused for so long: the overload is over, ms. */
const calmAfter = 5000
/** Requests that can be turned away for a share; all others only by `maxWaiting`. */
const sheddable = new Set(['INVITE', 'REGISTER', 'SUBSCRIBE', 'PUBLISH', 'MESSAGE'])

export class Overload {
  readonly #limits: OverloadLimits
  /** By method and credentials: the second leg waits for the database, the first one does not. */
  readonly #lines = new Map<string, WaitingLine>()
  readonly #lag = new LoopLag(tickMs)
  readonly #sources = new Sources()
  /**
   * Transactions that were turned away. Copies of a request may wait in the queue: were one of them let in, a phone would
   * ring for a caller that has gone, and the caller's ACK to the refusal would meet a living transaction.
   */
  readonly #refusedLately = new Lately()
  /** Call-IDs of those that were let in without credentials: their second leg must not make the first one useless. */
  readonly #begunLately = new Lately()
  readonly #refused: Record<RefusalReason, number> = {
    input: 0,
    application: 0,
    waiting: 0,
    repeated: 0,
    stale: 0,
  }
  #waiting = 0
  #arrived = 0
  /** Newcomers per second, over the last second or so. */
  #arrivalRate = 0
  #inputDelay = 0
  /** Since when it has been more than bearable. */
  #inputWaitsSince: number | undefined
  /** Shedding since, and what was refused before it; undefined while nothing is refused. */
  #shedding: { since: number; before: Record<RefusalReason, number> } | undefined
  #lastRefusal = -Infinity

  constructor(
    limits: Partial<OverloadLimits>,
    private readonly random: () => number,
    private readonly log: OverloadLog,
  ) {
    this.#limits = { ...defaultOverloadLimits, ...limits }
  }

  /**
   * Whether a request that would open a new transaction is turned away, and why; undefined lets it in. A copy of one
   * that was turned away is turned away again. `key` names the transaction.
   */
  refuses(newcomer: Newcomer, key: string, now: number): RefusalReason | undefined {
    this.#arrived++
    const reason = this.#copy(key, now) ?? this.#judge(newcomer, now)
    if (reason === undefined) {
      const { callId, hasCredentials } = newcomer
      // Once: invented credentials shall not ride on one first leg for half a minute.
      if (hasCredentials) this.#begunLately.delete(callId)
      else this.#begunLately.add(callId, now)
      return undefined
    }
    this.#refused[reason]++
    if (reason !== 'stale') this.#refusedLately.add(key, now)
    this.#lastRefusal = now
    if (!this.#shedding) {
      const before = { ...this.#refused }
      before[reason]--
      this.#shedding = { since: now, before }
      this.log.begun(this.stats)
    }
    return reason
  }

  /** A request was handed to an application. `leave` is called at its first reaction, or when it is given up. */
  enter(method: string, hasCredentials: boolean, now: number): { leave(now: number): void } {
    const name = hasCredentials ? `${method} with credentials` : method
    let line = this.#lines.get(name)
    if (!line) this.#lines.set(name, (line = this.#newLine()))
    this.#waiting++
    return new Wait(line, line.enter(now), () => this.#waiting--)
  }

  /** Measures; to be called every `tickMs`. @param inputDelay what the transports know of waiting input, ms */
  tick(now: number, inputDelay: number): void {
    this.#lag.tick(now)
    this.#inputDelay = Math.max(this.#lag.delay, inputDelay)
    if (this.#inputDelay <= this.#limits.delayMs) this.#inputWaitsSince = undefined
    else this.#inputWaitsSince ??= now
    this.#arrivalRate += smoothing * (this.#arrived * (1000 / tickMs) - this.#arrivalRate)
    this.#arrived = 0
    for (const line of this.#lines.values()) line.measure(now)
    const shedding = this.#shedding
    if (shedding && now - this.#lastRefusal > calmAfter) {
      this.#shedding = undefined
      const refused = { ...this.#refused }
      for (const reason of reasons) refused[reason] -= shedding.before[reason]
      this.log.over((this.#lastRefusal - shedding.since) / 1000, refused)
    }
  }

  get stats(): OverloadStats {
    let applicationDelay = 0
    for (const line of this.#lines.values()) applicationDelay = Math.max(applicationDelay, line.delay)
    return {
      refused: { ...this.#refused },
      inputDelay: Math.round(this.#inputDelay),
      applicationDelay: Math.round(applicationDelay),
      waiting: this.#waiting,
    }
  }

  #judge(newcomer: Newcomer, now: number): RefusalReason | undefined {
    if (this.#waiting >= this.#limits.maxWaiting) return 'waiting'
    if (!sheddable.has(newcomer.method)) return undefined
    const input = this.#inputWaits(now) ? this.#inputDelay : 0
    const application = this.#applicationDelay(newcomer.method)
    const delay = Math.max(input, application)
    if (delay <= this.#limits.delayMs) return undefined
    const bearable = this.#limits.delayMs * patience ** this.#rank(newcomer, now)
    if (this.random() >= shareToRefuse(delay, bearable)) return undefined
    return input > application ? 'input' : 'application'
  }

  /** What arrives now was sent before the queue that it has waited in. */
  #copy(key: string, now: number): RefusalReason | undefined {
    const since = this.#refusedLately.since(key, now)
    if (since === undefined) return undefined
    return since < this.#inputDelay ? 'stale' : 'repeated'
  }

  /** Once requests are being refused, a queue that comes back is believed at once. */
  #inputWaits(now: number): boolean {
    if (this.#arrivalRate < this.#limits.fewestPerSecond || this.#inputWaitsSince === undefined) return false
    return this.#shedding !== undefined || now - this.#inputWaitsSince >= inputPatienceMs
  }

  /** How important it is, 0 being the least. */
  #rank({ address, hasCredentials, callId, emergency }: Newcomer, now: number): number {
    const much = this.#sources.count(address, now) > this.#limits.muchPerSecond
    let rank = much ? 0 : 1
    if (hasCredentials) rank += this.#begunLately.since(callId, now) === undefined ? 1 : 5
    return emergency ? rank + 2 : rank
  }

  /** A first leg that is let in becomes a second one: the longer of the two lines counts. */
  #applicationDelay(method: string): number {
    const first = this.#lines.get(method)
    const second = this.#lines.get(`${method} with credentials`)
    return Math.max(first?.delay ?? 0, second?.delay ?? 0)
  }

  #newLine(): WaitingLine {
    return new WaitingLine({ bearableMs: this.#limits.delayMs, fewest: this.#limits.fewestWaiting })
  }
}

const reasons: readonly RefusalReason[] = ['input', 'application', 'waiting', 'repeated', 'stale']

/** None up to `bearable`, all from where the next rank begins to be refused, and evenly more between. */
export function shareToRefuse(delay: number, bearable: number): number {
  return Math.min(1, Math.max(0, (delay - bearable) / (bearable * (patience - 1))))
}

class Wait {
  #over = false

  constructor(
    private readonly line: WaitingLine,
    private readonly place: Place,
    private readonly onOver: () => void,
  ) {}

  /** Idempotent. */
  leave(now: number): void {
    if (this.#over) return
    this.#over = true
    this.line.leave(this.place, now)
    this.onOver()
  }
}
