/** Framing of drachtio's control protocol: decimal byte count, `#`, that many bytes. */

/** Longest length prefix that makes sense; more digits are an error, not a wait for more bytes. */
const maxPrefix = 9

export class FrameError extends Error {
  override readonly name = 'FrameError'
}

/** Cuts a byte stream into frames, given as latin1 text (one character is one byte). */
export class FrameReader {
  #chunks: Buffer[] = []
  #size = 0
  /** Bytes needed before another attempt makes sense. */
  #wanted = 2

  constructor(private readonly maxFrameBytes: number) {}

  /** All frames that are complete now. Throws FrameError where the stream can't be followed any more. */
  push(bytes: Buffer): string[] {
    this.#chunks.push(bytes)
    this.#size += bytes.length
    if (this.#size < this.#wanted) return []
    const data = this.#chunks.length === 1 ? bytes : Buffer.concat(this.#chunks, this.#size)
    const frames: string[] = []
    let at = 0
    this.#wanted = 2
    while (at < data.length) {
      const hash = data.indexOf(0x23, at)
      if (hash < 0 || hash - at > maxPrefix) {
        if (data.length - at > maxPrefix) throw new FrameError('length prefix expected')
        break
      }
      const prefix = data.toString('latin1', at, hash)
      const length = Number(prefix)
      if (!/^\d+$/.test(prefix) || length === 0) throw new FrameError('length prefix expected')
      if (length > this.maxFrameBytes) throw new FrameError(`frame of ${length} bytes is too large`)
      const end = hash + 1 + length
      if (end > data.length) {
        this.#wanted = end - at
        break
      }
      frames.push(data.toString('latin1', hash + 1, end))
      at = end
    }
    const rest = data.subarray(at)
    this.#chunks = rest.length > 0 ? [rest] : []
    this.#size = rest.length
    return frames
  }
}

/** One frame around latin1 text. */
export function frame(text: string): string {
  return `${text.length}#${text}`
}
