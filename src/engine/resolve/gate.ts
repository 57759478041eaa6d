/** Too many wait already: the task was not run. */
export class GateFull extends Error {}

/** Lets a bounded number of tasks run at once, and a bounded number wait. */
export class Gate {
  #running = 0
  readonly #waiting: (() => void)[] = []

  constructor(
    private readonly atOnce: number,
    private readonly maxWaiting: number,
  ) {}

  /** Rejects as the task does, or with GateFull. */
  async run<Result>(task: () => Promise<Result>): Promise<Result> {
    if (this.#running < this.atOnce) this.#running++
    else if (this.#waiting.length >= this.maxWaiting) throw new GateFull('too many look-ups are under way')
    // Whoever leaves hands its place over.
    else await new Promise<void>((enter) => this.#waiting.push(enter))
    try {
      return await task()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#running--
    }
  }
}
