/** Where a request of an application outside any dialog goes, and what can't be reached from here. */
import { isIP } from 'node:net'
import { parseNameAddr } from '../message/name-addr.js'
import type { SipRequest } from '../message/sip-message.js'
import { parseUri, uriParam, type SipUri } from '../message/uri.js'
import { parseTarget, type Target } from '../proxy/target.js'
import type { Way } from '../dialog/uac-send.js'
import type { Peer } from '../transport/peer.js'
import type { Flow, Listener, TransportLayer, TransportName } from '../transport/transport.js'
import { Refused } from './app-request.js'

export interface FoundWay {
  way: Way
  /** The flow is that of the very phone. */
  direct: boolean
  /** The application named a flow, and gets 430 if it is gone (RFC 5626 §5.3.1). */
  named: boolean
}

/**
 * The outbound proxy of the command, else the flow that the target names, else the connection over which the phone has
 * registered, else where Route or Request-URI lead.
 *
 * @param proxy URI of the command, may name a flow; '' for none
 * @throws Refused
 */
export function wayOutside(
  request: SipRequest,
  target: Target,
  proxy: string,
  registered: (uri: string) => Peer | undefined,
  transport: TransportLayer,
): FoundWay {
  const wanted = proxy === '' ? target : parseTarget(proxy)
  if (!wanted) throw new Refused(`invalid request-uri: ${proxy}`)
  if (wanted.flow) return { way: { flow: wanted.flow }, direct: proxy === '', named: true }
  const phone = proxy === '' && target.route === undefined ? registered(target.uri) : undefined
  if (phone) return { way: { flow: phone }, direct: true, named: false }
  const route = proxy === '' ? request.values('route')[0] : undefined
  const hop = (route === undefined ? undefined : parseNameAddr(route)?.uri) ?? wanted.uri
  const uri = parseUri(hop)
  const challenger = uri && challengerAt(request, uri, transport)
  if (challenger) return { way: { flow: challenger }, direct: false, named: false }
  if (!uri || !canReach(uri, transport.listeners))
    throw new Refused('requested protocol/transport not available')
  if (transport.isLocal(uri.host, uri.port, transportOf(uri))) {
    throw new Refused('can not send request to myself')
  }
  return { way: { nextHop: hop }, direct: proxy === '' && isConnected(uri, transport), named: false }
}

/**
 * drachtio-srf sends a request that was challenged once more to the address that the challenge came from, but does not
 * know the transport: a connection to there is the way.
 */
function challengerAt(request: SipRequest, uri: SipUri, transport: TransportLayer): Peer | undefined {
  const { host, port } = uri
  const answers =
    request.get('authorization') !== undefined || request.get('proxy-authorization') !== undefined
  if (!answers || port === undefined || isIP(host) === 0 || uriParam(uri, 'transport') !== undefined)
    return undefined
  const name = (['tcp', 'tls', 'ws', 'wss'] as const).find((one) => transport.findFlow(one, host, port))
  return name && { transport: name, address: host, port }
}

/** A stand-in for the flow that a URI leads to: its listener tells which address of ours the peer will see. */
export function likelyFlow(transport: TransportLayer, uri: string): Flow | undefined {
  const parsed = parseUri(uri)
  const wanted = (parsed && transportOf(parsed)) ?? 'udp'
  const { listeners } = transport
  const listener = listeners.find((one) => one.transport === wanted) ?? listeners[0]
  if (!listener) return undefined
  // RFC 5737: any address out there.
  const remoteAddress = listener.family === 4 ? '192.0.2.1' : '2001:db8::1'
  return { transport: listener.transport, listener, remoteAddress, remotePort: 5060, open: true }
}

function transportOf(uri: SipUri): TransportName | undefined {
  const param = uriParam(uri, 'transport')?.toLowerCase()
  if (uri.scheme === 'sips') return param === 'ws' || param === 'wss' ? 'wss' : 'tls'
  if (param === undefined) return isIP(uri.host) !== 0 || uri.port !== undefined ? 'udp' : undefined
  return param as TransportName
}

/**
 * The URI is the very address of somebody who has a connection with us: a target as it has to be for drachtio-server,
 * where that is how a phone behind NAT is reached.
 */
function isConnected(uri: SipUri, transport: TransportLayer): boolean {
  const name = transportOf(uri)
  if (name === undefined || name === 'udp' || uri.port === undefined || isIP(uri.host) === 0) return false
  return transport.findFlow(name, uri.host, uri.port) !== undefined
}

/** A listener speaks that transport, and for a literal address its family; a name may lead anywhere (RFC 3263). */
function canReach(uri: SipUri, listeners: readonly Listener[]): boolean {
  if (uri.scheme !== 'sip' && uri.scheme !== 'sips') return false
  const transport = transportOf(uri)
  const family = isIP(uri.host)
  return listeners.some(
    (listener) =>
      (transport === undefined || listener.transport === transport) &&
      (family === 0 || listener.family === family),
  )
}
