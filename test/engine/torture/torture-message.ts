/** How the torture messages are written down: the exact bytes, what becomes of them, and why. */

/**
 * What becomes of a message:
 * - `delivered`: handed to the application, whose answer comes back
 * - `400 Some Reason`: answered by the edge
 * - `stray`: a response, read, that belongs to no request of ours
 * - `dropped`: not read, and nobody could understand an answer
 * - `waits`: streams only; more bytes are expected
 */
export type Verdict = 'delivered' | 'stray' | 'dropped' | 'waits' | `${number} ${string}`

export interface TortureMessage {
  /** As the RFC names it. */
  readonly name: string
  readonly section: string
  readonly title: string
  readonly bytes: Buffer
  /** In a datagram; on a stream too, unless `overTcp` says otherwise (there it may be several messages). */
  readonly expected: Verdict
  readonly overTcp?: Verdict | readonly Verdict[]
  /** On a stream nobody can tell where the next message begins: the edge closes the connection. */
  readonly closes?: true
  /** The port of its topmost Via, which answers go to (RFC 3261 §18.2.2). Default 5060. */
  readonly viaPort?: number
  /** What the application has to see: the value of header fields, or `uri`. */
  readonly sees?: Readonly<Record<string, string>>
  /** The rule behind it. */
  readonly why: string
  /** Where the edge knowingly does otherwise than the RFC of the message says, and its reason. */
  readonly deviation?: string
}

/** Lines to bytes: UTF-8, ended by CRLF; the line end behind the opening quote doesn't count. */
export function text(lines: string): Buffer {
  return Buffer.from(lines.slice(1).replaceAll('\n', '\r\n'), 'utf8')
}

/** The session description that most messages of RFC 4475 carry. */
export function sdp(origin: string, connection = origin): string {
  return `v=0
o=mhandley 29739 7272939 IN IP4 ${origin}
s=-
c=IN IP4 ${connection}
t=0 0
m=audio 49217 RTP/AVP 0 12
m=video 3227 RTP/AVP 31
a=rtpmap:31 LPC
`
}
