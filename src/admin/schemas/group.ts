import { Type, type Static } from 'typebox'
import type { Group } from '../../store/types.js'
import { email, Id, isoTime, line, lines, nullable, Time } from './common.js'

const optional = {
  itEmail: Type.Optional(nullable(email('E-mail of the IT contact; lists show it as Admin contact'))),
  itContact: Type.Optional(nullable(line(100, 'Name of the IT contact'))),
  itPhone: Type.Optional(nullable(line(40, 'Telephone of the IT contact'))),
  description: Type.Optional(nullable(lines(1000, 'Free text'))),
}
const name = line(100, 'Name of the group, unique')

export const NewGroupBody = Type.Object({ name, ...optional }, { additionalProperties: false })
export const GroupPatchBody = Type.Object(
  { name: Type.Optional(name), ...optional },
  { additionalProperties: false },
)

const text = nullable(Type.String())

export const GroupSchema = Type.Object(
  {
    id: Id,
    name: Type.String(),
    itEmail: text,
    itContact: text,
    itPhone: text,
    description: text,
    accountCount: Type.Integer(),
    createdAt: Time,
    updatedAt: Time,
  },
  {
    $id: 'Group',
    description: 'A container of accounts: a department, a building. It never restricts who may call whom.',
  },
)

export function groupAnswer(group: Group): Static<typeof GroupSchema> {
  return { ...group, createdAt: isoTime(group.createdAt), updatedAt: isoTime(group.updatedAt) }
}
