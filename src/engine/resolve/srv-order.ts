/** The order in which the servers of an SRV answer are tried (RFC 2782, "Usage rules"). */
import type { SrvRecord } from './dns.js'

/** Lowest priority first; within one, at random in proportion to weight. `random`: from 0 to below 1. */
export function inSrvOrder(records: readonly SrvRecord[], random: () => number): SrvRecord[] {
  const priorities = [...new Set(records.map(({ priority }) => priority))].sort((a, b) => a - b)
  return priorities.flatMap((wanted) =>
    drawn(
      records.filter(({ priority }) => priority === wanted),
      random,
    ),
  )
}

function drawn(records: readonly SrvRecord[], random: () => number): SrvRecord[] {
  // Those of weight 0 first, so that they have a small chance at all.
  const left = [...records].sort((a, b) => Number(a.weight > 0) - Number(b.weight > 0))
  const order: SrvRecord[] = []
  while (left.length > 0) {
    const total = left.reduce((sum, { weight }) => sum + weight, 0)
    // A whole number from 0 to the total, both included; the first whose running sum reaches it is chosen.
    let point = Math.floor(random() * (total + 1))
    const at = left.findIndex(({ weight }) => (point -= weight) <= 0)
    order.push(...left.splice(Math.max(at, 0), 1))
  }
  return order
}
