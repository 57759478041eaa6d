/** How logs are read, newest first, and swept: one way for the table of each. */
import type { Knex } from 'knex'
import { timeText } from './call-row.js'
import { pageSize } from './paging.js'
import { decodeTimeCursor, encodeTimeCursor, type TimePosition } from './time-cursor.js'
import type { Page } from './types.js'

/** How many rows one query of `all` reads. */
const chunk = 500

export interface TimeLogOptions<Filter, Row extends { id: number }, Item> {
  table: string
  /** The column by which it is ordered, and the same of a row: ms. */
  time: keyof Row & string
  columns: readonly string[]
  /** Keeps the cursors of this log apart from those of another. */
  cursors: string
  /** The rows that a filter means. */
  matching: (filter: Filter) => Knex.QueryBuilder
  toItem: (row: Row) => Item
}

interface TimeLog<Filter, Item> {
  list(query: Filter & { limit?: number | undefined; after?: string | undefined }): Promise<Page<Item>>
  all(query: Filter & { after?: string | undefined }): AsyncIterable<Item>
  deleteBefore(time: number, limit: number): Promise<number>
}

/** The reading side of a log's store; rows of one millisecond are in the order of their ids. */
export function createTimeLog<Filter extends object, Row extends { id: number }, Item>(
  knex: Knex,
  { table, time, columns, cursors, matching, toItem }: TimeLogOptions<Filter, Row, Item>,
): TimeLog<Filter, Item> {
  const positionOf = (row: Row): TimePosition => ({ at: row[time] as number, id: row.id })
  const positionAt = (after: string | undefined): TimePosition | undefined =>
    after === undefined ? undefined : decodeTimeCursor(cursors, after)

  async function read(
    rows: Knex.QueryBuilder,
    after: TimePosition | undefined,
    limit: number,
  ): Promise<Row[]> {
    const page = rows
      .clone()
      .select(...columns)
      .orderBy([
        { column: time, order: 'desc' },
        { column: 'id', order: 'desc' },
      ])
      .limit(limit)
    if (after) {
      void page.whereRaw('(??, id) < (?::timestamptz, ?::bigint)', [time, timeText(after.at), after.id])
    }
    return (await page) as Row[]
  }

  return {
    async list({ limit, after, ...filter }) {
      const size = pageSize(limit)
      const rows = matching(filter as unknown as Filter)
      const [found, [count]] = await Promise.all([
        read(rows, positionAt(after), size + 1),
        rows.clone().count<{ total: number }[]>({ total: '*' }),
      ])
      const page = found.slice(0, size)
      const last = page.at(-1)
      return {
        items: page.map(toItem),
        next: found.length > size && last ? encodeTimeCursor(cursors, positionOf(last)) : null,
        total: count?.total ?? 0,
      }
    },

    async *all({ after, ...filter }) {
      const rows = matching(filter as unknown as Filter)
      let position = positionAt(after)
      for (;;) {
        const found = await read(rows, position, chunk)
        yield* found.map(toItem)
        const last = found.at(-1)
        if (found.length < chunk || !last) return
        position = positionOf(last)
      }
    },

    async deleteBefore(before, limit) {
      const old = knex(table).where(time, '<', timeText(before)).limit(limit).select('id')
      return knex(table).whereIn('id', old).delete()
    },
  }
}
