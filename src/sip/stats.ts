/** What happened since the start, for /metrics. Counters only grow; the names of their labels are the keys. */

export type CallOutcome = 'answered' | 'cancelled' | 'no_answer' | 'busy' | 'failed'

export interface SipStats {
  /** By method; unknown ones count as OTHER. */
  requests: Record<string, number>
  registrations: { added: number; refreshed: number; removed: number; refused: number }
  challenges: number
  /** Requests refused for their credentials. */
  authFailures: number
  /** Those among them that were not looked at, after too many wrong answers. */
  authBlocked: number
  calls: Record<CallOutcome, number>
  /** Silently dropped, by reason. */
  drops: Record<string, number>
  /** Answered 500 or 503 because of an error of ours. */
  errors: number
  /** REGISTERs that wait for the next transaction. */
  readonly registrarQueue: number
}

/** The one object that counts all of it; hold on to it, its values are always the present ones. */
export function createStats(registrarQueue: () => number): SipStats {
  return {
    requests: {},
    registrations: { added: 0, refreshed: 0, removed: 0, refused: 0 },
    challenges: 0,
    authFailures: 0,
    authBlocked: 0,
    calls: { answered: 0, cancelled: 0, no_answer: 0, busy: 0, failed: 0 },
    drops: {},
    errors: 0,
    get registrarQueue() {
      return registrarQueue()
    },
  }
}

export function count(counters: Record<string, number>, key: string): void {
  counters[key] = (counters[key] ?? 0) + 1
}
