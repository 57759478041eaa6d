/** Whether memory grows: samples after a collection of garbage, first half against second half. */

/** More growth than this between the halves is a leak, bytes; what the system has given is not soon given back. */
const most = { heap: 20 * 2 ** 20, rss: 100 * 2 ** 20 }
/** Fewer samples than this tell nothing. */
const fewest = 40

export class Memory {
  readonly #heap: number[] = []
  readonly #rss: number[] = []

  sample(): void {
    // There with --expose-gc, as `npm run fuzz` starts it.
    globalThis.gc?.()
    const { heapUsed, external, rss } = process.memoryUsage()
    this.#heap.push(heapUsed + external)
    this.#rss.push(rss)
  }

  /** Growth from the second quarter (the first is warming up) to the last, bytes; undefined: too few samples. */
  get growth(): { heap: number; rss: number } | undefined {
    if (this.#heap.length < fewest) return undefined
    return { heap: growth(this.#heap), rss: growth(this.#rss) }
  }

  get leaks(): boolean {
    const { growth } = this
    return growth !== undefined && (growth.heap > most.heap || growth.rss > most.rss)
  }
}

function growth(samples: readonly number[]): number {
  const quarter = samples.length >> 2
  return median(samples.slice(-quarter)) - median(samples.slice(quarter, 2 * quarter))
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] ?? 0
}
