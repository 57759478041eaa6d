/**
 * How much of a WebSocket message has arrived that is not complete. The library tells of whole messages and control
 * frames only; a control frame may come between the frames of a message (RFC 6455 §5.4) and completes nothing.
 */
const fin = 0x80
const control = 0x08
const masked = 0x80
/** Payload lengths of the header that stand for one of 2 or 8 bytes behind it (§5.2). */
const length16 = 126
const length64 = 127

export class UnfinishedFrames {
  readonly #header = Buffer.alloc(14)
  #headerBytes = 0
  /** Payload of the present frame that has not come; undefined while its header is not whole. */
  #left: number | undefined
  /** Bytes of the present frame. */
  #frame = 0
  /** Bytes of the frames before it, of a message that lacks its last one. */
  #message = 0

  /** Bytes that wait for more. */
  get bytes(): number {
    return this.#message + this.#frame
  }

  /** True if a message was completed within these bytes. */
  push(chunk: Buffer): boolean {
    let completed = false
    for (let at = 0; at < chunk.length;) {
      let taken = 1
      if (this.#left === undefined) {
        this.#header[this.#headerBytes++] = chunk[at] ?? 0
        this.#left = this.#payloadLength()
      } else {
        taken = Math.min(this.#left, chunk.length - at)
        this.#left -= taken
      }
      at += taken
      this.#frame += taken
      if (this.#left === 0) completed = this.#endFrame() || completed
    }
    return completed
  }

  /** Undefined while the header is not whole. */
  #payloadLength(): number | undefined {
    const header = this.#header
    if (this.#headerBytes < 2) return undefined
    const second = header[1] ?? 0
    const short = second & ~masked
    const extended = short === length64 ? 8 : short === length16 ? 2 : 0
    if (this.#headerBytes < 2 + extended + (second & masked ? 4 : 0)) return undefined
    if (extended === 0) return short
    return extended === 2 ? header.readUInt16BE(2) : Number(header.readBigUInt64BE(2))
  }

  #endFrame(): boolean {
    const first = this.#header[0] ?? 0
    const isControl = (first & control) !== 0
    const completes = !isControl && (first & fin) !== 0
    if (completes) this.#message = 0
    else if (!isControl) this.#message += this.#frame
    this.#frame = 0
    this.#headerBytes = 0
    this.#left = undefined
    return completes
  }
}
