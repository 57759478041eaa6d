/** Making the request that goes on, and the response that goes back: RFC 3261 §16.6 and §16.7. */
import { createHash } from 'node:crypto'
import { headerParam } from '../message/name-addr.js'
import type { SipRequest, SipResponse } from '../message/sip-message.js'
import { magicCookie, parseVia } from '../message/via.js'
import type { TransportLayer } from '../transport/transport.js'

/**
 * Headers that the application wants on the forwarded request: name (any case) and value. An empty value takes the
 * header off; that is our extension to drachtio's protocol, which can't remove one.
 */
export type HeaderEdits = readonly (readonly [name: string, value: string])[]

/** These are the engine's own: an application can't set them (as on drachtio-server). */
const immutable = new Set([
  'via',
  'route',
  'record-route',
  'content-length',
  'call-id',
  'cseq',
  'max-forwards',
])

/** Headers of which several may stand side by side: an edit adds one. All others are replaced. */
const additive = new Set([
  'accept',
  'accept-encoding',
  'accept-language',
  'alert-info',
  'allow',
  'allow-events',
  'call-info',
  'diversion',
  'error-info',
  'geolocation',
  'history-info',
  'path',
  'proxy-require',
  'reason',
  'require',
  'service-route',
  'supported',
  'unsupported',
  'warning',
])

export function applyEdits(request: SipRequest, edits: HeaderEdits): void {
  for (const [label, value] of edits) {
    const name = label.toLowerCase()
    if (immutable.has(name)) continue
    if (value === '') request.remove(name)
    else if (name === 'from' || name === 'to') request.set(name, keepTag(value, request.get(name)))
    else if (additive.has(name)) request.append(name, value, label)
    else request.set(name, value, label)
  }
}

/** The tag identifies the dialog (§12.1.1): whatever the application writes, the one of the peer stays. */
function keepTag(value: string, original: string | undefined): string {
  const tag = original === undefined ? undefined : headerParam(original, 'tag')
  const bare = withoutTag(value)
  return tag === undefined ? bare : `${bare};tag=${tag}`
}

/** A From or To value without its tag; a parameter of that name within the URI stays. */
export function withoutTag(value: string): string {
  return value.replace(/;\s*tag\s*=[^;,>\s]*(?=[^>]*$)/i, '')
}

const claimedIdentities = ['p-asserted-identity', 'p-preferred-identity', 'remote-party-id']

/** What tells of the call's past, or signs who makes it (RFC 8224, RFC 7044, RFC 5806): nobody of ours has verified it. */
const claimedPast = ['identity', 'history-info', 'diversion']

/**
 * Edits for every request that comes from a phone: an identity that it claims is not trusted (RFC 3325 §5), and its
 * credentials were for us.
 */
export const untrusted: HeaderEdits = [
  ...claimedIdentities,
  ...claimedPast,
  'proxy-authorization',
  'authorization',
].map((name) => [name, ''] as const)

/** §16.3 step 3: a request may only travel on while it has hops left; else 483. */
export function hasHopsLeft(request: SipRequest): boolean {
  return Number(request.get('max-forwards') ?? 70) > 0
}

/** §16.6 step 3, for a request that has hops left. */
export function decrementMaxForwards(request: SipRequest): void {
  const hops = request.get('max-forwards')
  request.set('max-forwards', hops === undefined ? '70' : String(Number(hops) - 1))
}

/**
 * The part of our branch that repeats exactly if the request comes round again unchanged (§16.6 step 8); a request
 * that comes back with another target is a spiral and passes.
 */
export function loopHash(request: SipRequest): string {
  return createHash('sha1')
    .update(
      [
        request.uri,
        request.method,
        request.callId,
        request.cseq.seq,
        request.fromTag ?? '',
        request.toTag ?? '',
        request.lines('route').join(),
        request.lines('proxy-require').join(),
        request.lines('proxy-authorization').join(),
      ].join('\0'),
      'latin1',
    )
    .digest('base64url')
    .slice(0, 12)
}

/** §16.3 step 4: one of our own Via entries with the hash that this request would get again. */
export function isLoop(request: SipRequest, transport: TransportLayer): boolean {
  let hash: string | undefined
  const vias = request.values('via')
  // The topmost Via is the sender's; nearly always it is the only one.
  for (let index = 0; index < vias.length; index++) {
    const via = parseVia(vias[index] ?? '')
    if (!via || via.branch === undefined || !transport.isLocal(via.host, via.port)) continue
    hash ??= loopHash(request)
    if (via.branch.startsWith(`${magicCookie}${hash}.`)) return true
  }
  return false
}

export function branchParameter(hash: string, unique: string): string {
  return `${magicCookie}${hash}.${unique}`
}

/**
 * §16.7 step 3: our Via off, identities that a phone claims off (RFC 3325 §5), and the header fields that the application
 * replaced as the caller sent them: From must come back unchanged (§8.2.6.2). Undefined if no Via is left: the response was meant for us alone.
 */
export function responseUpstream(
  response: SipResponse,
  original: SipRequest,
  edits: HeaderEdits,
): SipResponse | undefined {
  const upstream = response.clone()
  upstream.shiftValue('via')
  if (upstream.get('via') === undefined) return undefined
  for (const name of claimedIdentities) upstream.remove(name)
  for (const [label] of edits) {
    const name = label.toLowerCase()
    if (name === 'from') upstream.set('from', original.get('from') ?? '')
    if (name === 'to') upstream.set('to', keepTag(original.get('to') ?? '', response.get('to')))
  }
  return upstream
}
