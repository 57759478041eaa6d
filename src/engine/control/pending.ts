/** Requests that wait for an application's final answer, and what happens if it does not come. */
import type { Dialog, DialogOwner } from '../dialog/dialog.js'
import type { Served } from '../dialog/uas.js'
import type { Incoming } from '../transaction/incoming.js'
import type { Timer } from '../transaction/timers.js'
import type { TransactionEnvironment } from '../transaction/transaction.js'

export interface Pending extends Served {
  /** When the wait for an application that never reacts ends. Scheduler time, ms. */
  deadline: number
  /** The application has left it to the proxy, and no longer answers it. */
  proxied: boolean
  /** When it has to be answered after a first reaction. */
  limit?: Timer
}

export class PendingRequests {
  readonly #pending = new Map<string, Pending>()
  #watch: Timer | undefined

  constructor(
    private readonly env: TransactionEnvironment,
    /** How long an application may take for its first reaction, ms. */
    private readonly timeoutMs: number,
  ) {}

  add(incoming: Incoming, owner: DialogOwner, dialog?: Dialog): Pending {
    const deadline = this.env.scheduler.now() + this.timeoutMs
    const pending: Pending = { incoming, owner, dialog, deadline, proxied: false }
    this.#pending.set(incoming.id, pending)
    this.#watch ??= this.env.scheduler.after(this.timeoutMs, () => this.#endWaits())
    return pending
  }

  /** The request of that id, if this application has got it and it is still its to answer. */
  of(owner: DialogOwner, id: string): Pending | undefined {
    const pending = this.#pending.get(id)
    return pending?.owner === owner ? pending : undefined
  }

  get(id: string): Pending | undefined {
    return this.#pending.get(id)
  }

  remove(id: string): void {
    // Or it would keep the whole request in memory for as long as its transaction.
    this.#pending.get(id)?.limit?.cancel()
    this.#pending.delete(id)
  }

  /** The application has reacted, and may take its time from now on; with anything but an INVITE not for ever. */
  reacted(pending: Pending): void {
    const { incoming, deadline } = pending
    // With its final answer there is nothing left to wait for.
    if (deadline === Infinity || incoming.finalStatus !== 0) return
    pending.deadline = Infinity
    if (incoming.request.method === 'INVITE') return
    // RFC 4320 §4.2: an answer has to reach the caller before its own timer F, whatever came before it.
    const { scheduler, timing } = this.env
    const left = deadline - this.timeoutMs + 62 * timing.t1 - scheduler.now()
    pending.limit = scheduler.after(Math.max(left, 0), () => refuse(incoming))
  }

  /** The application is gone. A restarting one is back in seconds: the callers may try again. */
  leave(owner: DialogOwner): void {
    for (const pending of [...this.#pending.values()]) if (pending.owner === owner) refuse(pending.incoming)
  }

  /** One timer for all: they wait equally long, so the first in the map is due first. */
  #endWaits(): void {
    this.#watch = undefined
    const now = this.env.scheduler.now()
    for (const { incoming, deadline } of this.#pending.values()) {
      if (deadline === Infinity) continue
      if (deadline > now) {
        this.#watch = this.env.scheduler.after(deadline - now, () => this.#endWaits())
        return
      }
      refuse(incoming)
    }
  }
}

/** The application can't answer: the caller may try again. Nothing happens if there was an answer. */
export function refuse(incoming: Incoming): void {
  if (incoming.finalStatus === 0) incoming.reply(503, undefined, [['Retry-After', '5']])
}
