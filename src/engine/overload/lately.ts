/** When texts were noted in the last half minute; in a table of fixed size, where a newcomer takes another's place. */

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

  delete(text: string): void {
    const hash = hashOf(text)
    if (this.#hashes[hash % slots] === hash) this.#times[hash % slots] = -Infinity
  }

  /** How long ago it was last added; undefined if it was not. One in four thousand million is taken for another. */
  since(text: string, now: number): number | undefined {
    if (now - this.#last > keptMs) return undefined
    const hash = hashOf(text)
    if (this.#hashes[hash % slots] !== hash) return undefined
    const since = now - (this.#times[hash % slots] ?? 0)
    return since <= keptMs ? since : undefined
  }
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return hash >>> 0
}
