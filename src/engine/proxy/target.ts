/** A destination as the application names it: a SIP URI, and optionally the flow that reaches it. */
import { formatUri, parseUri, uriParam, withoutUriParams } from '../message/uri.js'
import { defaultPort } from '../transport/default-ports.js'
import type { Peer } from '../transport/peer.js'
import type { TransportName } from '../transport/transport.js'

export interface Target {
  /** The Request-URI for this branch: the phone's own contact. */
  uri: string
  /** Send over this flow (RFC 5626 §5.3), and nowhere else. Absent: where the URI leads. */
  flow?: Peer
  /** Route header field for this branch: the path that the phone registered through (RFC 3327). */
  route?: string
  /** Preference (RFC 3261 §20.10), 0 to 1: targets of a lower one are tried when all of a higher one have failed. Absent: 1. */
  q?: number
}

/** The URI parameters of `parseTarget`. They are for applications to write; what a peer writes must not direct us. */
const flowParams = ['flow', 'flow-transport', 'flow-on', 'flow-route', 'flow-q']
const anyFlowParam = /;flow(?:-transport|-on|-route|-q)?(?:=[^;,>?\s"]*)?(?=[;,>?\s"]|$)/gi

/** A URI, or a header value with URIs, without them. */
export function withoutFlow(text: string): string {
  return text.replace(anyFlowParam, '')
}

const transports: readonly string[] = ['udp', 'tcp', 'tls', 'ws', 'wss']

/**
 * Reads `sip:user@host;flow=<address>:<port>;flow-transport=<transport>;flow-on=<host>:<port>;flow-route=<escaped Route>;flow-q=<q>`;
 * these parameters are ours and are taken out. Undefined if the URI can't be used.
 */
export function parseTarget(text: string): Target | undefined {
  const parsed = parseUri(text)
  if (!parsed || (parsed.scheme !== 'sip' && parsed.scheme !== 'sips')) return undefined
  const flow = uriParam(parsed, 'flow')
  const transport = uriParam(parsed, 'flow-transport')?.toLowerCase() ?? 'udp'
  if (flow === undefined) return { uri: text }
  const at = parseHostPort(flow)
  if (!at || !transports.includes(transport)) return undefined
  const peer: Peer = { transport: transport as TransportName, address: at.host, port: at.port }
  // A phone without a NAT in front also takes connections at its Contact (RFC 3261 §18.1.1); after a restart of ours
  // that is the way to it until it registers again.
  if (parsed.host === at.host) peer.listens = parsed.port ?? defaultPort(peer.transport)
  const on = parseHostPort(uriParam(parsed, 'flow-on') ?? '')
  if (on) peer.on = on
  const target: Target = {
    uri: formatUri(withoutUriParams(parsed, flowParams)),
    flow: peer,
  }
  const route = uriParam(parsed, 'flow-route')
  if (route) target.route = unescape(route)
  const q = uriParam(parsed, 'flow-q')
  if (q !== undefined && /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(q)) target.q = Number(q)
  return target
}

/** Undefined escapes stay as they are; CR and LF can't get into a header line. */
function unescape(text: string): string {
  return text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))
}

/** `address:port`, IPv6 in brackets. */
function parseHostPort(text: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text)
  if (!match) return undefined
  const port = Number(match[3])
  if (port === 0 || port > 65535) return undefined
  return { host: match[1] ?? match[2] ?? '', port }
}
