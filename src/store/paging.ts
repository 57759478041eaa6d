import type { Knex } from 'knex'
import { StoreError } from './errors.js'
import type { Page, PageQuery } from './types.js'

const defaultLimit = 50
const maxLimit = 500

/** Whether a row of a table with integer ids can have this id. PostgreSQL refuses to compare with anything larger. */
export function isRowId(id: number): boolean {
  return Number.isInteger(id) && id >= 1 && id <= 2 ** 31 - 1
}

/** An opaque cursor: the id after which the next page begins. */
export function encodeCursor(id: number): string {
  return Buffer.from(`id:${id}`).toString('base64url')
}

/** Throws StoreError `invalid_cursor` unless encodeCursor made it. */
export function decodeCursor(cursor: string): number {
  const id = Number(/^id:([1-9][0-9]{0,15})$/.exec(Buffer.from(cursor, 'base64url').toString())?.[1])
  if (!Number.isSafeInteger(id) || encodeCursor(id) !== cursor) {
    throw new StoreError('invalid_cursor', 'This cursor was not given out by this list.')
  }
  return id
}

/** An ILIKE pattern that matches wherever the text stands, letter by letter. */
export function containsPattern(text: string): string {
  return `%${text.replace(/[\\%_]/g, '\\$&')}%`
}

/** Restricts `query` to the rows of which one of the columns contains the text, in any case. */
export function whereContains(
  query: Knex.QueryBuilder,
  columns: readonly string[],
  text: string | undefined,
): void {
  if (text === undefined || text === '') return
  // PostgreSQL's text can't hold NUL and refuses to compare with it: so nothing contains it.
  if (text.includes('\0')) void query.whereRaw('false')
  else {
    void query.where((any) => {
      for (const column of columns) void any.orWhereILike(column, containsPattern(text))
    })
  }
}

/** How many entries a page has: what was asked for, within bounds. */
export function pageSize(limit: number = defaultLimit): number {
  return Math.min(Math.max(1, Math.floor(limit)), maxLimit)
}

/**
 * One page of the rows of `rows`, in the order of their ids (`idColumn`). `rows` carries from, joins and conditions
 * but no columns. Throws StoreError `invalid_cursor`.
 */
export async function readPage<Row extends { id: number }, Item>(
  rows: Knex.QueryBuilder,
  columns: readonly (string | Knex.Raw)[],
  idColumn: string,
  { limit, after }: PageQuery,
  rowToItem: (row: Row) => Item,
): Promise<Page<Item>> {
  const size = pageSize(limit)
  const page = rows
    .clone()
    .select(...columns)
    .orderBy(idColumn)
    .limit(size + 1)
  if (after !== undefined) void page.whereRaw('?? > ?::bigint', [idColumn, decodeCursor(after)])
  const [found, [count]] = (await Promise.all([page, rows.clone().count({ total: '*' })])) as [
    Row[],
    [{ total: number }],
  ]
  const shown = found.slice(0, size)
  const last = shown.at(-1)
  return {
    items: shown.map(rowToItem),
    next: found.length > size && last ? encodeCursor(last.id) : null,
    total: count.total,
  }
}
