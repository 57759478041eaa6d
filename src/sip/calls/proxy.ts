/** Connects a request to phones by letting the edge proxy it, and reports what became of it. */
import type { Logger } from 'pino'
import type { RegistrationStore } from '../../store/types.js'
import type { EdgeRequest } from '../edge-request.js'
import type { ProxyResult } from '../edge-fields.js'
import { hostPort } from '../header-values.js'
import type { Target } from '../routing.js'
import type { CallOutcome } from '../stats.js'
import { reportOfProxy, reportOfReply, type CallReport } from './report.js'

/** Their dialogs go through us as well, so that both sides reach each other over the connections we hold. */
const DIALOG_FORMING = ['INVITE', 'SUBSCRIBE', 'REFER', 'NOTIFY']
/** A phone that sends nothing at all, not even 100, for this long is not there. */
const SILENT_MS = 10_000
/** What the edge needs beyond the ring time-out: CANCELs that are not answered, Timer F of other requests. */
const GRACE_MS = 70_000

/** The edge has answered the caller when this resolves. Rejects if the edge would not, or did not report. */
export async function connectByProxy(options: {
  request: EdgeRequest
  targets: readonly Target[]
  headers: Record<string, string>
  ringTimeoutSeconds: number
  store: Pick<RegistrationStore, 'deleteDead'>
  log: Logger
  now: () => number
}): Promise<{ outcome: CallOutcome; report: CallReport }> {
  const { request, targets, now } = options
  const invite = request.method === 'INVITE'
  const ringMs = options.ringTimeoutSeconds * 1000
  const started = now()
  const result = await request.proxy(
    targets.map(({ uri }) => uri),
    {
      headers: options.headers,
      recordRoute: DIALOG_FORMING.includes(request.method),
      ...(invite && { provisionalTimeoutMs: SILENT_MS, finalTimeoutMs: ringMs }),
      deadlineMs: (invite ? ringMs : 0) + GRACE_MS,
    },
  )
  if (request.cancelled) return { outcome: 'cancelled', report: reportOfReply({ status: 487 }) }
  forgetDead(result, options)
  const timedOut = invite && now() - started >= ringMs
  return {
    outcome: outcome(
      result.responses.map(({ status }) => status),
      timedOut,
    ),
    report: reportOfProxy(result, targets),
  }
}

/** What a person would say of the call. `timedOut`: it rang as long as it may. */
export function outcome(statuses: readonly number[], timedOut: boolean): CallOutcome {
  if (statuses.some((status) => status >= 200 && status < 300)) return 'answered'
  if (timedOut) return 'no_answer'
  if (statuses.some((status) => status === 486 || status === 600)) return 'busy'
  if (statuses.includes(487)) return 'cancelled'
  if (statuses.length === 0 || statuses.every((status) => status === 408 || status === 480))
    return 'no_answer'
  return 'failed'
}

/** 430: the connection a phone registered over is gone (RFC 5626 §11.5), so its binding leads nowhere. */
function forgetDead(
  { responses }: ProxyResult,
  {
    targets,
    store,
    log,
  }: { targets: readonly Target[]; store: Pick<RegistrationStore, 'deleteDead'>; log: Logger },
): void {
  for (const { address, port, status } of responses) {
    if (status !== 430) continue
    for (const { registration } of targets) {
      if (registration.source !== hostPort(address, port)) continue
      const { accountId, contact, callId, cseq } = registration
      log.info({ accountId, contact }, 'binding removed: its connection is gone')
      store
        .deleteDead(accountId, contact, callId, cseq)
        .catch((error: unknown) => log.warn({ err: error }, 'a dead binding could not be removed'))
    }
  }
}
