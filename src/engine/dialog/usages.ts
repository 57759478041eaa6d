/** What lives within a dialog: the call, and subscriptions (RFC 5057). It ends with the last of them. */
import { headerParam } from '../message/name-addr.js'
import type { SipMessage } from '../message/sip-message.js'
import type { Dialog } from './dialog.js'

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
 * A NOTIFY has ended a subscription (RFC 6665 §4.1.3), sent or received. `refer` without an id means the first REFER
 * of the dialog (RFC 3515 §2.4.6).
 */
export function endSubscription(dialog: Dialog, notify: SipMessage): void {
  const usage = usageOf(notify)
  if (dialog.usages.delete(usage) || usage !== 'refer;') return
  for (const other of dialog.usages) {
    if (!other.startsWith('refer;')) continue
    dialog.usages.delete(other)
    return
  }
}

/** RFC 6665 §4.1.3: this NOTIFY is the last one of its subscription. */
export function isLastNotify(notify: SipMessage): boolean {
  return (
    notify.cseq.method === 'NOTIFY' && /^\s*terminated\s*(;|$)/i.test(notify.get('subscription-state') ?? '')
  )
}
