/** Time that passes only when the test says so. */
import type { Scheduler, Timer } from '../../src/engine/transaction/timers.js'

interface Entry {
  at: number
  run: () => void
  live: boolean
}

export class FakeClock implements Scheduler {
  #now = 0
  #entries: Entry[] = []

  now(): number {
    return this.#now
  }

  after(delayMs: number, run: () => void): Timer {
    const entry = { at: this.#now + delayMs, run, live: true }
    this.#entries.push(entry)
    return { cancel: () => (entry.live = false) }
  }

  /** Lets time pass; timers run in the order of their times, those that they start as well. */
  advance(ms: number): void {
    const until = this.#now + ms
    for (;;) {
      this.#entries = this.#entries.filter((entry) => entry.live)
      const next = this.#entries.filter((entry) => entry.at <= until).sort((a, b) => a.at - b.at)[0]
      if (!next) break
      this.#now = next.at
      next.live = false
      next.run()
    }
    this.#now = until
  }

  /** Timers that still wait. */
  get pending(): number {
    return this.#entries.filter((entry) => entry.live).length
  }
}
