/**
 * A dialog (RFC 3261 §12) whose one end is an application of ours: its state as plain data, and the rules of §12 as
 * functions on it. Nothing here sends, waits or looks at a clock.
 */
import { parseNameAddr } from '../message/name-addr.js'
import { SipRequest, type SipMessage, type SipResponse } from '../message/sip-message.js'
import { formatUri, parseUri, uriParam, withoutUriParams, type SipUri } from '../message/uri.js'
import type { Incoming } from '../transaction/incoming.js'
import type { Flow } from '../transport/transport.js'
import type { Session } from './session.js'
import { usageOf } from './usages.js'

/** The connected application that a dialog belongs to: a control session. */
export interface DialogOwner {
  /** False once its connection is gone. */
  readonly authenticated: boolean
  /** False while it leaves too much unread to be given more. */
  readonly keepsUp: boolean
  send(text: string): void
}

export type DialogRole = 'uac' | 'uas'

export interface Dialog {
  /** drachtio's name for it: `<Call-ID>;from-tag=<tag of who sent the first request>`; forks of one call share it. */
  readonly id: string
  readonly role: DialogRole
  /** `ended` once the table has let it go. */
  state: 'early' | 'confirmed' | 'ended'
  readonly callId: string
  readonly localTag: string
  /** '' for a peer of RFC 2543 (§12.1.1). */
  readonly remoteTag: string
  /** Of the last request that we sent. */
  localSeq: number
  /** Of the last request that the peer sent; undefined before the first. */
  remoteSeq: number | undefined
  /** From and To values of requests that we send, tags included. */
  readonly local: string
  readonly remote: string
  /** The Contact value that the peer knows us by; undefined: none was ever sent. */
  localContact: string | undefined
  /** URI. */
  remoteTarget: string
  /** Route values, in the order of the requests that we send. */
  routeSet: readonly string[]
  /** What the peer was seen over last. */
  flow: Flow
  /** The peer itself is at the other end of the flow: no proxy in between. */
  readonly direct: boolean
  owner: DialogOwner
  /** What lives in it (RFC 5057): `invite`, or an event package with its id. It ends with the last of them. */
  readonly usages: Set<string>
  /** An INVITE of ours that has no final response yet (§14). */
  ourInvite: boolean
  /** The INVITE of the peer that has no final response yet. */
  peerInvite: Incoming | undefined
  /** An UPDATE of ours with an offer has no final response yet (RFC 3311 §5.2). */
  ourUpdate: boolean
  /** An UPDATE of the peer has none. */
  peerUpdate: boolean
  /** The application has sent BYE, and knows the call no longer; it lasts until the answer to that. */
  leaving: boolean
  /** The session description that we sent last and that was taken; undefined: none. */
  localSdp: Buffer | undefined
  /** The session timer; undefined: none. */
  session: Session | undefined
  /** Told when the table lets it go. */
  readonly onEnd: (() => void)[]
}

/** Methods whose requests and 2xx responses move the remote target (§12.2, RFC 3311 §5.1, RFC 6665 §4.4.1). */
const targetRefreshing = new Set(['INVITE', 'UPDATE', 'SUBSCRIBE', 'NOTIFY'])

/**
 * `|` separates the fields of drachtio's frames: a Call-ID or tag with one in it would end the name early, and a peer
 * could have its dialog taken for that of another.
 */
export function dialogId(callId: string, fromTag: string): string {
  return `${callId};from-tag=${fromTag}`.replaceAll('|', '%7C')
}

/**
 * §12.1.1: the dialog that our response to a request from the network makes. Early for a 1xx, confirmed for a 2xx.
 * Undefined if the request has no usable Contact (answer it with 400), or one of the two no tag.
 */
export function dialogOfUas(
  request: SipRequest,
  response: SipResponse,
  flow: Flow,
  owner: DialogOwner,
): Dialog | undefined {
  const remoteTarget = contactUri(request)
  const { fromTag: remoteTag = '' } = request
  const { toTag: localTag } = response
  if (remoteTarget === undefined || localTag === undefined) return undefined
  return {
    ...begun(request, response, flow, owner),
    id: dialogId(request.callId, remoteTag),
    role: 'uas',
    localTag,
    remoteTag,
    localSeq: 0,
    remoteSeq: request.cseq.seq,
    local: response.get('to') ?? '',
    remote: request.get('from') ?? '',
    localContact: response.get('contact'),
    remoteTarget,
    routeSet: request.values('record-route'),
    direct: request.values('via').length === 1,
  }
}

/**
 * §12.1.2: the dialog that a response from the network to our request makes. Early for a 1xx, confirmed for a 2xx.
 * Undefined if it has no To tag or no usable Contact (a 1xx may lack it: then there is no dialog yet).
 *
 * @param request as it was sent
 * @param flow what it was sent over
 */
export function dialogOfUac(
  request: SipRequest,
  response: SipResponse,
  flow: Flow,
  owner: DialogOwner,
): Dialog | undefined {
  const remoteTarget = contactUri(response)
  const { fromTag: localTag } = request
  const { toTag: remoteTag } = response
  if (remoteTarget === undefined || localTag === undefined || remoteTag === undefined) return undefined
  return {
    ...begun(request, response, flow, owner),
    id: dialogId(request.callId, localTag),
    role: 'uac',
    localTag,
    remoteTag,
    localSeq: request.cseq.seq,
    remoteSeq: undefined,
    local: request.get('from') ?? '',
    remote: response.get('to') ?? '',
    localContact: request.get('contact'),
    remoteTarget,
    routeSet: response.values('record-route').reverse(),
    direct: false,
  }
}

/** What is the same on both sides. */
function begun(
  request: SipRequest,
  response: SipResponse,
  flow: Flow,
  owner: DialogOwner,
): Pick<
  Dialog,
  | 'state'
  | 'callId'
  | 'flow'
  | 'owner'
  | 'usages'
  | 'ourInvite'
  | 'peerInvite'
  | 'ourUpdate'
  | 'peerUpdate'
  | 'leaving'
  | 'localSdp'
  | 'session'
  | 'onEnd'
> {
  return {
    state: response.status < 200 ? 'early' : 'confirmed',
    callId: request.callId,
    flow,
    owner,
    usages: new Set([usageOf(request)]),
    ourInvite: false,
    peerInvite: undefined,
    ourUpdate: false,
    peerUpdate: false,
    leaving: false,
    localSdp: undefined,
    session: undefined,
    onEnd: [],
  }
}

/**
 * §12.1.2 and §13.2.2.4: the 2xx confirms an early dialog of ours, and its Record-Route and Contact count from now on.
 * `response` is the one that was received (uac) or sent (uas).
 */
export function confirm(dialog: Dialog, response: SipResponse): void {
  dialog.state = 'confirmed'
  if (dialog.role === 'uas') {
    dialog.localContact = response.get('contact') ?? dialog.localContact
    return
  }
  dialog.routeSet = response.values('record-route').reverse()
  dialog.remoteTarget = contactUri(response) ?? dialog.remoteTarget
}

/**
 * §12.2.1.1: a request of ours within the dialog, all but Via and Contact; `nextHopOf` says where it goes. Takes the
 * next local sequence number; `seq` is given for ACK, which has that of its INVITE (§13.2.2.4).
 */
export function requestWithin(dialog: Dialog, method: string, seq?: number): SipRequest {
  const routes = [...dialog.routeSet]
  const request = new SipRequest(method, dialog.remoteTarget)
  const strict = strictRouter(dialog)
  if (strict) {
    // A strict router wants itself in the Request-URI, and the target last in Route.
    routes.shift()
    routes.push(`<${dialog.remoteTarget}>`)
    // §19.1.1 table 1: neither method nor headers may stand in a Request-URI.
    request.uri = formatUri({ ...withoutUriParams(strict, ['method']), headers: [] })
  }
  for (const route of routes) request.append('route', route)
  request.append('max-forwards', '70')
  request.append('from', dialog.local)
  request.append('to', dialog.remote)
  request.append('call-id', dialog.callId)
  request.append('cseq', `${seq ?? ++dialog.localSeq} ${method}`)
  return request
}

/**
 * §12.2.2: false if the request is older than one that was seen (answer 500). ACK and CANCEL have the number of their
 * INVITE and are not asked about.
 */
export function acceptSequence(dialog: Dialog, request: SipRequest): boolean {
  const { seq } = request.cseq
  if (dialog.remoteSeq !== undefined && seq < dialog.remoteSeq) return false
  dialog.remoteSeq = seq
  return true
}

/**
 * §12.2.1.2 and §12.2.2: takes the peer's Contact from its request, or from its 2xx to a request of ours, as the new
 * remote target. `flow`: what a request came over.
 */
export function refreshTarget(dialog: Dialog, message: SipMessage, flow?: Flow): void {
  if (!targetRefreshing.has(message.cseq.method)) return
  const target = contactUri(message)
  if (target === undefined) return
  dialog.remoteTarget = target
  if (flow) dialog.flow = flow
}

function strictRouter(dialog: Dialog): SipUri | undefined {
  const first = uriIn(dialog.routeSet[0])
  const uri = first === undefined ? undefined : parseUri(first)
  return uri && uriParam(uri, 'lr') === undefined ? uri : undefined
}

/** The URI of the first Contact value. */
export function contactUri(message: SipMessage): string | undefined {
  const uri = uriIn(message.values('contact')[0])
  return uri !== undefined && parseUri(uri) ? uri : undefined
}

/** The URI of a name-addr value. */
export function uriIn(value: string | undefined): string | undefined {
  return value === undefined ? undefined : parseNameAddr(value)?.uri
}
