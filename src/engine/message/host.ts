/** `host [":" port]` as it stands in URIs and in Via (RFC 3261 §25.1 hostport, sent-by). */
import { isIPv6 } from 'node:net'
import { isHostName, parseNumber, trimmedSlice } from './chars.js'

export interface HostPort {
  /** Lower case; IPv6 without brackets. */
  host: string
  port: number | undefined
}

const maxPort = 65535

/** Blanks around the colon are allowed, as in Via. Undefined if it is neither a name, an IPv4 nor a bracketed IPv6 address. */
export function parseHostPort(text: string): HostPort | undefined {
  let hostEnd: number
  let host: string
  if (text.charCodeAt(0) === 91 /* [ */) {
    const close = text.indexOf(']')
    host = text.slice(1, close === -1 ? 1 : close)
    if (!isIPv6(host)) return undefined
    hostEnd = close + 1
  } else {
    const colon = text.indexOf(':')
    hostEnd = colon === -1 ? text.length : colon
    host = trimmedSlice(text, 0, hostEnd)
    if (!isHostName(host)) return undefined
  }
  host = host.toLowerCase()
  const rest = trimmedSlice(text, hostEnd, text.length)
  if (rest === '') return { host, port: undefined }
  if (rest.charCodeAt(0) !== 58 /* : */) return undefined
  const port = parseNumber(trimmedSlice(rest, 1, rest.length), maxPort)
  return port === undefined ? undefined : { host, port }
}

/** `host`, `host:port`, `[v6]:port` */
export function formatHostPort(host: string, port: number | undefined): string {
  const name = host.includes(':') ? `[${host}]` : host
  return port === undefined ? name : `${name}:${port}`
}
