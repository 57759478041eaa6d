/**
 * Which requests were turned away in the last half minute. Copies of one that was refused may still wait in the queue:
 * were one of them let in, a phone would ring for a caller that has gone, and the caller's ACK to the refusal would meet
 * a living transaction. A table of fixed size, in which a newcomer takes the place of whoever it collides with.
 */

const slots = 1 << 16
/** As long as a client may repeat a request: 64*T1. */
const keptMs = 32_000

export class RefusedLately {
  #hashes: Uint32Array | undefined
  #times: Float64Array | undefined
  #last = -Infinity

  /** `key` names the transaction. */
  add(key: string, now: number): void {
    const hashes = (this.#hashes ??= new Uint32Array(slots))
    const times = (this.#times ??= new Float64Array(slots).fill(-Infinity))
    const hash = hashOf(key)
    hashes[hash % slots] = hash
    times[hash % slots] = now
    this.#last = now
  }

  has(key: string, now: number): boolean {
    if (now - this.#last > keptMs || !this.#hashes || !this.#times) return false
    const hash = hashOf(key)
    return this.#hashes[hash % slots] === hash && now - (this.#times[hash % slots] ?? 0) <= keptMs
  }
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return hash >>> 0
}
