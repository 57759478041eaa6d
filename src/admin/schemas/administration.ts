/** Who may use the API: administrators, their sessions, and tokens for programs. */
import { Type, type Static } from 'typebox'
import type { Admin, ApiToken } from '../../store/types.js'
import { Id, isoTime, isoTimeOrNull, line, newPassword, nullable, Time } from './common.js'

const Role = Type.Enum(['admin', 'operator', 'auditor'], {
  description:
    'admin: everything. operator: groups, accounts and registrations. auditor: reads, changes nothing',
})

export const NewAdminBody = Type.Object(
  {
    username: line(64, 'Name to sign in with, unique'),
    password: newPassword('At least 8 characters'),
    role: Role,
  },
  { additionalProperties: false },
)
export const AdminPatchBody = Type.Object(
  {
    password: Type.Optional(newPassword('A new password')),
    role: Type.Optional(Role),
    enabled: Type.Optional(Type.Boolean({ description: 'False: can not sign in, and its sessions end' })),
  },
  { additionalProperties: false },
)
export const AdminSchema = Type.Object(
  { id: Id, username: Type.String(), role: Role, enabled: Type.Boolean(), createdAt: Time, updatedAt: Time },
  { $id: 'Admin', description: 'A person who administers this server' },
)

export function adminAnswer(admin: Admin): Static<typeof AdminSchema> {
  return { ...admin, createdAt: isoTime(admin.createdAt), updatedAt: isoTime(admin.updatedAt) }
}

export const NewTokenBody = Type.Object(
  {
    name: line(100, 'What it is for, unique'),
    role: Role,
    expiresAt: Type.Optional(
      nullable(
        Type.String({
          format: 'date-time',
          maxLength: 40,
          'x-rule': 'must be a time such as 2030-01-31T12:00:00Z',
          description: 'Left out or null: it never expires',
        }),
      ),
    ),
  },
  { additionalProperties: false },
)

const tokenFields = {
  id: Id,
  name: Type.String(),
  role: Role,
  createdAt: Time,
  expiresAt: nullable(Time),
  lastUsedAt: nullable(Time),
}
export const TokenSchema = Type.Object(tokenFields, {
  $id: 'Token',
  description: 'An API token, without its secret',
})
export const CreatedTokenSchema = Type.Object(
  { ...tokenFields, token: Type.String({ description: 'The secret. It is shown this once' }) },
  { $id: 'CreatedToken' },
)

export function tokenAnswer(token: ApiToken): Static<typeof TokenSchema> {
  return {
    ...token,
    createdAt: isoTime(token.createdAt),
    expiresAt: isoTimeOrNull(token.expiresAt),
    lastUsedAt: isoTimeOrNull(token.lastUsedAt),
  }
}

export const SignInBody = Type.Object(
  {
    username: line(64, 'Name of the administrator'),
    password: Type.String({ minLength: 1, maxLength: 1024, format: 'password', writeOnly: true }),
  },
  { additionalProperties: false },
)

export const SessionSchema = Type.Object(
  {
    username: Type.String({ description: 'The administrator, or the name of the token' }),
    role: Role,
    csrfToken: nullable(
      Type.String({ description: 'For the header `x-csrf-token`; null for a token, which needs none' }),
    ),
    expiresAt: nullable(Time),
  },
  { $id: 'Session', description: 'Who is signed in' },
)
