/** Who sends much: requests by source address in the present second, in a table of fixed size. */

const slots = 4096

export class Sources {
  readonly #counts = new Uint16Array(slots)
  #second = 0

  /** Counts a request; how many have come from that address, or one that shares its place, in this second. */
  count(address: string, now: number): number {
    const second = Math.floor(now / 1000)
    if (second !== this.#second) {
      this.#second = second
      this.#counts.fill(0)
    }
    let hash = 5381
    for (let at = 0; at < address.length; at++) hash = (Math.imul(hash, 33) ^ address.charCodeAt(at)) >>> 0
    const slot = hash % slots
    const count = Math.min((this.#counts[slot] ?? 0) + 1, 0xffff)
    this.#counts[slot] = count
    return count
  }
}
