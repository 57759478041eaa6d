/** Subscriptions that nobody refreshes. */
import { headerParam } from '../message/name-addr.js'
import type { SipMessage, SipRequest, SipResponse } from '../message/sip-message.js'
import type { Timer } from '../transaction/timers.js'
import type { Dialog } from './dialog.js'
import type { DialogEnvironment } from './environment.js'
import { beginsUsage, subscriptionOf } from './usages.js'

/** A subscription for which nobody names a time, seconds. */
const defaultExpires = 3600

/** A longer time is waited for in pieces, so that no timer that was cancelled stays in the wheel for years. ms. */
const longestWait = 3_600_000

/** When each subscription ends that is not refreshed. */
const expiries = new WeakMap<Dialog, Map<string, Timer>>()

/**
 * A request has been accepted that begins a subscription or extends it (SUBSCRIBE, REFER, NOTIFY); others are left alone.
 * RFC 6665 §4.1.3: a notifier that says nothing at the end must not leave a dialog here for ever.
 */
export function expireLater(
  env: DialogEnvironment,
  dialog: Dialog,
  request: SipRequest,
  response: SipResponse,
): void {
  const seconds = response.status < 300 ? lifetime(request, response) : undefined
  if (seconds === undefined || dialog.state === 'ended') return
  const usage = subscriptionOf(dialog, request)
  if (usage === undefined) return
  const { scheduler, timing, dialogs } = env
  const until = scheduler.now() + seconds * 1000 + 64 * timing.t1
  const timers = timersOf(dialog)
  const wait = (): void => {
    const left = until - scheduler.now()
    if (left <= 0) {
      timers.delete(usage)
      return dialogs.endUsage(dialog, usage)
    }
    timers.set(usage, scheduler.after(Math.min(left, longestWait), wait))
  }
  timers.get(usage)?.cancel()
  wait()
}

/** Seconds; undefined: this request says nothing about it. */
function lifetime(request: SipRequest, response: SipResponse): number | undefined {
  switch (request.method) {
    case 'SUBSCRIBE':
      return number(response.get('expires')) ?? number(request.get('expires')) ?? defaultExpires
    case 'REFER':
      // RFC 3515 §2.4.4: the first NOTIFY follows at once, and says how long. Many accept a REFER and send none.
      return beginsUsage(request, response) ? 0 : undefined
    case 'NOTIFY':
      // RFC 6665 §4.1.3: its word counts.
      return number(headerParam(request.get('subscription-state') ?? '', 'expires')) ?? ofNotify(request)
    default:
      return undefined
  }
}

/** RFC 3515 §2.4.4 wants a time in each NOTIFY of a REFER; that of others is the one of their SUBSCRIBE. */
function ofNotify(notify: SipMessage): number | undefined {
  return /^\s*refer\b/i.test(notify.get('event') ?? '') ? defaultExpires : undefined
}

function timersOf(dialog: Dialog): Map<string, Timer> {
  const known = expiries.get(dialog)
  if (known) return known
  const timers = new Map<string, Timer>()
  expiries.set(dialog, timers)
  dialog.onEnd.push(() => {
    for (const timer of timers.values()) timer.cancel()
    timers.clear()
  })
  return timers
}

function number(text: string | undefined): number | undefined {
  return text !== undefined && /^\s*\d{1,9}\s*$/.test(text) ? Number(text) : undefined
}
