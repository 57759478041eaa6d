/**
 * Time for the transaction machines. Hundreds of thousands of timers are alive under load and nearly all are
 * cancelled or fire together, so they live in coarse buckets: adding and cancelling cost O(1), nothing is sorted.
 */

export interface Timer {
  /** Idempotent. */
  cancel(): void
}

export interface Scheduler {
  /** Milliseconds, monotonic enough for protocol timers. */
  now(): number
  /** Runs once, not before `delayMs` have passed. */
  after(delayMs: number, run: () => void): Timer
}

/** RFC 3261 §17, table 4 (Appendix A), and §16.6 step 11 for timer C. All in ms. */
export interface Timing {
  t1: number
  t2: number
  t4: number
  /** Timer C: more than three minutes. */
  timerC: number
}

export const defaultTiming: Timing = { t1: 500, t2: 4000, t4: 5000, timerC: 185_000 }

/** Width of a bucket, ms: far below T1, so that retransmission intervals keep their shape. */
const tickMs = 20

class WheelTimer implements Timer {
  constructor(public run: (() => void) | undefined) {}
  cancel(): void {
    // The entry stays in its bucket until its time; the closure, and what it holds, goes now.
    this.run = undefined
  }
}

export class TimerWheel implements Scheduler {
  readonly #buckets = new Map<number, WheelTimer[]>()
  readonly #start = performance.now()
  readonly #onError: (error: unknown) => void
  #lastTick = 0
  #interval: NodeJS.Timeout | undefined

  /** `onError` is told what a timer's callback threw; the other timers go on. */
  constructor(onError: (error: unknown) => void = () => {}) {
    this.#onError = onError
  }

  now(): number {
    return performance.now() - this.#start
  }

  after(delayMs: number, run: () => void): Timer {
    const timer = new WheelTimer(run)
    if (this.#interval === undefined) {
      this.#lastTick = Math.floor(this.now() / tickMs)
      this.#interval = setInterval(() => this.#advance(), tickMs)
    }
    const due = Math.max(this.#lastTick + 1, Math.ceil((this.now() + delayMs) / tickMs))
    const bucket = this.#buckets.get(due)
    if (bucket) bucket.push(timer)
    else this.#buckets.set(due, [timer])
    return timer
  }

  stop(): void {
    if (this.#interval) clearInterval(this.#interval)
    this.#interval = undefined
    this.#buckets.clear()
  }

  #advance(): void {
    const tick = Math.floor(this.now() / tickMs)
    while (this.#lastTick < tick) {
      const due = ++this.#lastTick
      const bucket = this.#buckets.get(due)
      if (!bucket) continue
      this.#buckets.delete(due)
      for (const timer of bucket) {
        const { run } = timer
        if (!run) continue
        timer.run = undefined
        try {
          run()
        } catch (error) {
          this.#onError(error)
        }
      }
    }
    if (this.#buckets.size === 0) this.stop()
  }
}
