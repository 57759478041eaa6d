/** What lives within a dialog: the call, and subscriptions (RFC 5057). It ends with the last of them. */
import { headerParam } from '../message/name-addr.js'
import type { SipMessage, SipRequest } from '../message/sip-message.js'
import type { Dialog } from './dialog.js'
import type { DialogTable } from './table.js'

/**
 * Methods whose responses make dialogs (RFC 3261 §12.1; RFC 6665 §4.4.1; RFC 3515 §2.4.6), so that their requests have to
 * say where later ones shall go.
 */
export const dialogMaking: ReadonlySet<string> = new Set(['INVITE', 'SUBSCRIBE', 'REFER'])

/** RFC 6665 §8.2.1: a subscription is told from others in the dialog by its event package and id. */
export function usageOf(request: SipMessage): string {
  if (request.cseq.method === 'INVITE') return 'invite'
  // RFC 3515 §2.4.6: REFER makes a subscription; with several, NOTIFY names them by the REFER's sequence number.
  if (request.cseq.method === 'REFER') return `refer;${request.cseq.seq}`
  const event = request.get('event') ?? ''
  const name = event.split(';', 1)[0]?.trim().toLowerCase() ?? ''
  return `${name};${headerParam(event, 'id') ?? ''}`
}

/**
 * The subscription that a SUBSCRIBE or REFER makes, or that a NOTIFY means; undefined if there is no such one. `refer`
 * without an id means the first REFER of the dialog (RFC 3515 §2.4.6).
 */
export function subscriptionOf(dialog: Dialog, message: SipMessage): string | undefined {
  const usage = usageOf(message)
  if (message.cseq.method !== 'NOTIFY' || dialog.usages.has(usage)) return usage
  return usage === 'refer;' ? [...dialog.usages].find((other) => other.startsWith(usage)) : undefined
}

/** A NOTIFY has ended a subscription (RFC 6665 §4.1.3), sent or received. */
export function endSubscription(dialog: Dialog, notify: SipMessage): void {
  const usage = subscriptionOf(dialog, notify)
  if (usage !== undefined) dialog.usages.delete(usage)
}

/** RFC 6665 §4.1.3: this NOTIFY is the last one of its subscription. */
export function isLastNotify(notify: SipMessage): boolean {
  return (
    notify.cseq.method === 'NOTIFY' && /^\s*terminated\s*(;|$)/i.test(notify.get('subscription-state') ?? '')
  )
}

/**
 * What the final response to a request within a dialog, of either side, does to the usages and to the dialog (RFC 5057
 * §5).
 *
 * @param status 408 stands for no answer at all
 * @param response absent if none has come
 */
export function applyFinal(
  dialogs: DialogTable,
  dialog: Dialog,
  request: SipRequest,
  status: number,
  response?: SipMessage,
): void {
  if (status >= 200 && status < 300) {
    if (beginsUsage(request, response)) dialog.usages.add(usageOf(request))
  } else if (status === 481 || status === 408) {
    loseUsage(dialog, request)
  }
  // RFC 3261 §15.1.1: whatever the answer, the call is over; unless the request has to come again with credentials. So is
  // a subscription: its notifier has done with it, and nobody would end it a second time (RFC 6665 §4.2.2).
  if (status >= 200 && status !== 401 && status !== 407) {
    if (request.method === 'BYE') dialog.usages.delete('invite')
    if (isLastNotify(request)) endSubscription(dialog, request)
  }
  if (dialog.usages.size === 0) dialogs.remove(dialog)
}

/** Whether a 2xx to this request makes a call or a subscription. */
export function beginsUsage(request: SipRequest, response: SipMessage | undefined): boolean {
  if (request.method === 'INVITE' || request.method === 'SUBSCRIBE') return true
  // RFC 4488 §4: a REFER may make no subscription.
  return request.method === 'REFER' && !/^\s*false\b/i.test(response?.get('refer-sub') ?? '')
}

/** §5.1: of a subscription only that is lost, of anything else the whole dialog. */
function loseUsage(dialog: Dialog, request: SipRequest): void {
  if (request.method === 'NOTIFY') endSubscription(dialog, request)
  else if (request.method === 'SUBSCRIBE') dialog.usages.delete(usageOf(request))
  else if (request.method !== 'PRACK') dialog.usages.clear()
}
