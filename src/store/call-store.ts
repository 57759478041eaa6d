import type { Knex } from 'knex'
import type { Call, CallEntry, CallFilter, CallQuery, CallStore } from './call.js'
import { callToRow, fitting, readColumns, rowToCall, timeText, writtenColumns } from './call-row.js'
import type { CallRow } from './call-row.js'
import { isRowId, pageSize, whereContains } from './paging.js'
import { decodeTimeCursor, encodeTimeCursor, type TimePosition } from './time-cursor.js'

const searched = ['caller_number', 'caller_name', 'callee_number', 'callee_name', 'call_id']
/** How many rows one query of `all` reads. */
const chunk = 500

/** jsonb_to_recordset takes any number of rows as one value, and so one prepared statement does. */
const insertCalls = `
  insert into calls (${Object.keys(writtenColumns).join(', ')}, caller_group_name, callee_group_name)
  select ${Object.keys(writtenColumns)
    .map((column) => `v.${column}`)
    .join(', ')}, caller_group.name, callee_group.name
  from jsonb_to_recordset(?::jsonb) as v (${Object.entries(writtenColumns)
    .map(([column, type]) => `${column} ${type}`)
    .join(', ')})
  left join groups caller_group on caller_group.id = v.caller_group_id
  left join groups callee_group on callee_group.id = v.callee_group_id
  on conflict do nothing`

/** The dialog is named by both tags, whoever sends (RFC 3261 §12): a Call-ID alone could be anybody's. */
const endCalls = `
  update calls c
  set ended_at = greatest(v.ended_at, c.answered_at),
    ended_by = case when c.caller_tag = v.from_tag then 'caller' else 'callee' end
  from jsonb_to_recordset(?::jsonb) as v (call_id text, from_tag text, to_tag text, ended_at timestamptz)
  where md5(c.call_id) = md5(v.call_id) and c.call_id = v.call_id
    and ((c.caller_tag = v.from_tag and c.callee_tag = v.to_tag)
      or (c.caller_tag = v.to_tag and c.callee_tag = v.from_tag))
    and c.answered_at is not null and c.ended_at is null`

/** Newest first means by beginning; calls of the same millisecond by id. */
const positionOf = ({ startedAt, id }: Call): TimePosition => ({ at: startedAt, id })
const cursors = 'call'

/** The log of calls: what was written is never changed, but for the end of a call. */
export function createCallStore(knex: Knex): CallStore {
  function matching(filter: CallFilter & { search?: string | undefined }): Knex.QueryBuilder {
    const rows = knex('calls')
    const either = (column: string, value: string | number) =>
      void rows.where((any) => void any.where(`caller_${column}`, value).orWhere(`callee_${column}`, value))
    const { number, accountId, groupId, disposition, from, until } = filter
    if (number !== undefined) either('number', fitting(number))
    for (const [column, id] of [
      ['account_id', accountId],
      ['group_id', groupId],
    ] as const) {
      if (id === undefined) continue
      if (isRowId(id)) either(column, id)
      else void rows.whereRaw('false')
    }
    if (disposition !== undefined) void rows.where({ disposition })
    if (from !== undefined) void rows.where('started_at', '>=', timeText(from))
    if (until !== undefined) void rows.where('started_at', '<', timeText(until))
    whereContains(rows, searched, filter.search)
    return rows
  }

  async function read(
    rows: Knex.QueryBuilder,
    after: TimePosition | undefined,
    limit: number,
  ): Promise<Call[]> {
    const page = rows
      .clone()
      .select(...readColumns)
      .orderBy([
        { column: 'started_at', order: 'desc' },
        { column: 'id', order: 'desc' },
      ])
      .limit(limit)
    if (after) {
      void page.whereRaw('(started_at, id) < (?::timestamptz, ?::bigint)', [timeText(after.at), after.id])
    }
    return ((await page) as CallRow[]).map(rowToCall)
  }

  return {
    async write(entries: readonly CallEntry[]) {
      const calls = entries.flatMap((entry) => ('call' in entry ? [callToRow(entry.call)] : []))
      const ends = entries.flatMap((entry) =>
        'end' in entry
          ? [
              {
                call_id: fitting(entry.end.callId),
                from_tag: fitting(entry.end.fromTag),
                to_tag: fitting(entry.end.toTag),
                ended_at: timeText(entry.end.endedAt),
              },
            ]
          : [],
      )
      await knex.transaction(async (trx) => {
        if (calls.length > 0) await trx.raw(insertCalls, [JSON.stringify(calls)])
        if (ends.length > 0) await trx.raw(endCalls, [JSON.stringify(ends)])
      })
    },

    async list({ limit, after, ...filter }: CallQuery) {
      const size = pageSize(limit)
      const rows = matching(filter)
      const position = after === undefined ? undefined : decodeTimeCursor(cursors, after)
      const [found, [count]] = await Promise.all([
        read(rows, position, size + 1),
        rows.clone().count<{ total: number }[]>({ total: '*' }),
      ])
      const items = found.slice(0, size)
      const last = items.at(-1)
      return {
        items,
        next: found.length > size && last ? encodeTimeCursor(cursors, positionOf(last)) : null,
        total: count?.total ?? 0,
      }
    },

    async *all({ after, ...filter }) {
      const rows = matching(filter)
      let position: TimePosition | undefined =
        after === undefined ? undefined : decodeTimeCursor(cursors, after)
      for (;;) {
        const found = await read(rows, position, chunk)
        yield* found
        const last = found.at(-1)
        if (found.length < chunk || !last) return
        position = positionOf(last)
      }
    },

    async deleteBefore(time, limit) {
      const old = knex('calls').where('started_at', '<', timeText(time)).limit(limit).select('id')
      return knex('calls').whereIn('id', old).delete()
    },
  }
}
