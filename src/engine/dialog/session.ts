/** Session timers (RFC 4028): what the two sides agree on, in the header fields of their messages. */
import { headerParam } from '../message/name-addr.js'
import type { SipMessage, SipRequest, SipResponse } from '../message/sip-message.js'
import { hasOption } from './options.js'

/** What keeps a call alive; undefined in a dialog that lives until it is ended. */
export interface Session {
  /** It is over if it is not refreshed for this long. */
  seconds: number
  weRefresh: boolean
  /** The peer allows UPDATE; else a re-INVITE refreshes. */
  canUpdate: boolean
}

/** §4: no interval may be shorter, seconds. */
const minimum = 90

/** Longer ones are kept as if they were a day, seconds: nobody may have us hold timers for years. */
const maximum = 86_400

interface Interval {
  seconds: number
  /** Which side of the transaction it stands in is to refresh; absent: not said. */
  refresher: 'uac' | 'uas' | undefined
}

/** Undefined if there is no Session-Expires, or none that can be read. */
export function sessionExpires(message: SipMessage): Interval | undefined {
  const value = message.get('session-expires')
  const seconds = /^\s*(\d{1,9})\s*(;|$)/.exec(value ?? '')?.[1]
  if (value === undefined || seconds === undefined) return undefined
  // The helper reads the parameters behind any value.
  const refresher = headerParam(value, 'refresher')?.toLowerCase()
  return {
    seconds: Math.min(Number(seconds), maximum),
    refresher: refresher === 'uac' || refresher === 'uas' ? refresher : undefined,
  }
}

/** §9: such a request is to be answered with 422 and these header fields; undefined: it is none. */
export function tooBrief(request: SipRequest): readonly (readonly [string, string])[] | undefined {
  const asked = request.get('session-expires') === undefined ? undefined : sessionExpires(request)
  if (!asked || asked.seconds >= minimum || !supportsTimer(request)) return undefined
  return [['Min-SE', String(minimum)]]
}

/**
 * Completes a 2xx to an INVITE or UPDATE of the peer (§9, table 2). The application's Session-Expires counts; else what
 * the peer asks for, if it says who refreshes or the call has a timer already; else there is none.
 */
export function answerSession(
  request: SipRequest,
  response: SipResponse,
  session: Session | undefined,
): void {
  const asked = sessionExpires(request)
  const given = sessionExpires(response)
  if (!given && (!asked || (asked.refresher === undefined && !session))) return
  const supported = supportsTimer(request)
  const kept = session && (session.weRefresh ? 'uas' : 'uac')
  const wanted = given?.refresher ?? asked?.refresher ?? kept ?? 'uac'
  const refresher = supported ? wanted : 'uas'
  const seconds = Math.max(minimum, Math.min(given?.seconds ?? Infinity, asked?.seconds ?? Infinity))
  response.set('session-expires', `${seconds};refresher=${refresher}`)
  if (refresher === 'uac' && !hasOption(response, 'require', 'timer')) response.append('require', 'timer')
}

/** §7.4: an INVITE or UPDATE of ours within a call that has a timer keeps it on, with the same side to refresh. */
export function offerSession(request: SipRequest, session: Session | undefined): void {
  if (!session || request.get('session-expires') !== undefined) return
  request.append('session-expires', `${session.seconds};refresher=${session.weRefresh ? 'uac' : 'uas'}`)
  if (!hasOption(request, 'supported', 'timer')) request.append('supported', 'timer')
}

/**
 * What a 2xx to an INVITE or UPDATE has settled (§7.2, §9); undefined: no timer from now on.
 *
 * @param side ours in this transaction
 * @param peers the message that the peer sent
 */
export function settledSession(
  response: SipResponse,
  side: 'uac' | 'uas',
  peers: SipMessage,
  before: Session | undefined,
): Session | undefined {
  const interval = sessionExpires(response)
  if (!interval) return undefined
  const allow = peers.values('allow')
  return {
    seconds: Math.max(minimum, interval.seconds),
    weRefresh: (interval.refresher ?? 'uac') === side,
    canUpdate: allow.length > 0 ? allow.includes('UPDATE') : (before?.canUpdate ?? false),
  }
}

function supportsTimer(request: SipRequest): boolean {
  return hasOption(request, 'supported', 'timer') || hasOption(request, 'require', 'timer')
}
