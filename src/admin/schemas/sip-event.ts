import { Type, type Static } from 'typebox'
import { sipEventTypes, type SipEvent } from '../../store/sip-event.js'
import { Id, isoTime, nullable, Time } from './common.js'
import { idFilter, logQuery } from './log.js'

const text = nullable(Type.String())

export const SipEventSchema = Type.Object(
  {
    id: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
    at: Time,
    type: Type.Enum(sipEventTypes),
    accountId: nullable(Id),
    username: nullable(
      Type.String({ description: 'As the device gave it; of AUTH_FAILED it may be of no account' }),
    ),
    number: text,
    groupId: nullable(Id),
    groupName: text,
    address: Type.String({ description: 'Address and port of the device' }),
    transport: Type.Enum(['udp', 'tcp', 'tls', 'ws', 'wss']),
    cipher: nullable(Type.String({ description: 'Version and cipher of TLS; null without' })),
    contact: text,
    userAgent: text,
    reason: nullable(Type.String({ description: 'Why the connection was closed, or nobody let in' })),
    count: Type.Integer({ minimum: 1, description: 'How many events this one stands for, in a flood' }),
  },
  {
    $id: 'SipEvent',
    description: 'What a device did beside calling. Names are those at that time; null: nobody is known.',
  },
)

export const SipEventListQuery = Type.Object(
  {
    ...logQuery('events'),
    type: Type.Optional(Type.Enum(sipEventTypes)),
    account: idFilter('Only events of this account'),
    group: idFilter('Only events of accounts of this group'),
  },
  { additionalProperties: false },
)

export function sipEventAnswer(event: SipEvent): Static<typeof SipEventSchema> {
  return { ...event, at: isoTime(event.at) }
}
