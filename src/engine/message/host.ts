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
    const address = ipv6Of(text.slice(1, close === -1 ? 1 : close))
    if (address === undefined) return undefined
    host = address
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

/**
 * The grammar of RFC 3261 has a colon too many where an IPv4 address follows `::` (RFC 5954 §2). What was written by it
 * is read as what it means (RFC 5118 §4.10).
 */
function ipv6Of(text: string): string | undefined {
  if (isIPv6(text)) return text
  const mended = text.replace(/:::(?=\d+\.)/, '::')
  return isIPv6(mended) ? mended : undefined
}

/** `host`, `host:port`, `[v6]:port` */
export function formatHostPort(host: string, port: number | undefined): string {
  const name = host.includes(':') ? `[${host}]` : host
  return port === undefined ? name : `${name}:${port}`
}
