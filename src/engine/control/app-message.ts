/** The SIP texts that an application sends: start line, header fields, body; no Via, often folded into one line. */
import { isToken } from '../message/chars.js'
import { canonicalName, labelFor } from '../message/header-names.js'
import { splitList } from '../message/comma-list.js'

export interface AppMessage {
  startLine: string
  headers: { name: string; label: string; value: string }[]
  body: Buffer
}

/**
 * Reads latin1 text. Lines that begin with no name of a header field are left out: nothing of them could be sent.
 * drachtio-srf makes such names of some that it has received (`constructor`), and an application may pass them on.
 */
export function parseAppMessage(text: string): AppMessage {
  const gap = text.indexOf('\r\n\r\n')
  const head = gap < 0 ? text : text.slice(0, gap)
  const body = gap < 0 ? '' : text.slice(gap + 4)
  const [startLine = '', ...lines] = head.split('\r\n')
  const headers: AppMessage['headers'] = []
  for (const line of lines) {
    const colon = line.indexOf(':')
    const label = line.slice(0, Math.max(colon, 0)).trim()
    if (!isToken(label)) continue
    const name = canonicalName(label)
    const value = line.slice(colon + 1).trim()
    for (const one of unfold(name, value))
      headers.push({ name, label: label === label.toLowerCase() ? labelFor(name) : label, value: one })
  }
  return { startLine, headers, body: Buffer.from(body, 'latin1') }
}

/**
 * drachtio-srf joins several values with commas. Challenges contain commas themselves and must stand in lines of
 * their own (RFC 3261 §7.3.1).
 */
function unfold(name: string, value: string): string[] {
  if (name !== 'www-authenticate' && name !== 'proxy-authenticate') return [value]
  const challenges: string[] = []
  for (const part of splitList(value)) {
    const last = challenges.length - 1
    // A part that begins with a scheme opens a challenge; any other is a parameter of the one before.
    if (last < 0 || /^[A-Za-z][\w-]*\s+\S/.test(part)) challenges.push(part)
    else challenges[last] += `, ${part}`
  }
  return challenges
}

/** drachtio-server knows SDP by its looks, and so applications leave its type out. */
export function startsLikeSdp(body: Buffer): boolean {
  return body.toString('latin1', 0, 3) === 'v=0'
}

/** `2s`, `1500ms` or empty; undefined where there is none. Milliseconds. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+)(ms|s)?$/.exec(text.trim())
  if (!match) return undefined
  const value = Number(match[1])
  return match[2] === 's' ? value * 1000 : value
}
