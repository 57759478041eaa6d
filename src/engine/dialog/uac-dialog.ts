/** The dialogs that responses to requests of ours make: RFC 3261 §12.1.2, and what is made of responses that fall short. */
import { responseTo } from '../message/response.js'
import type { SipMessage, SipRequest, SipResponse } from '../message/sip-message.js'
import type { Flow } from '../transport/transport.js'
import { confirm, contactUri, dialogOfUac, refreshTarget, type Dialog, type DialogOwner } from './dialog.js'
import type { DialogTable } from './table.js'
import { applyFinal } from './usages.js'

/** A request of ours as it was sent. */
export interface SentRequest {
  request: SipRequest
  flow: Flow
  owner: DialogOwner
  /** It went to the peer itself, over a flow of the peer's: no proxy is in between. */
  direct: boolean
}

/**
 * The dialog of that response, which stands in the table from now on: a new one, or the one of an earlier response with
 * this To tag. A provisional response makes one if it has a To tag and a Contact, or waits for a PRACK; a 2xx always,
 * since somebody has to end what it began.
 */
export function dialogOfResponse(
  dialogs: DialogTable,
  sent: SentRequest,
  response: SipResponse,
): Dialog | undefined {
  const { request } = sent
  const { status } = response
  if (status < 200 && response.toTag === undefined) return undefined
  const known = dialogs.byTags(request.callId, request.fromTag ?? '', response.toTag ?? '')
  if (known) {
    if (status >= 200 && known.state === 'early') confirm(known, response)
    return known
  }
  const needed = status >= 200 || response.get('rseq') !== undefined
  const dialog = dialogOf(sent, needed ? completed(sent, response) : response)
  if (dialog) dialogs.add(dialog)
  return dialog
}

/**
 * RFC 6665 §4.4.1: the dialog that a NOTIFY makes, while the SUBSCRIBE or REFER has no response; in the table from now
 * on. Undefined if it names no place to reach its sender.
 */
export function dialogOfNotify(
  dialogs: DialogTable,
  { request, owner }: SentRequest,
  notify: SipRequest,
  flow: Flow,
): Dialog | undefined {
  const { fromTag = '' } = notify
  const known = dialogs.byTags(request.callId, request.fromTag ?? '', fromTag)
  if (known) return known
  const contact = notify.lines('contact').map((line) => ['Contact', line] as const)
  const response = responseTo(request, 200, undefined, { toTag: fromTag, headers: contact })
  // Of a request they stand in the order of the way to its sender (§12.1.1), of a response in the other (§12.1.2).
  const routes = notify.values('record-route').reverse()
  if (routes.length > 0) response.append('record-route', routes.join(', '))
  const direct = notify.values('via').length === 1
  const dialog = dialogOf({ request, flow, owner, direct }, response)
  if (dialog) dialogs.add(dialog)
  return dialog
}

function dialogOf({ request, flow, owner, direct }: SentRequest, response: SipResponse): Dialog | undefined {
  const dialog = dialogOfUac(request, response, flow, owner)
  // §12.1.2: the tag of a peer of RFC 2543 is null, and is not written.
  return dialog && { ...dialog, direct, remote: dialog.remote.replace(/;tag=$/, '') }
}

/** What is missing in it, guessed: with nothing but the Request-URI the peer still gets its ACK or PRACK, and its BYE. */
function completed({ request }: SentRequest, response: SipResponse): SipResponse {
  const whole = response.clone()
  if (whole.toTag === undefined) whole.set('to', `${whole.get('to') ?? request.get('to') ?? ''};tag=`)
  if (contactUri(whole) === undefined) whole.set('contact', `<${request.uri}>`)
  return whole
}

/**
 * §12.2.1.2: after 408 or 481 a call is to be ended with a BYE. That is left to the application, which has got the
 * response; only these leave nothing to be ended.
 */
const endedByItself = new Set(['BYE', 'SUBSCRIBE', 'NOTIFY'])

/** What the end of a request of ours means for the dialog that it was sent in. `response` absent: none has come. */
export function concludeWithin(
  dialogs: DialogTable,
  dialog: Dialog,
  request: SipRequest,
  status: number,
  response?: SipMessage,
): void {
  if (response && status < 300) refreshTarget(dialog, response)
  const lost = status === 408 || status === 481
  if (!lost || endedByItself.has(request.method)) applyFinal(dialogs, dialog, request, status, response)
}
