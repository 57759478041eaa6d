/**
 * Cuts a byte stream (TCP, TLS) into messages (RFC 3261 §18.3, RFC 5626 §4.4.1). Every byte is looked at a constant
 * number of times however the stream is cut into chunks, and no more than one unfinished message is kept.
 */
import { completeMessage, parseHead, refuse, type Head, type ParseLimits, type ParseResult } from './parse.js'
import { problem, type Problem } from './validate.js'

export type FramerEvent =
  | ParseResult
  /** CRLFCRLF between messages: the transport answers with CRLF (RFC 5626 §4.4.1). */
  | { kind: 'ping' }
  /** The end of a message can't be known, or is too far: nothing is read after this, the connection has to go. */
  | { kind: 'close'; reason: string }

/** A message whose header section is complete; positions count from its first byte. */
interface Begun {
  readonly head: Head
  readonly bodyStart: number
  readonly end: number
}

const endOfHead = Buffer.from('\r\n\r\n')
const tooLarge = problem(513, 'Message Too Large')
const noLength = problem(400, 'Missing Content-Length')
const nothing = Buffer.alloc(0)
const smallestBuffer = 1024

export class StreamFramer {
  /** What could not be used yet: the beginning of a message, or of a keep-alive. */
  private kept: Buffer = nothing
  /** Our own memory behind `kept` (which begins at `ownStart`), with room to grow; empty while `kept` is in a chunk. */
  private own: Buffer = nothing
  private ownStart = 0
  /** This much of the message under way holds no end of the header section. */
  private searched = 0
  private begun: Begun | undefined
  private messageBegun = false
  private closed = false

  constructor(private readonly limits: ParseLimits) {}

  /** True while a message has begun and is not complete: the time-out for partial messages should run. */
  get incomplete(): boolean {
    return this.messageBegun
  }

  /** Memory that is held for the message under way, bytes. */
  get keptBytes(): number {
    return Math.max(this.kept.length, this.own.length)
  }

  /** What the chunk completes, in order. The chunk must not be changed afterwards: bodies point into it. */
  push(chunk: Buffer): FramerEvent[] {
    const events: FramerEvent[] = []
    if (this.closed) return events
    const data = this.kept.length === 0 ? chunk : this.extendKept(chunk)
    let at = 0
    let waiting = false
    while (!waiting && !this.closed) {
      if (!this.messageBegun) at = this.skipKeepAlives(data, at, events)
      const end: number = this.messageBegun ? this.readMessage(data, at, events) : -1
      waiting = end === -1
      if (!waiting) at = end
    }
    this.keep(data, this.closed ? data.length : at)
    return events
  }

  /**
   * Between messages. A single CRLF is the answer to a ping of ours, or an empty line before a start line (§7.5).
   * Returns where a message begins, or where bytes begin that may still become a keep-alive.
   */
  private skipKeepAlives(data: Buffer, from: number, events: FramerEvent[]): number {
    for (let at = from; ;) {
      const matching = keepAliveLength(data, at)
      if (matching === endOfHead.length) {
        events.push({ kind: 'ping' })
        at += endOfHead.length
      } else if (at + matching === data.length) {
        return at
      } else if (matching >= 2) {
        at += 2
      } else {
        this.messageBegun = true
        return at
      }
    }
  }

  /** The position behind the message that begins at `at`, or -1 if it is not complete (or the stream is given up). */
  private readMessage(data: Buffer, at: number, events: FramerEvent[]): number {
    this.begun ??= this.readHead(data, at, events)
    if (this.begun === undefined || data.length - at < this.begun.end) return -1
    const { head, bodyStart, end } = this.begun
    events.push(completeMessage(head, data.subarray(at + bodyStart, at + end)))
    this.begun = undefined
    this.searched = 0
    this.messageBegun = false
    return at + end
  }

  private readHead(data: Buffer, at: number, events: FramerEvent[]): Begun | undefined {
    const { maxMessageBytes } = this.limits
    // The end may have begun in the bytes searched before.
    const found = data.indexOf(endOfHead, at + Math.max(0, this.searched - (endOfHead.length - 1)))
    const bodyStart = found === -1 ? data.length - at : found + endOfHead.length - at
    if (bodyStart > maxMessageBytes) {
      this.giveUp(parseHead(data, at, at + maxMessageBytes, this.limits, 'stream'), tooLarge, events)
      return undefined
    }
    if (found === -1) {
      this.searched = bodyStart
      return undefined
    }
    const head = parseHead(data, at, found + 2, this.limits, 'stream')
    const length = head.contentLength
    if (length === undefined) this.giveUp(head, head.problem ?? noLength, events)
    else if (bodyStart + length > maxMessageBytes) this.giveUp(head, tooLarge, events)
    else return { head, bodyStart, end: bodyStart + length }
    return undefined
  }

  private giveUp(head: Head, reason: Problem, events: FramerEvent[]): void {
    events.push(refuse(head.message, reason), { kind: 'close', reason: reason.reason })
    this.closed = true
    this.messageBegun = false
  }

  private keep(data: Buffer, at: number): void {
    if (at === data.length) {
      this.kept = this.own = nothing
      return
    }
    this.kept = data.subarray(at)
    this.ownStart += at
  }

  /** Room doubles, so that a message that trickles in is copied a constant number of times per byte. */
  private extendKept(chunk: Buffer): Buffer {
    const length = this.kept.length + chunk.length
    if (this.ownStart + length > this.own.length) {
      const grown = Buffer.allocUnsafe(Math.max(smallestBuffer, 2 * length))
      this.kept.copy(grown)
      this.own = grown
      this.ownStart = 0
    }
    // Bodies that were handed out lie before `kept`; behind it nothing is in use.
    chunk.copy(this.own, this.ownStart + this.kept.length)
    return this.own.subarray(this.ownStart, this.ownStart + length)
  }
}

/** How many bytes from `at` on agree with CRLFCRLF. */
function keepAliveLength(data: Buffer, at: number): number {
  let length = 0
  while (length < endOfHead.length && data[at + length] === endOfHead[length]) length++
  return length
}
