/** The logs that are kept in the database: how they are written, and when their entries are swept out. */
import type { Logger } from 'pino'
import type { Config } from './config.js'
import type { CallEntry } from './store/call.js'
import { createLogWriter, type LogWriter } from './store/log-writer.js'
import { startRetention } from './store/retention.js'
import type { Store } from './store/types.js'

export interface Logs {
  /** Absent: no records of calls. */
  calls?: LogWriter<CallEntry>
  /** Writes what waits. Never rejects. */
  stop(): Promise<void>
}

export function startLogs(days: Config['logDays'], store: Store, log: Logger): Logs {
  const calls =
    days.calls > 0
      ? createLogWriter<CallEntry>({ what: 'call log', write: (entries) => store.calls.write(entries), log })
      : undefined
  const retention = startRetention({
    logs: [
      {
        what: 'call log',
        days: days.calls,
        deleteBefore: (time, limit) => store.calls.deleteBefore(time, limit),
      },
    ],
    log,
  })
  return {
    ...(calls && { calls }),
    async stop() {
      await retention.stop()
      await calls?.stop()
    },
  }
}
