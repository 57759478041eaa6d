/** Remembers what DNS said, and keeps foreign names from using up this process. */
import type { Scheduler } from '../transaction/timers.js'
import type { Answer, Dns, RecordTypes } from './dns.js'
import { Gate, GateFull } from './gate.js'

/** How long things hold, and how much there may be of them. Times in ms. */
export interface CacheLimits {
  /** Bounds for what a record says of itself. */
  minTtl: number
  maxTtl: number
  /** For answers that come without a time: Node tells none for SRV and NAPTR, nor does the system. */
  defaultTtl: number
  /** That there is no such record. */
  negativeTtl: number
  /** That nobody could be asked. */
  failureTtl: number
  /** For so long after its time an answer still serves if nobody can be asked for a newer one (RFC 8767). */
  staleTtl: number
  /** Answers remembered. */
  entries: number
  /** Records of one answer. */
  records: number
  /** Look-ups under way at once, and more that may wait. */
  atOnce: number
  waiting: number
  /** After this a look-up has failed. */
  timeout: number
}

export const defaultCacheLimits: CacheLimits = {
  minTtl: 1000,
  maxTtl: 3_600_000,
  defaultTtl: 60_000,
  negativeTtl: 30_000,
  failureTtl: 5000,
  staleTtl: 86_400_000,
  entries: 5000,
  records: 32,
  atOnce: 50,
  waiting: 200,
  timeout: 2000,
}

type AnyAnswer = Answer<RecordTypes[keyof RecordTypes]>

interface Entry {
  answer: Promise<AnyAnswer>
  /** Scheduler time; Infinity while it is being asked. */
  until: number
  /** How long it may stand in for a newer one. */
  usableUntil: number
}

export class CachedDns implements Dns {
  readonly #entries = new Map<string, Entry>()
  readonly #gate: Gate

  constructor(
    private readonly source: Dns,
    private readonly scheduler: Scheduler,
    private readonly limits: CacheLimits = defaultCacheLimits,
  ) {
    this.#gate = new Gate(limits.atOnce, limits.waiting)
  }

  /** As Dns.query. The same question while it is being asked waits for the same answer. */
  query<Type extends keyof RecordTypes>(type: Type, name: string): Promise<Answer<RecordTypes[Type]>> {
    const key = `${type} ${name.toLowerCase()}`
    let entry = this.#entries.get(key)
    if (!entry || entry.until <= this.scheduler.now()) {
      entry = this.#ask(type, name, entry)
      this.#entries.delete(key)
      this.#entries.set(key, entry)
      if (this.#entries.size > this.limits.entries) this.#forgetOldest()
    }
    return entry.answer as Promise<Answer<RecordTypes[Type]>>
  }

  #ask(type: keyof RecordTypes, name: string, known: Entry | undefined): Entry {
    const { records, failureTtl, staleTtl } = this.limits
    const fresh = this.#gate.run(() => this.#inTime(this.source.query(type, name)))
    const entry: Entry = { answer: fresh, until: Infinity, usableUntil: 0 }
    entry.answer = fresh.then(
      (found) => {
        entry.until = this.scheduler.now() + this.#holds(found)
        entry.usableUntil = found.records.length > 0 ? entry.until + staleTtl : 0
        return { ...found, records: found.records.slice(0, records) }
      },
      (error: unknown) => {
        const now = this.scheduler.now()
        // A flood of other names says nothing about this one.
        entry.until = error instanceof GateFull ? now : now + failureTtl
        if (!known || known.usableUntil <= now) throw error
        entry.usableUntil = known.usableUntil
        return known.answer
      },
    )
    return entry
  }

  #holds({ records, ttl }: AnyAnswer): number {
    const { minTtl, maxTtl, defaultTtl, negativeTtl } = this.limits
    if (records.length === 0) return negativeTtl
    return ttl === undefined ? defaultTtl : Math.min(Math.max(ttl * 1000, minTtl), maxTtl)
  }

  #inTime<Result>(look: Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      const timer = this.scheduler.after(this.limits.timeout, () =>
        reject(new Error('the look-up took too long')),
      )
      look.finally(() => timer.cancel()).then(resolve, reject)
    })
  }

  #forgetOldest(): void {
    for (const key of this.#entries.keys()) {
      this.#entries.delete(key)
      return
    }
  }
}
