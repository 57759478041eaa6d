/**
 * Slows down guessing of passwords. Attempts are counted per name *and* address: who guesses `admin` from elsewhere does
 * not lock out the real one, and colleagues behind one address do not lock out each other. The flood from one
 * address over many names is the rate limit's (plugins/rate-limit.ts).
 */

/** Attempts that cost nothing: everybody mistypes. */
const FREE_ATTEMPTS = 5
const LONGEST_WAIT_MS = 60_000
/** After so long without an attempt all is forgotten. */
const MEMORY_MS = 15 * 60_000
/** Pairs remembered; the longest untouched go first. */
const MAX_ENTRIES = 10_000

interface Entry {
  attempts: number
  lastAt: number
  notBefore: number
}

export class SignInThrottle {
  readonly #entries = new Map<string, Entry>()
  readonly #now: () => number

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  /**
   * Counts an attempt before its password is looked at, so that a hundred at once are a hundred. Returns the
   * milliseconds to wait; 0: go ahead. An attempt that has to wait is not counted.
   */
  attempt(name: string, address: string): number {
    const now = this.#now()
    const key = keyOf(name, address)
    const known = this.#entries.get(key)
    const entry = known && now - known.lastAt < MEMORY_MS ? known : { attempts: 0, lastAt: now, notBefore: 0 }
    if (entry.notBefore > now) return entry.notBefore - now
    entry.attempts += 1
    entry.lastAt = now
    const surplus = entry.attempts - FREE_ATTEMPTS
    if (surplus >= 0) entry.notBefore = now + Math.min(1000 * 2 ** surplus, LONGEST_WAIT_MS)
    // Deleted first, so that the order of the map is the order of use.
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    this.#forgetOldest()
    return 0
  }

  /** The password was right. */
  succeeded(name: string, address: string): void {
    this.#entries.delete(keyOf(name, address))
  }

  get size(): number {
    return this.#entries.size
  }

  #forgetOldest(): void {
    if (this.#entries.size <= MAX_ENTRIES) return
    const oldest = this.#entries.keys().next()
    if (!oldest.done) this.#entries.delete(oldest.value)
  }
}

const keyOf = (name: string, address: string) => `${address} ${name}`
