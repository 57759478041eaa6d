import type { Knex } from 'knex'
import { fitting, timeText } from './call-row.js'
import { isRowId, whereContains } from './paging.js'
import type { NewSipEvent, SipEvent, SipEventFilter, SipEventStore, SipEventType } from './sip-event.js'
import { createTimeLog } from './time-log.js'
import type { SipTransport } from './types.js'

/** A row of `sip_events` as the driver gives it: times in milliseconds, see connection.ts. */
interface SipEventRow {
  id: number
  at: number
  type: SipEventType
  account_id: number | null
  username: string | null
  number: string | null
  group_id: number | null
  group_name: string | null
  address: string
  transport: SipTransport
  cipher: string | null
  contact: string | null
  user_agent: string | null
  reason: string | null
  count: number
}

const columns = [
  'id',
  'at',
  'type',
  'account_id',
  'username',
  'number',
  'group_id',
  'group_name',
  'address',
  'transport',
  'cipher',
  'contact',
  'user_agent',
  'reason',
  'count',
] as const satisfies readonly (keyof SipEventRow)[]

const searched = ['username', 'number', 'address', 'contact', 'user_agent']

/** Whose a username is, is looked up here, once per batch, and not by whoever is busy with a flood of wrong passwords. */
const insertEvents = `
  insert into sip_events (key, ${columns.filter((column) => column !== 'id').join(', ')})
  select v.key, v.at, v.type, coalesce(v.account_id, c.account_id), coalesce(v.username, a.username), a.virtual_number,
    a.group_id, g.name, v.address, v.transport, v.cipher, v.contact, v.user_agent, v.reason, v.count
  from jsonb_to_recordset(?::jsonb) as v (key uuid, at timestamptz, type text, account_id integer,
    username text, address text, transport text, cipher text, contact text, user_agent text, reason text, count integer, n integer)
  left join credentials c on v.account_id is null and c.digest_username = v.username
  left join accounts a on a.id = coalesce(v.account_id, c.account_id)
  left join groups g on g.id = a.group_id
  order by v.n
  on conflict do nothing`

/** `n`: its place, by which ids are given: of two events of one moment the later one is the newer. */
function eventToRow(event: NewSipEvent, n: number): Record<string, unknown> {
  const text = (value: string | null) => (value === null ? null : fitting(value))
  return {
    key: event.key,
    at: timeText(event.at),
    type: event.type,
    account_id: event.accountId,
    username: text(event.username),
    address: fitting(event.address),
    transport: event.transport,
    cipher: text(event.cipher),
    contact: text(event.contact),
    user_agent: text(event.userAgent),
    reason: text(event.reason),
    count: event.count,
    n,
  }
}

function rowToEvent(row: SipEventRow): SipEvent {
  const {
    account_id: accountId,
    group_id: groupId,
    group_name: groupName,
    user_agent: userAgent,
    ...same
  } = row
  return { ...same, accountId, groupId, groupName, userAgent }
}

/** The log of what phones did beside calling. */
export function createSipEventStore(knex: Knex): SipEventStore {
  function matching({ type, accountId, groupId, from, until, search }: SipEventFilter): Knex.QueryBuilder {
    const rows = knex('sip_events')
    if (type !== undefined) void rows.where({ type })
    for (const [column, id] of [
      ['account_id', accountId],
      ['group_id', groupId],
    ] as const) {
      if (id !== undefined) void (isRowId(id) ? rows.where(column, id) : rows.whereRaw('false'))
    }
    if (from !== undefined) void rows.where('at', '>=', timeText(from))
    if (until !== undefined) void rows.where('at', '<', timeText(until))
    whereContains(rows, searched, search)
    return rows
  }

  return {
    async write(events) {
      await knex.raw(insertEvents, [JSON.stringify(events.map(eventToRow))])
    },

    ...createTimeLog(knex, {
      table: 'sip_events',
      time: 'at',
      columns,
      cursors: 'sip-event',
      matching,
      toItem: rowToEvent,
    }),
  }
}
