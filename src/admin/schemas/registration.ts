import { Type, type Static } from 'typebox'
import type { RegistrationListItem } from '../../store/types.js'
import { Id, isoTime, nullable, Time } from './common.js'

const text = nullable(Type.String())

/** A `bigint` of PostgreSQL, as far as a number holds it. */
export const RegistrationId = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })

export const RegistrationSchema = Type.Object(
  {
    id: RegistrationId,
    accountId: Id,
    username: Type.String(),
    virtualNumber: Type.String(),
    displayName: text,
    groupId: Id,
    groupName: Type.String(),
    contact: Type.String({ description: 'The URI the device gave as its own' }),
    source: Type.String({ description: 'Address and port it registered from' }),
    transport: Type.Enum(['udp', 'tcp', 'tls', 'ws', 'wss']),
    path: Type.Array(Type.String(), { description: 'Proxies on the way (RFC 3327)' }),
    userAgent: text,
    instance: nullable(Type.String({ description: 'Identity of the device (RFC 5626)' })),
    regId: nullable(Type.Integer()),
    q: Type.Number({ description: 'Preference among the bindings, 0 to 1' }),
    callId: Type.String(),
    cseq: Type.Integer(),
    node: Type.String({ description: 'The node it is connected to' }),
    createdAt: Time,
    expiresAt: Time,
  },
  { $id: 'Registration', description: 'A live binding of an account to a device' },
)

export function registrationAnswer(item: RegistrationListItem): Static<typeof RegistrationSchema> {
  return {
    ...item,
    path: [...item.path],
    createdAt: isoTime(item.createdAt),
    expiresAt: isoTime(item.expiresAt),
  }
}
