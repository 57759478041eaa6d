import { Type, type Static } from 'typebox'
import {
  callDispositions,
  callEnders,
  type Call,
  type CalleeParty,
  type CallEnder,
} from '../../store/call.js'
import type { SipTransport } from '../../store/types.js'
import { Id, isoTime, isoTimeOrNull, nullable, Time } from './common.js'
import { idFilter, logQuery } from './log.js'

const Text = Type.String()
const transports = ['udp', 'tcp', 'tls', 'ws', 'wss'] as const
const time = (description: string) => nullable(Type.String({ format: 'date-time', description }))

/** The same for both sides, but that much of the callee may not be known. */
const account = {
  accountId: Id,
  number: Text,
  name: nullable(Text),
  groupId: Id,
  groupName: nullable(Text),
}
const device = {
  address: Type.String({ description: 'Address and port of the device' }),
  transport: Type.Enum(transports),
  cipher: nullable(Type.String({ description: 'Version and cipher of TLS; null without' })),
  userAgent: nullable(Text),
}

export const CallSchema = Type.Object(
  {
    id: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
    startedAt: Time,
    rangAt: time('When the first device began to ring'),
    answeredAt: time('Null: nobody answered'),
    endedAt: time('Null: it goes on, or no BYE has passed'),
    durationSeconds: nullable(Type.Number({ description: 'From the answer to the end' })),
    endedBy: Type.Unsafe<CallEnder | null>({ enum: [...callEnders, null] }),
    disposition: Type.Enum(callDispositions),
    sipStatus: Type.Integer({ description: 'The final answer that the caller got' }),
    sipReason: Text,
    explanation: nullable(Type.String({ description: 'Why it was refused, for people' })),
    securityModel: Type.Enum(['standard', 'end-to-site', 'end-to-end'], {
      description: 'That of the caller',
    }),
    devices: Type.Integer({ minimum: 0, description: 'How many devices of the callee were called' }),
    caller: Type.Object({ ...account, ...device }),
    callee: Type.Object(
      {
        accountId: nullable(Id),
        number: nullable(Text),
        name: account.name,
        groupId: nullable(Id),
        groupName: account.groupName,
        address: nullable(device.address),
        transport: Type.Unsafe<SipTransport | null>({ enum: [...transports, null] }),
        cipher: device.cipher,
        userAgent: device.userAgent,
      },
      { description: 'With the device that answered, or that spoke the last word' },
    ),
    callId: Type.String({ description: 'The Call-ID of SIP' }),
  },
  { $id: 'Call', description: 'A call whose outcome is known. Names are those at the time of the call.' },
)

export const CallListQuery = Type.Object(
  {
    ...logQuery('calls'),
    number: Type.Optional(
      Type.String({ minLength: 1, maxLength: 40, description: 'Only calls from or to this number' }),
    ),
    account: idFilter('Only calls of this account'),
    group: idFilter('Only calls of accounts of this group'),
    disposition: Type.Optional(Type.Enum(callDispositions)),
  },
  { additionalProperties: false },
)

export function durationSeconds({ answeredAt, endedAt }: Call): number | null {
  return answeredAt === null || endedAt === null ? null : (endedAt - answeredAt) / 1000
}

export function callAnswer(call: Call): Static<typeof CallSchema> {
  const { callerTag: _caller, calleeTag: _callee, caller, callee, ...rest } = call
  return {
    ...rest,
    startedAt: isoTime(call.startedAt),
    rangAt: isoTimeOrNull(call.rangAt),
    answeredAt: isoTimeOrNull(call.answeredAt),
    endedAt: isoTimeOrNull(call.endedAt),
    durationSeconds: durationSeconds(call),
    caller: { ...caller, ...groupName(caller) },
    callee: { ...callee, ...groupName(callee) },
  }
}

const groupName = ({ groupName }: Pick<CalleeParty, 'groupName'>) => ({ groupName: groupName ?? null })
