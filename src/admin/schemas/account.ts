import { Type, type Static } from 'typebox'
import type { Account } from '../../store/types.js'
import { email, Id, isoTime, line, lines, newPassword, nullable, Time } from './common.js'

const AccountType = Type.Enum(['softphone', 'deskphone'], { default: 'softphone' })
const SecurityModel = Type.Enum(['standard', 'end-to-site', 'end-to-end'], { default: 'standard' })

const username = Type.String({
  pattern: '^[0-9]{3,20}$',
  maxLength: 20,
  'x-rule': 'must be 3 to 20 digits',
  description: 'What the phone signs in with; digits only. Left out: a free one is chosen',
})
const password = newPassword(
  'What the phone signs in with. Only digest hashes are stored, and no answer has them',
)
const virtualNumber = Type.String({
  pattern: '^\\+?[0-9]{1,20}$',
  maxLength: 21,
  'x-rule': 'must be 1 to 20 digits with an optional + before them, and nothing between',
  description: 'The number that is dialled to reach the account, and shown when it calls',
})
const networks = (description: string) =>
  nullable(
    Type.Array(
      Type.String({
        maxLength: 50,
        format: 'cidr',
        'x-rule':
          'must be a network such as 192.0.2.0/24 or 2001:db8::/32, with no bits set behind the prefix',
      }),
      { maxItems: 64, description: `Desk phones only. ${description}` },
    ),
  )

const optional = {
  displayName: Type.Optional(nullable(line(100, "The owner's full name"))),
  email: Type.Optional(nullable(email("The owner's e-mail address"))),
  mobile: Type.Optional(
    nullable(
      Type.String({
        pattern: '^\\+?[0-9 ()./-]+$',
        maxLength: 40,
        'x-rule': 'must be a telephone number: digits, spaces and + ( ) . / -',
        description: "The owner's mobile number",
      }),
    ),
  ),
  description: Type.Optional(nullable(lines(1000, 'Free text'))),
  visible: Type.Optional(
    Type.Boolean({ default: true, description: 'Listed in the address book of phones' }),
  ),
  type: Type.Optional(AccountType),
  securityModel: Type.Optional(SecurityModel),
  enabled: Type.Optional(
    Type.Boolean({ default: true, description: 'False: can neither register, call nor be called' }),
  ),
  mac: Type.Optional(
    nullable(
      Type.String({
        pattern:
          '^([0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{2}(-[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{4}([.][0-9A-Fa-f]{4}){2}|[0-9A-Fa-f]{12})$',
        maxLength: 17,
        'x-rule': 'must be a MAC address such as 00:1a:2b:3c:4d:5e',
        description: 'Desk phones only. Stored as aa:bb:cc:dd:ee:ff',
      }),
    ),
  ),
  deny: Type.Optional(networks('Networks it may not sign in from; looked at first')),
  permit: Type.Optional(networks('Networks it may sign in from, although denied')),
}

export const NewAccountBody = Type.Object(
  { username: Type.Optional(username), password, virtualNumber, ...optional },
  { additionalProperties: false },
)
export type NewAccountBody = Static<typeof NewAccountBody>

export const AccountPatchBody = Type.Object(
  {
    groupId: Type.Optional(Type.Integer({ ...Id, description: 'Moves the account to this group' })),
    username: Type.Optional(username),
    password: Type.Optional(password),
    virtualNumber: Type.Optional(virtualNumber),
    ...optional,
  },
  { additionalProperties: false },
)
export type AccountPatchBody = Static<typeof AccountPatchBody>

const text = nullable(Type.String())

export const AccountSchema = Type.Object(
  {
    id: Id,
    groupId: Id,
    username: Type.String(),
    virtualNumber: Type.String(),
    displayName: text,
    email: text,
    mobile: text,
    description: text,
    visible: Type.Boolean(),
    type: AccountType,
    securityModel: SecurityModel,
    enabled: Type.Boolean(),
    mac: text,
    deny: Type.Array(Type.String()),
    permit: Type.Array(Type.String()),
    createdAt: Time,
    updatedAt: Time,
  },
  { $id: 'Account', description: 'What a phone registers with and is called by' },
)

export function accountAnswer(account: Account): Static<typeof AccountSchema> {
  return { ...account, createdAt: isoTime(account.createdAt), updatedAt: isoTime(account.updatedAt) }
}
