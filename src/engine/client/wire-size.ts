/** How many bytes a request takes, which decides about its transport (RFC 3261 §18.1.1). */
import type { SipRequest } from '../message/sip-message.js'

/** Largest payload of a UDP datagram over IPv4, bytes. */
export const maxDatagram = 65_507

/** Above this a request belongs on a congestion controlled transport: 200 bytes below the MTU of Ethernet. */
export const preferredMaxDatagram = 1300

/** `METHOD uri SIP/2.0`, and Content-Length where it is not there yet. */
const startLineExtra = ' '.length + ' SIP/2.0\r\n'.length
const lineExtra = ': \r\n'.length
const contentLengthLine = 'Content-Length: '.length + '\r\n'.length

/** In bytes, without making them. */
export function wireSize({ method, uri, headers, body }: SipRequest): number {
  let size = method.length + uri.length + startLineExtra + '\r\n'.length + body.length
  let lengthLine = contentLengthLine + String(body.length).length
  for (const { name, label, value } of headers) {
    size += label.length + value.length + lineExtra
    if (name === 'content-length') lengthLine = 0
  }
  return size + lengthLine
}
