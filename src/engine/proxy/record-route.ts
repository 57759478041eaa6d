/** Our own entries in Record-Route and Route: RFC 3261 §16.4, §16.6 step 4, and RFC 5658 (double Record-Route). */
import type { SipRequest } from '../message/sip-message.js'
import { formatHostPort } from '../message/host.js'
import { parseNameAddr } from '../message/name-addr.js'
import { parseUri, uriParam } from '../message/uri.js'
import { namedTransport } from '../resolve/next-hop.js'
import { defaultPort } from '../transport/default-ports.js'
import type { Peer } from '../transport/peer.js'
import type { Flow, TransportLayer } from '../transport/transport.js'
import type { Devices } from './devices.js'
import type { DialogTokens, VerifiedDialog } from './dialog-token.js'
import { withoutTag } from './forward.js'

/** Name of the URI parameter that carries the dialog token. */
const tokenParam = 'pl'

/** Outbound proxy, and the pair of RFC 5658. More of ours on top is no route set that we made. */
const maxOwnRoutes = 3

/** Methods that create dialogs, so that later requests must find back through us. */
const dialogForming = new Set(['INVITE', 'SUBSCRIBE', 'REFER', 'NOTIFY'])

export function formsDialog(method: string): boolean {
  return dialogForming.has(method)
}

/** What the Route header field and the Request-URI of a request say about us. */
export type RoutedRequest =
  /** A proven dialog of ours; our Route entries are taken off, the rest of the route stands. */
  | { kind: 'dialog'; dialog: VerifiedDialog }
  /** It claims a dialog through us, but can't prove it. */
  | { kind: 'forged' }
  /** No route of ours. */
  | { kind: 'none' }

export class RecordRouting {
  constructor(
    private readonly transport: TransportLayer,
    private readonly tokens: DialogTokens,
    private readonly devices: Devices,
  ) {}

  /**
   * Puts our entry on top of Record-Route; two entries where they would differ for the two sides, so that each side
   * gets an address, transport and address family that it can use (RFC 5658 §4).
   */
  record(request: SipRequest, original: SipRequest, incoming: Flow, outgoing: Flow): void {
    const shownFrom = request.get('from')
    const token = this.tokens.issue(original.callId, original.fromTag ?? '', {
      caller: this.#peer(incoming, contactOf(original)),
      callee: this.#peer(outgoing, request.uri),
      ...(shownFrom === undefined || shownFrom === original.get('from')
        ? {}
        : { shownFrom: withoutTag(shownFrom) }),
    })
    const toCaller = this.#uri(incoming, isSips(original.uri))
    const toCallee = this.#uri(outgoing, isSips(request.uri))
    for (const uri of toCaller === toCallee ? [toCallee] : [toCaller, toCallee]) {
      request.prepend('record-route', `<${uri};lr;${tokenParam}=${token}>`)
    }
  }

  /** RFC 3327 §5.2: our entry on top of Path. */
  path(request: SipRequest, outgoing: Flow): void {
    request.prepend('path', `<${this.#uri(outgoing, isSips(request.uri))};lr>`)
  }

  /**
   * §16.4: undoes what a strict router did to the Request-URI, takes our own entries off the top of Route, and
   * checks the token that they carry. Changes the request.
   */
  unroute(request: SipRequest): RoutedRequest {
    const routes = request.values('route')
    let token = this.#tokenOf(request.uri)
    if (token !== undefined) {
      // A strict router put our Record-Route URI into the Request-URI and the real target last into Route.
      const target = routes.pop()
      const uri = target === undefined ? undefined : parseNameAddr(target)?.uri
      if (uri === undefined) return { kind: 'forged' }
      request.uri = uri
    }
    let own = 0
    for (const route of routes.slice(0, maxOwnRoutes)) {
      const uri = parseNameAddr(route)?.uri
      if (uri === undefined || !this.#isOurs(uri)) break
      const routeToken = parameter(uri, tokenParam)
      // The second entry of a pair carries the same token; an entry of another dialog is not ours to skip. One without
      // a token is a phone's setting "outbound proxy" in front of the route set.
      if (token && routeToken && routeToken !== token) break
      token = routeToken || token || ''
      own++
    }
    if (token !== undefined) setRoutes(request, routes.slice(own))
    if (token === undefined) return { kind: 'none' }
    const verified = this.tokens.verify(token, request.callId, request.fromTag, request.toTag)
    if (!verified) return { kind: 'forged' }
    const { caller, callee } = verified
    return {
      kind: 'dialog',
      dialog: { ...verified, caller: this.devices.now(caller), callee: this.devices.now(callee) },
    }
  }

  #tokenOf(uri: string): string | undefined {
    // Cheap test first: nearly every Request-URI lacks the parameter.
    if (!uri.includes(`;${tokenParam}=`) || !this.#isOurs(uri)) return undefined
    return parameter(uri, tokenParam)
  }

  #isOurs(uri: string): boolean {
    const parsed = parseUri(uri)
    if (!parsed || (parsed.scheme !== 'sip' && parsed.scheme !== 'sips')) return false
    const transport = namedTransport(parsed) ?? (parsed.scheme === 'sips' ? 'tls' : undefined)
    return this.transport.isLocal(parsed.host, parsed.port, transport)
  }

  /** The peer at the other end of a flow; `uri` is where it says that it can be reached. */
  #peer(flow: Flow, uri: string | undefined): Peer {
    const { transport, remoteAddress: address, remotePort: port, listener } = flow
    const peer: Peer = { transport, address, port }
    const parsed = uri === undefined ? undefined : parseUri(uri)
    // The same address: no NAT is in between, so the port of the URI is one that takes messages and connections.
    if (parsed?.host === address) peer.listens = parsed.port ?? defaultPort(transport)
    if (transport === 'udp' && this.transport.hasTwin(listener)) peer.on = this.transport.localAddress(flow)
    const device = this.devices.nameOf(uri, flow)
    if (device !== undefined) peer.device = device
    return peer
  }

  /**
   * §16.6 step 4: sips where the Request-URI on that side is; its transport parameter names what is below TLS
   * (§26.2.2, RFC 7118 §5.2.2). Where that side is not secure in spite of it, a sips URI would lead to a wrong port.
   */
  #uri(flow: Flow, secure: boolean): string {
    const { host, port } = this.transport.localAddress(flow)
    const at = formatHostPort(host, port)
    if (secure && flow.transport === 'tls') return `sips:${at}`
    if (secure && flow.transport === 'wss') return `sips:${at};transport=ws`
    return flow.transport === 'udp' ? `sip:${at}` : `sip:${at};transport=${flow.transport}`
  }
}

/**
 * The URI that names the next hop of a request whose route was cleaned of our entries: RFC 3261 §16.6 steps 6 and 7.
 * Changes the request if that hop is a strict router.
 */
export function applyRemainingRoute(request: SipRequest): string {
  const top = request.values('route')[0]
  const uri = top === undefined ? undefined : parseNameAddr(top)?.uri
  if (uri === undefined) return request.uri
  if (parameter(uri, 'lr') !== undefined) return uri
  // The next hop is a strict router: it wants itself in the Request-URI and the target last in Route.
  const routes = request.values('route').slice(1)
  setRoutes(request, [...routes, `<${request.uri}>`])
  request.uri = uri
  return uri
}

function setRoutes(request: SipRequest, routes: readonly string[]): void {
  if (routes.length === 0) request.remove('route')
  else request.set('route', routes.join(', '))
}

function parameter(uri: string, name: string): string | undefined {
  const parsed = parseUri(uri)
  return parsed && uriParam(parsed, name)
}

function isSips(uri: string): boolean {
  return /^sips:/i.test(uri)
}

function contactOf(request: SipRequest): string | undefined {
  const contact = request.values('contact')[0]
  return contact === undefined ? undefined : parseNameAddr(contact)?.uri
}
