/**
 * Refusals that take the same time, whatever was looked up for them: an active account is answered from memory, an
 * unknown name by the database, and nobody outside may see which it was. See docs/decisions/authentication.md.
 */

export interface SteadyRefusals<T> {
  /**
   * The result of `work`; one that is a refusal is held back until a fixed time after the call, or a multiple of it
   * if the work took longer. Rejects as `work` does, at once.
   */
  hold(work: () => Promise<T>, isRefusal: (result: T) => boolean): Promise<T>
}

/** Far above what a look into the database takes, and nothing to a person who mistyped a password. */
const REFUSAL_MS = 100
/** Bounds memory. More in 100 ms than all the requests that one node can take in, so nobody gets past it. */
const MAX_HELD = 5000

export function createSteadyRefusals<T>(refusalMs = REFUSAL_MS, maxHeld = MAX_HELD): SteadyRefusals<T> {
  let held = 0
  return {
    async hold(work, isRefusal) {
      let release = () => {}
      // Begun before the work: a timer for the rest of the time would show by its rounding how long the work took.
      const beat = setInterval(() => release(), refusalMs)
      try {
        const result = await work()
        if (!isRefusal(result) || held >= maxHeld) return result
        held++
        await new Promise<void>((resolve) => (release = resolve))
        held--
        return result
      } finally {
        clearInterval(beat)
      }
    },
  }
}
