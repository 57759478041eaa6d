/** Log lines that a flood can't multiply: one for many alike, with their number. */
export interface SparseLines {
  /**
   * Counts an event of that kind. If a line is due: how many events of the kind it stands for, and how many of other
   * kinds got no line at all since the line before. Undefined: write none.
   */
  due(kind: string): { count: number; unlisted?: number } | undefined
}

interface Kind {
  /** When its last line was due, ms since the epoch. */
  since: number
  /** Events since then. */
  count: number
}

/** A kind gets a line every `intervalMs`; all kinds together no more than `maxKinds` of them in that time. */
export function createSparseLines(options: {
  now: () => number
  intervalMs?: number
  maxKinds?: number
}): SparseLines {
  const { now, intervalMs = 10_000, maxKinds = 100 } = options
  /** The one whose line was due last stands last. */
  const kinds = new Map<string, Kind>()
  let unlisted = 0

  /** Room for one more, if the oldest is old enough to be forgotten. */
  function makeRoom(): boolean {
    if (kinds.size < maxKinds) return true
    const [oldest] = kinds
    if (!oldest || now() - oldest[1].since < intervalMs) return false
    unlisted += oldest[1].count
    return kinds.delete(oldest[0])
  }

  return {
    due(kind) {
      const known = kinds.get(kind)
      if (known && now() - known.since < intervalMs) {
        known.count++
        return undefined
      }
      if (known) kinds.delete(kind)
      else if (!makeRoom()) {
        unlisted++
        return undefined
      }
      kinds.set(kind, { since: now(), count: 0 })
      const line = { count: (known?.count ?? 0) + 1, ...(unlisted > 0 && { unlisted }) }
      unlisted = 0
      return line
    },
  }
}
