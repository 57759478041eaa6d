/**
 * One line of requests that were handed to the applications and have had no reaction yet: how long somebody who joins
 * it now will wait longer than it takes with nobody before him. Times in ms, on whatever clock the caller uses.
 */

/** A place in the line; given back when the application has reacted in whatever way. */
export interface Place {
  readonly since: number
  /** Nobody to speak of was before it: what it waits is the application's own time for one request. */
  readonly alone: boolean
}

/** A verdict needs so many reactions, or so many missing ones, or it would be about one slow request. */
const fewestReactions = 10
/** With no more than so many before it a request counts as alone. */
const aloneBehind = 3
/** Weight of the newest window in the rate, and of the newest lone request in the base. */
const newest = 0.3
const newestAlone = 0.1

export class WaitingLine {
  /** In the order of arrival: the first has waited longest. */
  readonly #places = new Set<Place>()
  #windowStart: number | undefined
  #reactions = 0
  #shortest = Infinity
  /** The shortest wait in the last window: what a standing queue costs everybody (CoDel, RFC 8289 §3.1). */
  #standing = 0
  /** Reactions per ms. */
  #rate = 0
  /** What one request takes with nobody before it; an application that asks others may take seconds. */
  #base: number | undefined

  get length(): number {
    return this.#places.size
  }

  enter(now: number): Place {
    const place = { since: now, alone: this.#places.size <= aloneBehind }
    this.#places.add(place)
    return place
  }

  leave(place: Place, now: number): void {
    if (!this.#places.delete(place)) return
    const waited = now - place.since
    this.#reactions++
    if (waited < this.#shortest) this.#shortest = waited
    if (place.alone) {
      const base = (this.#base ??= waited)
      this.#base = base + newestAlone * (waited - base)
    }
  }

  /** Ends the present window if it tells something. To be called every 50 to 100 ms. */
  measure(now: number): void {
    const lasted = now - (this.#windowStart ??= now)
    if (lasted <= 0) return
    const expected = this.#rate * lasted
    if (Math.max(this.#reactions, expected) >= fewestReactions && this.length > 0) {
      const none = this.#reactions === 0
      this.#standing = none ? this.#oldestWait(now) : this.#shortest
      const rate = this.#reactions / lasted
      this.#rate = this.#rate === 0 ? rate : this.#rate + newest * (rate - this.#rate)
      if (!none) this.#base = Math.min(this.#base ?? this.#shortest, this.#shortest)
    } else if (this.length === 0) {
      if (this.#reactions >= fewestReactions) this.#rate = Math.max(this.#rate, this.#reactions / lasted)
      this.#standing = 0
    } else {
      // Too little to judge by: the window goes on.
      return
    }
    this.#windowStart = now
    this.#reactions = 0
    this.#shortest = Infinity
  }

  /**
   * The wait that a newcomer has to expect beyond the application's own time. Both must speak for a queue: the last
   * window, in which nobody was served at once, and the number of those who wait now at the rate at which they leave.
   */
  get delay(): number {
    // Before the first reaction nothing is known of this application.
    if (this.#base === undefined || this.#rate === 0) return 0
    return Math.max(0, Math.min(this.#standing, this.length / this.#rate) - this.#base)
  }

  #oldestWait(now: number): number {
    for (const { since } of this.#places) return now - since
    return 0
  }
}
