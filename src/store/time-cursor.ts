/** Cursors of logs that are read newest first: by time, and by id where that is the same. */
import { StoreError } from './errors.js'

export interface TimePosition {
  at: number
  id: number
}

/** `list` keeps the cursors of one log apart from those of another. */
export function encodeTimeCursor(list: string, { at, id }: TimePosition): string {
  return Buffer.from(`${list}:${at}:${id}`).toString('base64url')
}

/** Throws StoreError `invalid_cursor`. */
export function decodeTimeCursor(list: string, cursor: string): TimePosition {
  const [, name, at, id] =
    /^([a-z-]+):(0|[1-9][0-9]{0,14}):([1-9][0-9]{0,15})$/.exec(Buffer.from(cursor, 'base64url').toString()) ??
    []
  const position = { at: Number(at), id: Number(id) }
  if (name !== list || !Number.isSafeInteger(position.id) || encodeTimeCursor(list, position) !== cursor) {
    throw new StoreError('invalid_cursor', 'This cursor was not given out by this list.')
  }
  return position
}
