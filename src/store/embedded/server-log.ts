import { copyFile, open, stat, truncate } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'

/** Bytes at which PostgreSQL's log is set aside and begun anew; one older part is kept. */
const maxBytes = 2 * 1024 * 1024
const checkInterval = 60_000

/**
 * The file that PostgreSQL writes its messages to. A file, since a pipe to us would break with us. Appended to, so
 * that it can be emptied under the writer's hands.
 */
export interface ServerLog {
  handle: FileHandle
  /** What was written since `mark` was called last. */
  mark(): Promise<void>
  sinceMark(): Promise<string>
  close(): Promise<void>
}

export async function openServerLog(path: string): Promise<ServerLog> {
  await keepSmall(path)
  const handle = await open(path, 'a+', 0o600)
  const timer = setInterval(() => void keepSmall(path).catch(() => {}), checkInterval).unref()
  let marked = 0
  return {
    handle,
    async mark() {
      marked = (await handle.stat()).size
    },
    async sinceMark() {
      const { size } = await handle.stat()
      const length = Math.max(0, Math.min(size - marked, 64 * 1024))
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, size - length)
      return buffer.toString('utf8', 0, bytesRead)
    },
    async close() {
      clearInterval(timer)
      await handle.close()
    },
  }
}

async function keepSmall(path: string): Promise<void> {
  const size = await stat(path).then(
    (stats) => stats.size,
    () => 0,
  )
  if (size <= maxBytes) return
  await copyFile(path, `${path}.1`)
  await truncate(path)
}
