import type { Knex } from 'knex'
import type { CallEntry, CallFilter, CallStore } from './call.js'
import { callToRow, fitting, readColumns, rowToCall, timeText, writtenColumns } from './call-row.js'
import type { CallRow } from './call-row.js'
import { isRowId, whereContains } from './paging.js'
import { createTimeLog } from './time-log.js'

const searched = ['caller_number', 'caller_name', 'callee_number', 'callee_name', 'call_id']

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

    ...createTimeLog(knex, {
      table: 'calls',
      time: 'started_at',
      columns: readColumns,
      cursors: 'call',
      matching,
      toItem: (row: CallRow) => rowToCall(row),
    }),
  }
}
