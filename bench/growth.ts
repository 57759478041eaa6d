/** Whether something grows with the work done, or only moves to and fro. */

export interface Growth {
  /** Least squares. */
  slope: number
  /** Twice its standard error: a slope that is smaller may be chance. */
  noise: number
  grows: boolean
}

/**
 * @param points work done, and what is measured; undecided (it does not grow) with fewer than four
 * @param floor a slope up to here is none
 */
export const growth = (points: readonly (readonly [x: number, y: number])[], floor: number): Growth => {
  const n = points.length
  if (n < 4) return { slope: Number.NaN, noise: Number.NaN, grows: false }
  const mean = (of: (point: readonly [number, number]) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / n
  const [x, y] = [mean(([px]) => px), mean(([, py]) => py)]
  const spread = points.reduce((sum, [px]) => sum + (px - x) ** 2, 0)
  const slope = points.reduce((sum, [px, py]) => sum + (px - x) * (py - y), 0) / spread
  const misses = points.reduce((sum, [px, py]) => sum + (py - y - slope * (px - x)) ** 2, 0)
  const noise = 2 * Math.sqrt(misses / (n - 2) / spread)
  return { slope, noise, grows: slope > floor + noise }
}
