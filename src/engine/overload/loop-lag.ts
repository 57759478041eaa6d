/** How late the event loop is: what every stream connection waits until its bytes are read. ms */

/** Weight of the newest value: two or three of them decide. */
const newest = 0.4

export class LoopLag {
  #last: number | undefined
  #lag = 0

  constructor(private readonly intervalMs: number) {}

  /** Called by a timer every `intervalMs`. */
  tick(now: number): void {
    const late = this.#last === undefined ? 0 : Math.max(0, now - this.#last - this.intervalMs)
    this.#last = now
    this.#lag += newest * (late - this.#lag)
  }

  get delay(): number {
    return this.#lag
  }
}
