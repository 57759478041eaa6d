/**
 * What an application asks to be sent, as a SIP request: its text checked, its gaps filled (RFC 3261 §8.1.1). All but
 * Via; `localhost` stands for our own address until it is known which flow the request takes (`nameOurselves`).
 */
import { requestWithin, type Dialog } from '../dialog/dialog.js'
import { parseCSeq } from '../message/cseq.js'
import { headerParam, parseNameAddr } from '../message/name-addr.js'
import { SipRequest } from '../message/sip-message.js'
import { newTag, randomToken } from '../message/tokens.js'
import { parseUri } from '../message/uri.js'
import { parseTarget, type Target } from '../proxy/target.js'
import { startsLikeSdp, type AppMessage } from './app-message.js'

/** The command can't be done; the message is what drachtio-server would say. */
export class Refused extends Error {
  override readonly name = 'Refused'
}

/**
 * Ours (as on drachtio-server). Route as well: a B2BUA that hands on all header fields of its caller must not be led
 * by the caller's. The way is the command's outbound proxy, or the target's flow parameters.
 */
const notSettable = new Set(['via', 'route', 'record-route', 'content-length'])

/** A dialog's own. */
const ofDialog = new Set([...notSettable, 'from', 'to', 'call-id', 'cseq'])

/**
 * Methods whose requests tell where later ones shall go: RFC 3261 §8.1.1.8, RFC 6665 §8.2, RFC 3515 §2.1,
 * RFC 3311 §4.
 */
const withContact = new Set(['INVITE', 'SUBSCRIBE', 'REFER', 'NOTIFY', 'UPDATE'])

/** What drachtio-srf writes for the Request-URI within a dialog. */
const placeholder = 'sip:placeholder'

export interface StartLine {
  method: string
  uri: string
}

/** @throws Refused */
export function startLineOf(message: AppMessage): StartLine {
  const [, method, uri] = /^([A-Za-z0-9.!%*_+`'~-]+) (\S+) SIP\/2\.0$/.exec(message.startLine) ?? []
  if (method === undefined || uri === undefined) {
    throw new Refused(`invalid request-uri: ${message.startLine}`)
  }
  return { method: method.toUpperCase(), uri }
}

/**
 * A request outside any dialog. From (with or without tag), To, Call-ID, CSeq and Contact may be given.
 *
 * @param proxied the command names an outbound proxy, so that a URI may stand in it that leads nowhere by itself
 * @throws Refused
 */
export function requestOutside(
  message: AppMessage,
  proxied: boolean,
): { request: SipRequest; target: Target } {
  const { method, uri } = startLineOf(message)
  const target = parseTarget(uri) ?? (proxied && parseUri(uri) ? { uri } : undefined)
  if (!target) throw new Refused(`invalid request-uri: ${uri}`)
  checkBody(message)
  const request = new SipRequest(method, target.uri, [], message.body)
  if (target.route !== undefined) request.append('route', target.route)
  request.append('max-forwards', '70')
  const from = given(message, 'from')
  if (from !== undefined && !parseNameAddr(from)) {
    throw new Refused(`invalid from value provided by client: ${from}`)
  }
  request.append('from', tagged(from ?? `<${schemeOf(target.uri)}:localhost>`))
  const to = given(message, 'to')
  if (to !== undefined && !parseNameAddr(to)) {
    throw new Refused(`invalid to value provided by client: ${to}`)
  }
  request.append('to', to ?? `<${target.uri}>`)
  const callId = given(message, 'call-id')
  request.append('call-id', callId !== undefined && /^\S+$/.test(callId) ? callId : randomToken(16))
  const seq = parseCSeq(given(message, 'cseq') ?? '')?.seq ?? 1
  request.append('cseq', `${seq} ${method}`)
  fill(request, message, ofDialog)
  complete(request, `<${schemeOf(target.uri)}:localhost>`)
  return { request, target }
}

/**
 * A request within a dialog: the remote target stands in for `sip:placeholder`, and From, To, Call-ID, CSeq and Route
 * are the dialog's.
 *
 * @param seq sequence number of an ACK; for others the next one is taken
 * @throws Refused
 */
export function requestInside(dialog: Dialog, message: AppMessage, seq?: number): SipRequest {
  const { method, uri } = startLineOf(message)
  // An application that names another URI is believed, as on drachtio-server; not in an ACK (§13.2.2.4).
  const named = method !== 'ACK' && method !== 'PRACK' && uri !== placeholder
  const target = named ? parseTarget(uri) : undefined
  if (named && !target) throw new Refused(`invalid request-uri: ${uri}`)
  checkBody(message)
  const request = requestWithin(dialog, method, seq)
  request.body = message.body
  // Unless a strict router stands in its place.
  if (target && request.uri === dialog.remoteTarget) request.uri = target.uri
  fill(request, message, ofDialog)
  const scheme = schemeOf(dialog.remoteTarget)
  complete(request, dialog.localContact ?? `<${scheme}:localhost>`)
  return request
}

/** The application's header fields, in its order. */
function fill(request: SipRequest, message: AppMessage, except: ReadonlySet<string>): void {
  for (const { name, label, value } of message.headers) {
    if (except.has(name)) continue
    if (name === 'max-forwards') {
      if (/^\d{1,3}$/.test(value) && Number(value) <= 255) request.set(name, value)
    } else if (name !== 'contact' || parseNameAddr(value)) {
      // drachtio-srf writes "undefined" where it knows no Contact.
      request.append(name, value, label)
    }
  }
}

/** What may depend on what the application has given. */
function complete(request: SipRequest, contact: string): void {
  if (withContact.has(request.method) && request.get('contact') === undefined) {
    request.append('contact', contact)
  }
  if (request.body.length > 0 && request.get('content-type') === undefined) {
    request.append('content-type', 'application/sdp')
  }
}

/** @throws Refused */
function checkBody({ body, headers }: AppMessage): void {
  if (body.length === 0 || startsLikeSdp(body)) return
  if (!headers.some(({ name }) => name === 'content-type')) throw new Refused('missing content-type')
}

function given(message: AppMessage, wanted: string): string | undefined {
  const value = message.headers.find(({ name }) => name === wanted)?.value
  return value === '' ? undefined : value
}

function tagged(from: string): string {
  return headerParam(from, 'tag') === undefined ? `${from};tag=${newTag()}` : from
}

/** §8.1.1.8: a sips: request wants a sips: Contact. */
function schemeOf(uri: string): string {
  return uri.startsWith('sips:') ? 'sips' : 'sip'
}
