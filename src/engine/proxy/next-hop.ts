/** From a URI or a flow to the next hop. Literal addresses and host names (A/AAAA). */
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { parseUri, uriParam } from '../message/uri.js'
import type { FlowAddress } from '../transport/peer.js'
import { defaultPort } from '../transport/default-ports.js'
import type { TransportName } from '../transport/transport.js'

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
