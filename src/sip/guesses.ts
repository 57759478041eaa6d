/**
 * Slows down the guessing of passwords: who was wrong too often for one username is not listened to for a while. Counted
 * per source address and username, so that neither others behind the same NAT nor the same user elsewhere are shut
 * out. Whether the username exists plays no part. See docs/decisions/authentication.md.
 */
export interface Guesses {
  /** True while that address gets no answer to be judged for that username, right ones included. */
  isClosed(address: string, username: string): boolean
  /** Counts a wrong answer. True if it was the one too many. */
  wrong(address: string, username: string): boolean
}

/** `count` wrong answers until `until`, ms since the epoch; from the last allowed one on, closed until then. */
interface Counted {
  count: number
  until: number
}

/**
 * `limit` wrong answers within `windowMs` from the first close a pair for `windowMs` from the last. Memory is bounded:
 * above `maxPairs` those that were wrong longest ago are forgotten.
 */
export function createGuesses(options: {
  now: () => number
  limit?: number
  windowMs?: number
  maxPairs?: number
}): Guesses {
  const { now, limit = 10, windowMs = 60_000, maxPairs = 2 ** 16 } = options
  /** The one that was wrong last stands last. */
  const pairs = new Map<string, Counted>()

  return {
    isClosed(address, username) {
      const known = pairs.get(pairKey(address, username))
      return known !== undefined && known.count >= limit && now() < known.until
    },

    wrong(address, username) {
      const key = pairKey(address, username)
      const known = pairs.get(key)
      const counted =
        known && now() < known.until
          ? { count: known.count + 1, until: known.until }
          : { count: 1, until: now() + windowMs }
      if (counted.count >= limit) counted.until = now() + windowMs
      pairs.delete(key)
      pairs.set(key, counted)
      const [oldest] = pairs.size > maxPairs ? pairs.keys() : []
      if (oldest !== undefined) pairs.delete(oldest)
      return counted.count === limit
    },
  }
}

/** Names longer than any account's are as good as one. */
const MAX_NAME = 64

/** One text for a source address and a username. */
export function pairKey(address: string, username: string): string {
  return `${address} ${username.slice(0, MAX_NAME)}`
}
