/** Which texts were noted in the last half minute; in a table of fixed size, where a newcomer takes another's place. */

const slots = 1 << 16
/** As long as a client may repeat a request: 64*T1 (RFC 3261 §17). */
const keptMs = 32_000

export class Lately {
  readonly #hashes = new Uint32Array(slots)
  readonly #times = new Float64Array(slots).fill(-Infinity)
  #last = -Infinity

  add(text: string, now: number): void {
    const hash = hashOf(text)
    this.#hashes[hash % slots] = hash
    this.#times[hash % slots] = now
    this.#last = now
  }

  /** True for a text that was never added in one of four thousand million cases. */
  has(text: string, now: number): boolean {
    if (now - this.#last > keptMs) return false
    const hash = hashOf(text)
    return this.#hashes[hash % slots] === hash && now - (this.#times[hash % slots] ?? 0) <= keptMs
  }
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return hash >>> 0
}
