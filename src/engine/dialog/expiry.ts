/** Subscriptions that nobody refreshes. */
import type { SipRequest, SipResponse } from '../message/sip-message.js'
import type { Dialog } from './dialog.js'
import type { DialogEnvironment } from './environment.js'
import { beginsUsage, usageOf } from './usages.js'

/** A subscription for which nobody names a time, seconds. */
const defaultExpires = 3600

/** When each subscription ends that is not refreshed. Scheduler time, ms. */
const expiries = new WeakMap<Dialog, Map<string, number>>()

/**
 * The response to a SUBSCRIBE or REFER has begun a subscription, or extended it; others are left alone. RFC 6665 §4.1.3: a
 * notifier that says nothing at the end must not leave a dialog here for ever.
 */
export function expireLater(
  env: DialogEnvironment,
  dialog: Dialog,
  request: SipRequest,
  response: SipResponse,
): void {
  if (request.method === 'INVITE' || response.status >= 300 || !beginsUsage(request, response)) return
  const { scheduler, timing, dialogs } = env
  const usage = usageOf(request)
  const granted = response.get('expires') ?? request.get('expires') ?? ''
  const seconds = /^\d{1,9}$/.test(granted) ? Number(granted) : defaultExpires
  const delay = seconds * 1000 + 64 * timing.t1
  const until = scheduler.now() + delay
  const ofDialog = expiries.get(dialog) ?? new Map<string, number>()
  expiries.set(dialog, ofDialog.set(usage, until))
  scheduler.after(delay, () => {
    if (ofDialog.get(usage) === until && dialog.state !== 'ended') dialogs.endUsage(dialog, usage)
  })
}
