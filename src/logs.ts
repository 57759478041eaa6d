/** The logs that are kept in the database: how they are written, and when their entries are swept out. */
import type { Logger } from 'pino'
import type { Config } from './config.js'
import type { CallEntry } from './store/call.js'
import { createLogWriter, type LogWriter } from './store/log-writer.js'
import type { NewSipEvent } from './store/sip-event.js'
import { startRetention } from './store/retention.js'
import type { Store } from './store/types.js'

export interface Logs {
  /** Absent: no records of calls. */
  calls?: LogWriter<CallEntry>
  /** Absent: no records of SIP sessions. */
  sipEvents?: LogWriter<NewSipEvent>
  /** Writes what waits. Never rejects. */
  stop(): Promise<void>
}

export function startLogs(days: Config['logDays'], store: Store, log: Logger): Logs {
  const calls =
    days.calls > 0
      ? createLogWriter<CallEntry>({ what: 'call log', write: (entries) => store.calls.write(entries), log })
      : undefined
  const sipEvents =
    days.sip > 0
      ? createLogWriter<NewSipEvent>({
          what: 'session log',
          write: (events) => store.sipEvents.write(events),
          log,
        })
      : undefined
  const retention = startRetention({
    logs: [
      {
        what: 'call log',
        days: days.calls,
        deleteBefore: (time, limit) => store.calls.deleteBefore(time, limit),
      },
      {
        what: 'session log',
        days: days.sip,
        deleteBefore: (time, limit) => store.sipEvents.deleteBefore(time, limit),
      },
    ],
    log,
  })
  return {
    ...(calls && { calls }),
    ...(sipEvents && { sipEvents }),
    async stop() {
      await retention.stop()
      await Promise.all([calls?.stop(), sipEvents?.stop()])
    },
  }
}
