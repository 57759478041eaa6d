/**
 * Writes the entries of a log in batches, behind the back of whoever makes them: no call waits for its record. While
 * the database is away they are kept, as many as there is room for; then the oldest are lost, and counted.
 */
import { isDatabaseAway } from './database-away.js'
import type { StoreLog } from './log.js'

export interface LogWriterOptions<Entry> {
  /** Which log, for people: `call log`. */
  what: string
  /** Writes them all or none. Entries may come again whose writing did not fail, but whose answer was lost. */
  write: (entries: readonly Entry[]) => Promise<void>
  log: StoreLog
  /** Most entries that wait. */
  maxQueue?: number
  /** Most entries of one `write`. */
  maxBatch?: number
  /** For how long entries are collected before they are written, ms. */
  delayMs?: number
  /** How long to wait before the database is asked again, ms. */
  retryMs?: number
}

export interface LogWriter<Entry> {
  /** Takes the entry and returns at once; never throws. */
  add(entry: Entry): void
  /** Writes what waits, once, and takes no more. Never rejects: what can't be written then is lost, and logged. */
  stop(): Promise<void>
  /** How many entries wait, without those being written. */
  readonly queued: number
  /** How many were lost since the start. */
  readonly lost: number
}

export function createLogWriter<Entry>(options: LogWriterOptions<Entry>): LogWriter<Entry> {
  const { what, write, log, maxQueue = 10_000, maxBatch = 500, delayMs = 200, retryMs = 2000 } = options
  let queue: Entry[] = []
  let lost = 0
  let unreported = 0
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> | undefined
  let stopped = false

  function lose(count: number): void {
    lost += count
    unreported += count
  }

  /** A tenth at a time: taking one off the front of a full queue for each new one would cost the most under load. */
  function makeRoom(): void {
    if (queue.length <= maxQueue) return
    const count = Math.max(queue.length - maxQueue, Math.ceil(maxQueue / 10))
    queue.splice(0, count)
    lose(count)
  }

  function schedule(delay: number): void {
    if (timer || writing || stopped || queue.length === 0) return
    timer = setTimeout(() => {
      timer = undefined
      void flush()
    }, delay)
    timer.unref()
  }

  /** Writes until nothing waits or the database is away. Never rejects. */
  function flush(): Promise<void> {
    writing ??= drain().then((delay) => {
      writing = undefined
      schedule(delay)
    })
    return writing
  }

  /** Resolves to the time to wait before the next attempt. */
  async function drain(): Promise<number> {
    while (queue.length > 0) {
      const batch = queue.splice(0, maxBatch)
      const left = await unwritten(batch)
      if (left.length === 0) continue
      queue = [...left, ...queue]
      makeRoom()
      return retryMs
    }
    report()
    return delayMs
  }

  /** Writes the batch; resolves to what may be tried again, since the database is away. */
  async function unwritten(batch: readonly Entry[]): Promise<readonly Entry[]> {
    try {
      await write(batch)
      return []
    } catch (error) {
      if (isDatabaseAway(error)) return batch
      if (batch.length === 1) {
        log.error({ err: error, what }, 'an entry of a log could not be written')
        lose(1)
        return []
      }
    }
    // One entry that the database refuses must not take the others with it, nor keep them waiting for ever.
    const half = batch.length >> 1
    const second = batch.slice(half)
    const left = await unwritten(batch.slice(0, half))
    return left.length > 0 ? [...left, ...second] : unwritten(second)
  }

  function report(): void {
    if (unreported === 0) return
    log.warn({ what, lost: unreported }, 'entries of a log were lost')
    unreported = 0
  }

  return {
    add(entry) {
      if (stopped) return lose(1)
      queue.push(entry)
      makeRoom()
      schedule(delayMs)
    },

    async stop() {
      stopped = true
      clearTimeout(timer)
      timer = undefined
      await writing
      await flush()
      lose(queue.length)
      queue = []
      report()
    },

    get queued() {
      return queue.length
    },
    get lost() {
      return lost
    },
  }
}
