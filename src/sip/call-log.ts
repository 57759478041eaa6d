/** The call log: facts about calls as entries of the store. Never in the way of a call: entries are handed on, no more. */
import type { CallDisposition, CallEntry, CallEnder, NewCall } from '../store/call.js'
import type { SipAccount } from '../store/types.js'
import type { CallReport } from './calls/report.js'
import type { EdgeRequest } from './edge-request.js'
import type { HangUp } from './edge-fields.js'
import { hostPort, parseNameAddr } from './header-values.js'

/** Who calls whom. Milliseconds since the epoch. */
export interface CallAttempt {
  request: Pick<EdgeRequest, 'callId' | 'header' | 'source' | 'cipher'>
  caller: SipAccount
  /** The number that was dialled, if it is one. */
  dialled: string | undefined
  /** Whose number that is. */
  callee: SipAccount | undefined
  startedAt: number
}

export interface CallLog {
  /** The caller has its final answer. */
  call(attempt: CallAttempt, report: CallReport): void
  /** Somebody hangs up. */
  hangUp(bye: HangUp): void
}

/** `write` takes an entry and returns at once. */
export function createCallLog(write: (entry: CallEntry) => void, now: () => number): CallLog {
  return {
    call: (attempt, report) => write({ call: callRecord(attempt, report, now()) }),
    hangUp: (bye) => write({ end: { ...bye, endedAt: now() } }),
  }
}

/** The record of a call whose caller has got its final answer `at` that time. */
export function callRecord(attempt: CallAttempt, report: CallReport, at: number): NewCall {
  const { request, caller, callee, dialled, startedAt } = attempt
  const disposition = dispositionOf(report)
  const answered = disposition === 'ANSWERED'
  const { source } = request
  return {
    callId: request.callId,
    callerTag: parseNameAddr(request.header('from') ?? '')?.params.get('tag') ?? '',
    calleeTag: report.calleeTag,
    startedAt,
    rangAt: report.rangAt,
    answeredAt: answered ? at : null,
    endedAt: answered ? null : at,
    endedBy: answered ? null : enderOf(disposition, report),
    disposition,
    sipStatus: report.status,
    sipReason: report.reason,
    explanation: report.explanation,
    securityModel: caller.securityModel,
    devices: report.devices,
    caller: {
      accountId: caller.id,
      number: caller.virtualNumber,
      name: caller.displayName,
      groupId: caller.groupId,
      address: hostPort(source.address, source.port),
      transport: source.transport,
      cipher: request.cipher ?? null,
      userAgent: request.header('user-agent') ?? null,
    },
    callee: {
      accountId: callee?.id ?? null,
      number: dialled ?? null,
      name: callee?.displayName ?? null,
      groupId: callee?.groupId ?? null,
      ...(report.device ?? { address: null, transport: null, cipher: null, userAgent: null }),
    },
  }
}

/** Not permitted, or does not fit (RFC 3261 §21.4.4, §21.4.26); declined, not acceptable, unwanted (RFC 8197). */
const refusals: ReadonlySet<number> = new Set([403, 488, 603, 606, 607, 608])

/** What a person would say of a call that ended with this answer. */
export function dispositionOf({ status, explanation, by, devices }: CallReport): CallDisposition {
  if (status >= 200 && status < 300) return 'ANSWERED'
  if (status === 487) return 'CANCELLED'
  if (status === 486 || status === 600) return 'BUSY'
  // Our own refusals come with a sentence that says why.
  if (refusals.has(status) || (by === 'server' && explanation !== null)) return 'REFUSED'
  if ((status === 408 || status === 480) && devices > 0) return 'NO_ANSWER'
  return 'FAILED'
}

function enderOf(disposition: CallDisposition, { by }: CallReport): CallEnder {
  return disposition === 'CANCELLED' ? 'caller' : by
}
