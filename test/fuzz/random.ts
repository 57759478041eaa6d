/** Chance that can be repeated: the same seed gives the same numbers (mulberry32). */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** 0 <= x < 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number from 0 to `limit` - 1; 0 if there is none. */
  below(limit: number): number {
    return Math.floor(this.next() * limit)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<T>(among: readonly T[]): T {
    const picked = among[this.below(among.length)]
    if (picked === undefined) throw new Error('nothing to pick from')
    return picked
  }

  /** Letters and digits, for branches, tags and Call-IDs. */
  word(length = 10): string {
    let word = ''
    while (word.length < length) word += this.next().toString(36).slice(2)
    return word.slice(0, length)
  }

  /** Positions in order, fewer than `most`, to cut so many bytes at. */
  cuts(length: number, most: number): number[] {
    return Array.from({ length: this.below(most) }, () => this.below(length + 1)).sort((a, b) => a - b)
  }
}

/** The pieces; they may be empty. */
export function cut(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  return [...cuts, bytes.length].map((to, index) => bytes.subarray(cuts[index - 1] ?? 0, to))
}
