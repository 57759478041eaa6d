/** One write for all that a socket is given within a moment: a write per answer was a quarter of all the work. */
import type { Socket } from 'node:net'

/** Writes closer together than this are joined, ms. */
const BUSY_MS = 0.3

/**
 * From now on texts written to the socket go out together: those of one turn of the event loop, under load those of a
 * millisecond. Callbacks of `write` are not called; drachtio-srf's only log.
 */
export function joinWrites(socket: Socket): void {
  const write = socket.write.bind(socket)
  const end = socket.end.bind(socket)
  let text = ''
  let waiting = false
  let writtenAt = 0

  const flush = (): void => {
    waiting = false
    writtenAt = performance.now()
    if (text !== '' && !socket.destroyed) write(text)
    text = ''
  }
  socket.write = (chunk: Uint8Array | string): boolean => {
    if (typeof chunk !== 'string') {
      flush()
      return write(chunk)
    }
    text += chunk
    if (waiting) return true
    waiting = true
    if (performance.now() - writtenAt > BUSY_MS) setImmediate(flush)
    else setTimeout(flush, 1)
    return true
  }
  socket.end = (): Socket => {
    flush()
    return end()
  }
}
