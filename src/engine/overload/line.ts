/**
 * One line of requests that were handed to the applications and have had no reaction yet: how long somebody who joins
 * it now will wait beyond what it takes with nobody before him. Times in ms, on whatever clock the caller uses.
 *
 * A long line alone is no overload: an application that asks others before it answers has many under way, and a burst
 * passes by itself. It is one if for a while nobody at all was served as quickly as somebody who is alone; from then on
 * the length of the line, at the rate at which it moves, tells the wait without delay.
 */

/** A place in the line; given back when the application has reacted in whatever way. */
export interface Place {
  readonly since: number
  /** Nobody to speak of was before it: what it waits is the application's own time for one request. */
  readonly alone: boolean
}

export interface LineOptions {
  /** A wait up to this is no overload, ms. */
  bearableMs: number
  /** With fewer in it there is no line. */
  fewest: number
}

/** A verdict needs so many reactions, or so many missing ones, or it would be about one slow request. */
const fewestReactions = 40
/** With no more than so many before it a request counts as alone. */
const aloneBehind = 3
/** A queue that passes sooner is a burst: only slowly is it believed. */
const patienceMs = 400
/** One window alone tells no more than this, however long it was. */
const oneWindow = 0.15
/** A line that means so long a wait, and some times an application's own time, is believed after one window. */
const unbearableMs = 1000
/** Only after so long without a queue it is over: until then a new one is believed at once. */
const calmAfterMs = 2000
/** After so long the line is emptied once, to see how long the application takes by now. */
const reviseAfterMs = 10_000
/** While it is emptied the wait is told to be so much: few get in, but what has begun goes on. */
const emptyingTimes = 5
/** Weight of the newest window in the rate, and of the newest lone request in the base. */
const newest = 0.3
const newestAlone = 0.1

export class WaitingLine {
  /** In the order of arrival: the first has waited longest. */
  readonly #places = new Set<Place>()
  #windowStart: number | undefined
  #reactions = 0
  #shortest = Infinity
  /** The shortest wait in the last window beyond the base (CoDel, RFC 8289 §3.1). */
  #beyond = 0
  /** The same, as far as it has lasted. */
  #standing = 0
  /** Reactions per ms. */
  #rate = 0
  /** What one request takes with nobody before it. Unknown before the first reaction. */
  #base: number | undefined
  #congestedSince: number | undefined
  #lastQueue = 0
  #emptying = false

  constructor(private readonly options: LineOptions) {}

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
    this.#revise()
  }

  /** Ends the present window if it tells something. To be called every 50 to 100 ms. */
  measure(now: number): void {
    this.#revise()
    const lasted = now - (this.#windowStart ??= now)
    if (lasted <= 0) return
    let shortest = 0
    if (this.length > 0) {
      // Too little to judge by: the window goes on.
      if (Math.max(this.#reactions, this.#rate * lasted) < fewestReactions) return
      shortest = this.#reactions > 0 ? this.#shortest : this.#oldestWait(now)
      if (this.#base !== undefined) this.#base = Math.min(this.#base, shortest)
    }
    const rate = this.#reactions / lasted
    this.#rate = this.#rate === 0 ? rate : this.#rate + newest * (rate - this.#rate)
    this.#beyond = Math.max(0, shortest - (this.#base ?? shortest))
    this.#standing += Math.min(oneWindow, lasted / patienceMs) * (this.#beyond - this.#standing)
    this.#judge(now)
    this.#windowStart = now
    this.#reactions = 0
    this.#shortest = Infinity
  }

  /** What a newcomer has to expect; 0 while there is no overload. */
  get delay(): number {
    if (this.#base === undefined || this.#rate === 0) return 0
    const expected = this.length / this.#rate - this.#base
    if (this.#emptying) return Math.max(expected, emptyingTimes * this.options.bearableMs)
    if (this.length < this.options.fewest) return 0
    if (this.#congestedSince !== undefined) return Math.max(0, expected)
    const obvious = this.#beyond > this.#bearable && expected > unbearableMs + 3 * this.#base
    return obvious ? expected : 0
  }

  #judge(now: number): void {
    const { fewest } = this.options
    if (this.#congestedSince === undefined) {
      if (this.#standing <= this.#bearable || this.length < fewest) return
      this.#congestedSince = this.#lastQueue = now
    }
    if (this.#beyond > this.#bearable / 4 && this.length >= fewest) this.#lastQueue = now
    if (now - this.#lastQueue > calmAfterMs) {
      this.#congestedSince = undefined
      this.#standing = 0
    } else if (now - this.#congestedSince > reviseAfterMs && this.length >= fewest) {
      this.#congestedSince = now
      this.#emptying = true
    }
  }

  /** What takes an application half a second has times of its own that differ. */
  get #bearable(): number {
    return Math.max(this.options.bearableMs, (this.#base ?? 0) / 2)
  }

  /** The line is empty: the next one will tell how long the application takes. */
  #revise(): void {
    if (!this.#emptying || this.length > aloneBehind) return
    this.#emptying = false
    this.#base = undefined
  }

  #oldestWait(now: number): number {
    for (const { since } of this.#places) return now - since
    return 0
  }
}
