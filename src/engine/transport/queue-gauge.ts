/**
 * How long datagrams wait in the kernel before they are read. No system call tells; a datagram that the engine sends to
 * its own socket tells, since it queues up behind the others, or is lost like them when the queue is full. Times in ms.
 */
import { randomBytes } from 'node:crypto'

/** No byte that a SIP or STUN message begins with. */
const firstByte = 0xff
const tokenBytes = 16
const markBytes = tokenBytes + 4

/** What a lost datagram costs its sender: T1, after which it is sent again (RFC 3261 §17.1.1.2). */
const lossCost = 500
/** None has come back for so long: something keeps them away, and they tell nothing. */
const unheard = 5000
/** More than come back in that time. */
const mostUnderWay = 200
/** Weight of the newest value: two or three of them decide. */
const newest = 0.4

export class QueueGauge {
  readonly #token = randomBytes(tokenBytes)
  /** Sequence number and time of the marks that are under way, oldest first. */
  readonly #underWay: { sequence: number; sentAt: number }[] = []
  #sequence = 0
  #heardAt = -Infinity
  #delay = 0

  constructor() {
    this.#token[0] = firstByte
  }

  /** The next datagram to send to the own socket. */
  mark(now: number): Buffer {
    const sequence = this.#sequence
    this.#sequence = (sequence + 1) >>> 0
    if (this.#underWay.length >= mostUnderWay) this.#underWay.shift()
    this.#underWay.push({ sequence, sentAt: now })
    const mark = Buffer.allocUnsafe(markBytes)
    this.#token.copy(mark)
    mark.writeUInt32BE(sequence, tokenBytes)
    return mark
  }

  /** False if these bytes are none of our marks. */
  receive(data: Buffer, now: number): boolean {
    if (data[0] !== firstByte || data.length !== markBytes) return false
    if (this.#token.compare(data, 0, tokenBytes) !== 0) return false
    const sequence = data.readUInt32BE(tokenBytes)
    const at = this.#underWay.findIndex((mark) => mark.sequence === sequence)
    const returned = this.#underWay[at]
    if (!returned) return true
    // The queue keeps the order: those before this one were lost.
    for (let lost = 0; lost < at; lost++) this.#note(lossCost)
    this.#note(now - returned.sentAt)
    this.#underWay.splice(0, at + 1)
    this.#heardAt = now
    return true
  }

  /** What a datagram that arrives now has to wait. */
  delay(now: number): number {
    if (now - this.#heardAt > unheard) return 0
    const oldest = this.#underWay[0]
    return Math.max(this.#delay, oldest === undefined ? 0 : now - oldest.sentAt)
  }

  #note(delay: number): void {
    this.#delay += newest * (delay - this.#delay)
  }
}
