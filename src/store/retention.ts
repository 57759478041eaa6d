/** Deletes what the logs have kept for long enough, little by little, so that nothing else waits for it. */
import { isDatabaseAway } from './database-away.js'
import type { StoreLog } from './log.js'

export interface KeptLog {
  /** Which log, for people: `call log`. */
  what: string
  /** How long entries are kept; 0: not at all, so what older settings left behind goes too. */
  days: number
  /** Deletes at most `limit` entries from before `time` (ms since the epoch); resolves to how many. */
  deleteBefore: (time: number, limit: number) => Promise<number>
}

export interface Retention {
  /** Ends after the statement that is running. Never rejects. */
  stop(): Promise<void>
}

const dayMs = 24 * 3600 * 1000

/** Sweeps all logs at once and then every `intervalMs`. */
export function startRetention(options: {
  logs: readonly KeptLog[]
  log: StoreLog
  now?: () => number
  intervalMs?: number
  /** Most rows of one statement. */
  chunk?: number
}): Retention {
  const { logs, log, now = Date.now, intervalMs = 3600 * 1000, chunk = 2000 } = options
  let stopped = false
  let sweeping: Promise<void> | undefined

  async function sweep(): Promise<void> {
    for (const { what, days, deleteBefore } of logs) {
      const before = now() - days * dayMs
      let total = 0
      try {
        for (let deleted = chunk; deleted === chunk && !stopped; total += deleted) {
          deleted = await deleteBefore(before, chunk)
        }
      } catch (error) {
        // Whoever needs the database says so; here the next sweep will do.
        if (!isDatabaseAway(error))
          log.error({ err: error, what }, 'old entries of a log could not be deleted')
      }
      if (total > 0) log.info({ what, days, deleted: total }, 'old entries of a log deleted')
    }
  }

  function start(): void {
    sweeping ??= sweep().finally(() => (sweeping = undefined))
  }

  start()
  const timer = setInterval(start, intervalMs)
  timer.unref()
  return {
    async stop() {
      stopped = true
      clearInterval(timer)
      await sweeping
    },
  }
}
