/** Messages for the tests of the message layer, made from lines. */
import { parseMessage, type ParseLimits, type ParseResult } from '../../../src/engine/message/parse.js'
import type { SipRequest, SipResponse } from '../../../src/engine/message/sip-message.js'

export const limits: ParseLimits = { maxHeaders: 100, maxMessageBytes: 65535 }

/** Latin1 bytes of lines joined by CRLF; the header section is ended by an empty line. */
export function bytesOf(lines: readonly string[], body = ''): Buffer {
  return Buffer.from([...lines, '', body].join('\r\n'), 'latin1')
}

export const optionsLines: readonly string[] = [
  'OPTIONS sip:bob@example.org SIP/2.0',
  'Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK77asjd',
  'Max-Forwards: 70',
  'To: <sip:bob@example.org>',
  'From: "Alice" <sip:alice@example.org>;tag=88sja8x',
  'Call-ID: 987asjd97y7atg',
  'CSeq: 986759 OPTIONS',
]

/** The OPTIONS request with lines replaced (by header name, or `start`), added (`+`) or left out (undefined). */
export function options(changes: Record<string, string | undefined> = {}, body = ''): Buffer {
  const lines: string[] = []
  optionsLines.forEach((line, index) => {
    const name = index === 0 ? 'start' : line.slice(0, line.indexOf(':')).toLowerCase()
    if (!(name in changes)) lines.push(line)
    else if (changes[name] !== undefined) lines.push(changes[name])
  })
  if (changes['+'] !== undefined) lines.push(changes['+'])
  return bytesOf(lines, body)
}

export function parse(bytes: Buffer): ParseResult {
  return parseMessage(bytes, limits, 'datagram')
}

export function parseRequest(bytes: Buffer): SipRequest {
  const result = parse(bytes)
  if (result.kind === 'message' && result.message.kind === 'request') return result.message
  throw new Error(`no valid request: ${describe(result)}`)
}

export function parseResponse(bytes: Buffer): SipResponse {
  const result = parse(bytes)
  if (result.kind === 'message' && result.message.kind === 'response') return result.message
  throw new Error(`no valid response: ${describe(result)}`)
}

/** `message`, `400 Reason` or `drop Reason`. */
export function describe(result: ParseResult): string {
  if (result.kind === 'message') return 'message'
  return result.kind === 'reject' ? `${result.status} ${result.reason}` : `drop ${result.reason}`
}
