/** Calls as rows of `calls`. */
import type { Call, CallDisposition, CalleeParty, CallEnder, CallerParty, NewCall } from './call.js'
import type { SecurityModel } from './types.js'

/** Beyond this no header value tells a person anything; a phone may send one of 60,000 characters. */
const maxText = 255

/** A text that PostgreSQL can hold, within bounds: neither NUL nor half a character. */
export function fitting(text: string): string {
  return Buffer.from(text.slice(0, maxText)).toString().replaceAll('\0', '')
}

const fittingOrNull = (text: string | null) => (text === null ? null : fitting(text))
export const timeText = (milliseconds: number) => new Date(milliseconds).toISOString()
const timeOrNull = (milliseconds: number | null) => (milliseconds === null ? null : timeText(milliseconds))

const partyColumns = {
  account_id: 'integer',
  number: 'text',
  name: 'text',
  group_id: 'integer',
  address: 'text',
  transport: 'text',
  cipher: 'text',
  user_agent: 'text',
} as const

/** The columns that a call is written to, with their types; beside them are the id and the names of the groups. */
export const writtenColumns: Readonly<Record<string, string>> = {
  call_id: 'text',
  caller_tag: 'text',
  callee_tag: 'text',
  started_at: 'timestamptz',
  rang_at: 'timestamptz',
  answered_at: 'timestamptz',
  ended_at: 'timestamptz',
  ended_by: 'text',
  disposition: 'text',
  sip_status: 'integer',
  sip_reason: 'text',
  explanation: 'text',
  security_model: 'text',
  devices: 'integer',
  ...Object.fromEntries(
    ['caller', 'callee'].flatMap((side) =>
      Object.entries(partyColumns).map(([column, type]) => [`${side}_${column}`, type]),
    ),
  ),
}

export const readColumns: readonly string[] = [
  'id',
  ...Object.keys(writtenColumns),
  'caller_group_name',
  'callee_group_name',
]

export function callToRow(call: NewCall): Record<string, unknown> {
  return {
    call_id: fitting(call.callId),
    caller_tag: fitting(call.callerTag),
    callee_tag: fittingOrNull(call.calleeTag),
    started_at: timeText(call.startedAt),
    rang_at: timeOrNull(call.rangAt),
    answered_at: timeOrNull(call.answeredAt),
    ended_at: timeOrNull(call.endedAt),
    ended_by: call.endedBy,
    disposition: call.disposition,
    sip_status: call.sipStatus,
    sip_reason: fitting(call.sipReason),
    explanation: fittingOrNull(call.explanation),
    security_model: call.securityModel,
    devices: call.devices,
    ...partyToRow('caller', call.caller),
    ...partyToRow('callee', call.callee),
  }
}

function partyToRow(side: 'caller' | 'callee', party: CalleeParty): Record<string, unknown> {
  return {
    [`${side}_account_id`]: party.accountId,
    [`${side}_number`]: fittingOrNull(party.number),
    [`${side}_name`]: fittingOrNull(party.name),
    [`${side}_group_id`]: party.groupId,
    [`${side}_address`]: party.address,
    [`${side}_transport`]: party.transport,
    [`${side}_cipher`]: party.cipher,
    [`${side}_user_agent`]: fittingOrNull(party.userAgent),
  }
}

/** A row as the driver gives it: times in milliseconds, see connection.ts. */
export type CallRow = Record<string, unknown> & { id: number; started_at: number }

export function rowToCall(row: CallRow): Call {
  return {
    id: row.id,
    callId: row['call_id'] as string,
    callerTag: row['caller_tag'] as string,
    calleeTag: row['callee_tag'] as string | null,
    startedAt: row.started_at,
    rangAt: row['rang_at'] as number | null,
    answeredAt: row['answered_at'] as number | null,
    endedAt: row['ended_at'] as number | null,
    endedBy: row['ended_by'] as CallEnder | null,
    disposition: row['disposition'] as CallDisposition,
    sipStatus: row['sip_status'] as number,
    sipReason: row['sip_reason'] as string,
    explanation: row['explanation'] as string | null,
    securityModel: row['security_model'] as SecurityModel,
    devices: row['devices'] as number,
    caller: rowToParty('caller', row) as CallerParty,
    callee: rowToParty('callee', row),
  }
}

function rowToParty(side: 'caller' | 'callee', row: CallRow): CalleeParty {
  const column = <T>(name: string) => row[`${side}_${name}`] as T | null
  return {
    accountId: column<number>('account_id'),
    number: column<string>('number'),
    name: column<string>('name'),
    groupId: column<number>('group_id'),
    groupName: column<string>('group_name'),
    address: column<string>('address'),
    transport: column<CallerParty['transport']>('transport'),
    cipher: column<string>('cipher'),
    userAgent: column<string>('user_agent'),
  }
}
