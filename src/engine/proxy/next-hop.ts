/** From a URI or a flow to the next hop. Literal addresses and host names (A/AAAA). */
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { parseUri, uriParam } from '../message/uri.js'
import type { FlowAddress, Peer } from './dialog-token.js'
import { defaultPort } from '../transport/default-ports.js'
import type { Flow, Listener, TransportLayer, TransportName } from '../transport/transport.js'

/** Injected in tests; rejects if the name does not exist. */
export type ResolveHost = (host: string) => Promise<string>

export const resolveBySystem: ResolveHost = async (host) => (await lookup(host)).address

/**
 * RFC 3261 §8.1.2 and RFC 3263 §4 for a URI that names its transport or leaves it to the default.
 * Returns an address at once for literals (no promise: the common case stays in this tick), a promise for names,
 * undefined if the URI can't be a next hop.
 */
export function nextHop(
  uri: string,
  resolve: ResolveHost,
): FlowAddress | Promise<FlowAddress | undefined> | undefined {
  const parsed = parseUri(uri)
  if (!parsed || (parsed.scheme !== 'sip' && parsed.scheme !== 'sips')) return undefined
  const transport = transportOf(parsed.scheme, uriParam(parsed, 'transport'))
  if (!transport) return undefined
  const host = uriParam(parsed, 'maddr') ?? parsed.host
  const port = parsed.port ?? defaultPort(transport)
  const literal = host.replace(/^\[|\]$/g, '')
  if (isIP(literal)) return { transport, address: literal, port }
  // RFC 2606: never resolves. Browsers put it into their Contact (RFC 7118 §5); only their flow reaches them.
  if (/\.invalid$/i.test(literal)) return undefined
  return resolve(literal).then(
    (address) => ({ transport, address, port }),
    () => undefined,
  )
}

function transportOf(scheme: string, param: string | undefined): TransportName | undefined {
  const transport = param?.toLowerCase()
  if (scheme === 'sips') {
    if (transport === 'ws' || transport === 'wss') return 'wss'
    return transport === undefined || transport === 'tcp' || transport === 'tls' ? 'tls' : undefined
  }
  if (transport === undefined) return 'udp'
  if (transport === 'udp' || transport === 'tcp' || transport === 'tls') return transport
  if (transport === 'ws' || transport === 'wss') return transport
  return undefined
}

/**
 * The flow to a peer: the one it was seen at, or a new TCP connection to where it takes them. Over TLS and WebSocket a
 * phone is no server: it is reached over its own connection only.
 */
export function flowTo(peer: Peer, transport: TransportLayer, preferred: Listener): Flow | undefined {
  const live = transport.findFlow(peer.transport, peer.address, peer.port, preferred)
  if (live || peer.transport !== 'tcp' || peer.listens === undefined) return live
  return transport.openFlow('tcp', peer.address, peer.listens, { preferred })
}
