/** A set that forgets: each key after its time, and the oldest when it is full. */
import type { Scheduler } from '../transaction/timers.js'

export class Recent {
  /** When each key is forgotten, scheduler time. */
  readonly #until = new Map<string, number>()

  constructor(
    private readonly scheduler: Scheduler,
    private readonly size: number,
  ) {}

  add(key: string, forMs: number): void {
    this.#until.delete(key)
    this.#until.set(key, this.scheduler.now() + forMs)
    if (this.#until.size <= this.size) return
    const [oldest] = this.#until.keys()
    if (oldest !== undefined) this.#until.delete(oldest)
  }

  has(key: string): boolean {
    const until = this.#until.get(key)
    if (until === undefined) return false
    if (until > this.scheduler.now()) return true
    this.#until.delete(key)
    return false
  }

  delete(key: string): void {
    this.#until.delete(key)
  }
}
