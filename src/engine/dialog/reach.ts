/** How the peer of a dialog is reached: by its route, its Contact, or the flow that it was seen over. */
import { BlockList, isIP } from 'node:net'
import { parseUri, uriParam, type SipUri } from '../message/uri.js'
import type { Peer } from '../transport/peer.js'
import { defaultPort } from '../transport/default-ports.js'
import type { Flow } from '../transport/transport.js'
import { uriIn, type Dialog } from './dialog.js'

/** Networks whose addresses mean nothing outside: RFC 1918, RFC 6598, link-local, loopback, RFC 4193. */
const privateNetworks = new BlockList()
for (const [network, prefix] of [
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['100.64.0.0', 10],
  ['169.254.0.0', 16],
  ['127.0.0.0', 8],
] as const) {
  privateNetworks.addSubnet(network, prefix, 'ipv4')
}
privateNetworks.addSubnet('fc00::', 7, 'ipv6')
privateNetworks.addSubnet('fe80::', 10, 'ipv6')

/**
 * Where our requests within the dialog go: the topmost route or the remote target, over the peer's own flow where
 * that is the way to it (RFC 5626 §5.3): a phone behind NAT, or one that takes no connections.
 */
export function nextHopOf(dialog: Dialog): { uri: string; flow?: Peer } {
  const { flow, routeSet } = dialog
  const uri = uriIn(routeSet[0]) ?? dialog.remoteTarget
  const hop = parseUri(uri)
  const seen: Peer = { transport: flow.transport, address: flow.remoteAddress, port: flow.remotePort }
  // RFC 7118 §5: a WebSocket client is reached over its own connection only.
  if (flow.transport === 'ws' || flow.transport === 'wss') return { uri, flow: seen }
  const wanted = hop && uriParam(hop, 'transport')?.toLowerCase()
  if (hop?.host === flow.remoteAddress) {
    if (wanted !== undefined && wanted !== flow.transport) return { uri }
    const port = hop.port ?? defaultPort(flow.transport)
    return flow.transport === 'udp'
      ? { uri, flow: { ...seen, port } }
      : { uri, flow: { ...seen, listens: port } }
  }
  const behindNat = routeSet.length === 0 && (dialog.direct || isHidden(hop, flow))
  return behindNat ? { uri, flow: seen } : { uri }
}

/** The address can't be reached from here: made up (RFC 7118 §5), or of a private network that we are not in. */
function isHidden(hop: SipUri | undefined, flow: Flow): boolean {
  if (!hop) return true
  return hop.host.endsWith('.invalid') || (isPrivate(hop.host) && !isPrivate(flow.remoteAddress))
}

/** An address literal of such a network. */
export function isPrivate(host: string): boolean {
  const family = isIP(host)
  return family !== 0 && privateNetworks.check(host, family === 4 ? 'ipv4' : 'ipv6')
}
