/**
 * Which nonce counts were used (RFC 7616 §3.4.6), so that no request is accepted twice.
 *
 * A window of 32 counts per nonce lets parallel requests overtake each other. The windows stand in arrays of fixed
 * size, a nonce's place being its serial modulo that size: memory is bounded without timers. A place belongs to the
 * youngest nonce that was used there; an older one that comes back finds it taken and is challenged anew. Only
 * requests with a right password get here, so a flood of others can't push anybody out.
 */
export interface NonceCounts {
  /** True if this count was not used before; from now on it is. False: challenge with stale=true. */
  use(serial: number, count: number): boolean
  /** For clients that do not count: true only if the nonce was never used; from now on it can't be. */
  useOnce(serial: number): boolean
}

const WINDOW = 32
const ALL = 0xffffffff

export function createNonceCounts(places = 2 ** 19): NonceCounts {
  const owners = new Float64Array(places)
  const highest = new Uint32Array(places)
  /** Bit n: the count `highest - n` was used. */
  const used = new Uint32Array(places)

  function take(place: number, serial: number, count: number, bits: number): void {
    owners[place] = serial
    highest[place] = count
    used[place] = bits
  }

  return {
    use(serial, count) {
      const place = serial % places
      const owner = owners[place] ?? 0
      if (owner > serial) return false
      if (owner < serial) {
        take(place, serial, count, 1)
        return true
      }
      const bits = used[place] ?? 0
      const ahead = count - (highest[place] ?? 0)
      if (ahead > 0) {
        take(place, serial, count, ahead >= WINDOW ? 1 : (bits << ahead) | 1)
        return true
      }
      const bit = -ahead >= WINDOW ? ALL : (1 << -ahead) >>> 0
      if (-ahead >= WINDOW || (bits & bit) !== 0) return false
      used[place] = bits | bit
      return true
    },

    useOnce(serial) {
      const place = serial % places
      if ((owners[place] ?? 0) >= serial) return false
      take(place, serial, ALL, ALL)
      return true
    },
  }
}
