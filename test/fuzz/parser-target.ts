/**
 * Bytes against everything that reads bytes, without a network: nothing throws but its own error, nothing takes long,
 * what is read is written so that it is read again as the same, and where a stream is cut makes no difference.
 */
import { isDeepStrictEqual } from 'node:util'
import { parseAppMessage } from '../../src/engine/control/app-message.js'
import { FrameError, FrameReader } from '../../src/engine/control/frames.js'
import { parseNameAddr } from '../../src/engine/message/name-addr.js'
import { parseMessage, type Framing, type ParseResult } from '../../src/engine/message/parse.js'
import { responseTo } from '../../src/engine/message/response.js'
import { StreamFramer, type FramerEvent } from '../../src/engine/message/stream-framer.js'
import { formatUri, parseUri } from '../../src/engine/message/uri.js'
import { formatVia, parseVia } from '../../src/engine/message/via.js'
import { Find } from './find.js'
import { cut, Random } from './random.js'

/** Small, so that limits are met. */
const limits = { maxHeaders: 60, maxMessageBytes: 16_384 }
const unlimited = { maxHeaders: Infinity, maxMessageBytes: Infinity }
/** More for one message is a hang, ms of processor time; a hundred times what the worst ones take. */
const mostMs = 100

/** @throws Find, or whatever was thrown that must not be. */
export function checkParser(bytes: Buffer): void {
  timed(() => {
    for (const framing of ['datagram', 'stream'] as const) {
      const result = parseMessage(bytes, limits, framing)
      use(result, framing)
      if (result.kind !== 'message') use(parseMessage(bytes, unlimited, framing), framing)
    }
  }, 'parser')
  // Cuts depend on the bytes alone, so that a find stays one while it is made smaller.
  const random = new Random(bytes.length * 31 + (bytes[bytes.length >> 1] ?? 0))
  timed(() => checkFramer(bytes, random), 'framer')
  timed(() => checkFrames(bytes, random), 'control frames')
  parseAppMessage(bytes.toString('latin1'))
}

function timed(work: () => void, what: string): void {
  let least = Infinity
  // Once may be a collection of garbage.
  for (let attempt = 0; attempt < 3; attempt++) {
    const start = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(start)
    least = (user + system) / 1000
    if (least < mostMs) return
  }
  throw new Find(`the ${what} takes ${least} ms`)
}

/** What others do with a message, and that it is written as it was read. */
function use(result: ParseResult, framing: Framing): void {
  if (result.kind === 'reject') {
    const answer = responseTo(result.request, result.status, result.reason).serialize()
    if (!isOneMessage(answer)) throw new Find(`the answer ${result.status} is more than one message`)
  }
  if (result.kind !== 'message') return
  const { message } = result
  for (const line of message.lines('via')) parseVia(line)
  for (const name of ['from', 'to', 'contact', 'route', 'record-route', 'refer-to', 'path'] as const) {
    for (const value of message.values(name)) useAddress(value, name)
  }
  if (!isDeepStrictEqual(parseVia(formatVia(message.via)), message.via)) throw new Find('Via is not stable')
  const bytes = message.serialize()
  const again = parseMessage(bytes, unlimited, framing)
  if (again.kind !== 'message') throw new Find(`not read again: ${again.reason}`)
  if (!again.message.serialize().equals(bytes)) throw new Find('not written again as it was')
  for (const view of ['via', 'cseq', 'callId', 'fromTag', 'toTag', 'body'] as const) {
    if (!isDeepStrictEqual(message[view], again.message[view])) throw new Find(`${view} is read differently`)
  }
  if (message.kind === 'request') {
    if (parseUri(message.uri) === undefined) throw new Find('the Request-URI can not be read')
    if (!isOneMessage(responseTo(message, 200).serialize())) throw new Find('the answer is no message')
  }
}

function useAddress(value: string, header: string): void {
  const address = parseNameAddr(value)
  const uri = address && parseUri(address.uri)
  if (uri && !isDeepStrictEqual(parseUri(formatUri(uri)), uri))
    throw new Find(`URI in ${header} is not stable`)
}

/** An answer of ours, even to what could not be read, must not be split by whoever reads it. */
function isOneMessage(bytes: Buffer): boolean {
  const gap = bytes.indexOf('\r\n\r\n')
  return gap !== -1 && gap + 4 === bytes.length
}

function checkFramer(bytes: Buffer, random: Random): void {
  const whole = new StreamFramer(limits).push(Buffer.from(bytes))
  const framer = new StreamFramer(limits)
  const pieces: FramerEvent[] = []
  // Copies: what lies behind a chunk in memory is none of the framer's business.
  for (const chunk of cut(bytes, random.cuts(bytes.length, 8)))
    pieces.push(...framer.push(Buffer.from(chunk)))
  if (!isDeepStrictEqual(pieces.map(summary), whole.map(summary))) {
    throw new Find(`cut in pieces it is ${pieces.map(summary).join()}, whole ${whole.map(summary).join()}`)
  }
  for (const event of whole) if (event.kind !== 'ping' && event.kind !== 'close') use(event, 'stream')
}

function summary(event: FramerEvent): string {
  if (event.kind === 'message') return event.message.serialize().toString('latin1')
  return event.kind === 'ping' ? 'ping' : `${event.kind} ${event.reason}`
}

function checkFrames(bytes: Buffer, random: Random): void {
  const whole = framesOf([bytes])
  const pieces = framesOf(cut(bytes, random.cuts(bytes.length, 8)))
  if (!isDeepStrictEqual(pieces, whole)) throw new Find('control frames depend on how the stream is cut')
}

/** Frames, and how it ended. */
function framesOf(chunks: readonly Buffer[]): string[] {
  const reader = new FrameReader(limits.maxMessageBytes)
  const frames: string[] = []
  try {
    for (const chunk of chunks) frames.push(...reader.push(Buffer.from(chunk)))
  } catch (error) {
    if (!(error instanceof FrameError)) throw error
    // Frames of the chunk in which it broke are lost with the connection.
    return ['broken']
  }
  return frames
}
