/** What a URI says about the next hop before DNS is asked: RFC 3263 §4, RFC 3261 §19.1.1 and §26.2.2. */
import { isIP } from 'node:net'
import { parseUri, uriParam, type SipUri } from '../message/uri.js'
import type { TransportName } from '../transport/transport.js'

export interface NextHop {
  /** The host to find: `maddr` where there is one; a name in lower case or an address without brackets. */
  host: string
  /** The host is an address. */
  literal: boolean
  port: number | undefined
  /** The transport that the URI names; undefined: to be found out. */
  transport: TransportName | undefined
  /** sips: every hop is over TLS. */
  secure: boolean
  /** Whom a certificate has to be for: the domain of the URI (RFC 5922 §4), whatever DNS leads to. */
  identity: string | undefined
}

/** Undefined if the URI can't be a next hop. */
export function readNextHop(uri: string): NextHop | undefined {
  const parsed = parseUri(uri)
  if (!parsed || (parsed.scheme !== 'sip' && parsed.scheme !== 'sips')) return undefined
  const secure = parsed.scheme === 'sips'
  const transport = namedTransport(parsed)
  if (!transport && uriParam(parsed, 'transport') !== undefined) return undefined
  const host = (uriParam(parsed, 'maddr') ?? parsed.host).replace(/^\[|\]$/g, '').toLowerCase()
  // RFC 2606: never resolves. Browsers put it into their Contact (RFC 7118 §5); only their flow reaches them.
  if (host === '' || /(^|\.)invalid\.?$/.test(host)) return undefined
  const literal = isIP(host) !== 0
  const identity = isIP(parsed.host) === 0 ? parsed.host : undefined
  return { host, literal, port: parsed.port, transport, secure, identity }
}

/**
 * The transport that a URI names: of a sips URI the parameter says what is below TLS (RFC 3261 §26.2.2, RFC 7118 §5.2.2).
 * Undefined if it names none, or none that we know.
 */
export function namedTransport(uri: SipUri): TransportName | undefined {
  const secure = uri.scheme === 'sips'
  switch (uriParam(uri, 'transport')?.toLowerCase()) {
    case 'udp':
      return secure ? undefined : 'udp'
    case 'tcp':
      return secure ? 'tls' : 'tcp'
    case 'tls':
      return 'tls'
    case 'ws':
      return secure ? 'wss' : 'ws'
    case 'wss':
      return 'wss'
    default:
      return undefined
  }
}
