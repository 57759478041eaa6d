/** Where a request goes: from the number dialled to the phones that ring. Pure. */
import type { Registration, SecurityModel, SipAccount, SipTransport } from '../store/types.js'
import { parseNameAddr } from './header-values.js'
import { hostName, parseSipUri, unescape, uriScheme, type SipUri } from './sip-uri.js'
import { warning, type Reply } from './reply.js'

/** A phone to reach. */
export interface Target {
  /** The phone's own contact URI, and the flow it registered over (see `targetUri`). */
  uri: string
  registration: Registration
}

/**
 * The virtual number that a Request-URI names, undefined if it names none. `isOurs` tells whether a domain is served
 * here: a local number of another context is another number (RFC 3966 §5.1.5).
 */
export function dialledNumber(uri: string, isOurs: (domain: string) => boolean): string | undefined {
  if (uriScheme(uri) === 'tel') {
    const [text, ...params] = uri.slice('tel:'.length).split(';')
    const number = asNumber(text, true)
    // Mandatory for a local number (§5.1.5), but phones leave it out.
    const context = params.find((param) => /^phone-context=/i.test(param))?.slice('phone-context='.length)
    const here = context === undefined || isOurs(hostName(context))
    return number?.startsWith('+') || here ? number : undefined
  }
  const sip = parseSipUri(uri)
  // The user part may be a telephone-subscriber with parameters of its own (§19.1.6).
  return asNumber(sip?.user?.split(';')[0], sip?.params.get('user')?.toLowerCase() === 'phone')
}

function asNumber(text: string | undefined, telephone: boolean): string | undefined {
  const decoded = text === undefined ? undefined : unescape(text)
  // Visual separators carry no meaning (RFC 3966 §5.1.1).
  const number = telephone ? decoded?.replace(/[-.()]/g, '') : decoded
  return number !== undefined && /^\+?[0-9]{1,32}$/.test(number) ? number : undefined
}

export function isSecure(transport: SipTransport): boolean {
  return transport === 'tls' || transport === 'wss'
}

/** Whether an account of this model may use this transport for its signalling. */
export function allowsTransport(model: SecurityModel, transport: SipTransport): boolean {
  return model === 'standard' || isSecure(transport)
}

/** The answer to a caller whose own signalling is weaker than its account promises; undefined if all is well. */
export function refuseWeakCaller(caller: SipAccount, transport: SipTransport): Reply | undefined {
  if (allowsTransport(caller.securityModel, transport)) return undefined
  return {
    status: 488,
    headers: warning(
      `The security model ${caller.securityModel} needs TLS or WSS between your phone and the server`,
    ),
  }
}

/** Whether this Request-URI asks for TLS on every hop (§26.2.2). */
export function asksForSecurity(uri: string): boolean {
  return uriScheme(uri) === 'sips'
}

/**
 * The answer to a sips: URI that came, or would have to go on, over less than TLS (§26.2.2: never in silence); undefined
 * if all is well. RFC 5630 §4.1 has no better status than 480; the Warning tells why.
 */
export function refuseDowngrade(uri: string, transport: SipTransport): Reply | undefined {
  if (!asksForSecurity(uri) || isSecure(transport)) return undefined
  return notByTls('a sips: address needs TLS or WSS between your phone and the server')
}

function notByTls(why: string): Reply {
  return { status: 480, reason: 'SIPS Not Allowed', headers: warning(`SIPS Not Allowed: ${why}`, 380) }
}

/**
 * Which phones ring when `caller` dials the number of `callee`, or why none does. `secure`: only those that are
 * reached over TLS or WSS.
 */
export function route(
  caller: SipAccount,
  callee: SipAccount | undefined,
  bindings: readonly Registration[],
  secure = false,
): { targets: readonly Target[] } | { reply: Reply } {
  if (!callee) return { reply: { status: 404, reason: 'No Such Number' } }
  if (!callee.enabled) return { reply: { status: 480 } }
  if (caller.securityModel !== callee.securityModel) {
    const text = `Security models do not fit: you have ${caller.securityModel}, the called account has ${callee.securityModel}`
    return { reply: { status: 488, headers: warning(text) } }
  }
  const allowed = bindings.filter(({ transport }) => allowsTransport(callee.securityModel, transport))
  const reachable = secure ? allowed.filter(({ transport }) => isSecure(transport)) : allowed
  if (reachable.length === 0 && allowed.length > 0)
    return { reply: notByTls('no phone of the called account is connected by TLS or WSS') }
  const targets = onePerDevice(reachable).flatMap((registration) => {
    const uri = targetUri(registration)
    return uri === undefined ? [] : [{ uri, registration }]
  })
  return targets.length > 0 ? { targets } : { reply: { status: 480, reason: 'Not Registered' } }
}

/** Several flows of one device (RFC 5626 §5.3): only the newest, or the phone would ring twice. Newest first. */
function onePerDevice(bindings: readonly Registration[]): Registration[] {
  const seen = new Set<string>()
  return bindings.filter(({ instance, regId }) => {
    if (instance === null || regId === null) return true
    return !seen.has(instance) && seen.add(instance)
  })
}

/** Parameters by which the engine is told the way to a phone, and which it takes off again. */
const OURS = ['flow', 'flow-transport', 'flow-on', 'flow-route', 'flow-q']

/**
 * The URI that the embedded engine is told: the contact itself becomes the Request-URI (§16.6 step 2), `flow` and
 * `flow-transport` say which connection leads to the phone, `flow-on` from which listener a datagram has to come, and
 * `flow-route` is the Route header: the proxies that the phone registered through (RFC 3327 §5.3). `flow-q`: phones of
 * a lower q ring when those of a higher one have not answered (§16.6).
 */
export function targetUri(registration: Registration): string | undefined {
  const { contact, source, transport, receivedOn, path, q } = registration
  const uri = parseSipUri(contact)
  if (!uri) return undefined
  // Parameters of that name in the contact would send the call wherever the phone likes.
  const params = [...uri.params].filter(([name]) => !OURS.includes(name))
  // What sent us the REGISTER is the proxy nearest to us, where there is one.
  const neighbour = path[0] === undefined ? uri : parseSipUri(parseNameAddr(path[0])?.uri ?? '')
  params.push(
    ['flow', transport === 'udp' && neighbour ? datagramFlow(neighbour, source) : source],
    ['flow-transport', transport],
  )
  if (transport === 'udp' && receivedOn !== null) params.push(['flow-on', receivedOn])
  // encodeURIComponent leaves just those as they are that a URI parameter may hold (§25.1 unreserved).
  if (path.length > 0) params.push(['flow-route', encodeURIComponent(path.join(', '))])
  if (q < 1) params.push(['flow-q', String(Number(q.toFixed(3)))])
  // Headers are not allowed in a Request-URI (§19.1.1), and drachtio's proxy command takes no sips: targets.
  return `sip:${userInfo(uri)}${address(uri)}${params.map(([name, value]) => `;${name}${value === null ? '' : `=${value}`}`).join('')}`
}

/**
 * A phone (or proxy) that is not behind a NAT, which its address in the Contact (or Path) shows, is reached at the port
 * that stands there: some phones send from one port and listen on another (RFC 3581 §1). For all others the source is the way in.
 */
function datagramFlow(neighbour: SipUri, source: string): string {
  const named = address({ ...neighbour, port: neighbour.port ?? 5060 })
  return source.startsWith(`${address({ ...neighbour, port: null })}:`) ? named : source
}

function userInfo({ user, password }: SipUri): string {
  if (user === null) return ''
  return password === null ? `${user}@` : `${user}:${password}@`
}

function address({ host, port }: SipUri): string {
  const literal = host.includes(':') ? `[${host}]` : host
  return port === null ? literal : `${literal}:${port}`
}
