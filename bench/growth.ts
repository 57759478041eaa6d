/** Whether something grows with the work done, or only moves to and fro. */

export interface Growth {
  /** Least squares. */
  slope: number
  /** Twice its standard error: a slope that is smaller may be chance. */
  noise: number
  verdict: 'flat' | 'grows' | 'too few samples'
}

/** Points through which a line says something. */
const fewest = 6

/**
 * @param points work done, and what is measured
 * @param floor a slope up to here is none
 */
export const growth = (points: readonly (readonly [x: number, y: number])[], floor: number): Growth => {
  const n = points.length
  if (n < fewest) return { slope: Number.NaN, noise: Number.NaN, verdict: 'too few samples' }
  const mean = (of: (point: readonly [number, number]) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / n
  const [x, y] = [mean(([px]) => px), mean(([, py]) => py)]
  const spread = points.reduce((sum, [px]) => sum + (px - x) ** 2, 0)
  const slope = points.reduce((sum, [px, py]) => sum + (px - x) * (py - y), 0) / spread
  const misses = points.reduce((sum, [px, py]) => sum + (py - y - slope * (px - x)) ** 2, 0)
  const noise = 2 * Math.sqrt(misses / (n - 2) / spread)
  return { slope, noise, verdict: slope > floor + noise ? 'grows' : 'flat' }
}
