/** The building blocks that the schemas of all resources share. */
import { Type, type Static, type TSchema, type TUnsafe } from 'typebox'

/** No control characters: a line break in a display name is an injection into a SIP header, a NUL an error of PostgreSQL. */
const PLAIN = {
  pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]*$',
  'x-rule': 'must not have control characters',
}
/**
 * Texts that people read (see text.ts): with something to see in them, and in the order in which they were written.
 * Nor line breaks in what is one line; line breaks and tabs are part of a text of several lines.
 */
const LINE = {
  pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028-\\u202e\\u2066-\\u2069]*$',
  format: 'visible',
  'x-rule': 'must have a visible character, and no control characters',
}
const LINES = {
  pattern: '^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\u202a-\\u202e\\u2066-\\u2069]*$',
  format: 'visible',
  'x-rule': 'must have a visible character, and no control characters but line breaks',
}

export const line = (maxLength: number, description: string) =>
  Type.String({ ...LINE, minLength: 1, maxLength, description })
export const lines = (maxLength: number, description: string) =>
  Type.String({ ...LINES, maxLength, description })

export const email = (description: string) =>
  Type.String({
    maxLength: 254,
    format: 'email',
    'x-rule': 'must be an e-mail address such as name@example.org',
    description,
  })

/** A password that is being set. Compared as typed: no trimming. */
export const newPassword = (description: string) =>
  Type.String({
    ...PLAIN,
    minLength: 8,
    maxLength: 128,
    format: 'password',
    writeOnly: true,
    description,
  })

/** The schema, or null. One `type` list instead of `anyOf`, so that a wrong value gives one message. */
export function nullable<T extends TSchema & { type: string }>(schema: T): TUnsafe<Static<T> | null> {
  return Type.Unsafe<Static<T> | null>({ ...schema, type: [schema.type, 'null'] })
}

/** A schema registered under its `$id` (plugins/swagger.ts), so that OpenAPI shows it once under its name. */
export function named<T extends TSchema>(schema: T & { $id?: string }): TUnsafe<Static<T>> {
  return Type.Unsafe<Static<T>>({ $ref: `${schema.$id}#` })
}

export const Time = Type.String({ format: 'date-time', description: 'ISO 8601, UTC' })
export const isoTime = (milliseconds: number) => new Date(milliseconds).toISOString()
export const isoTimeOrNull = (milliseconds: number | null) =>
  milliseconds === null ? null : isoTime(milliseconds)

/** Ids are positive `integer`s of PostgreSQL; anything else names nothing. */
export const Id = Type.Integer({ minimum: 1, maximum: 2_147_483_647 })
export const IdParams = Type.Object({ id: Id })

export const PageQuery = Type.Object(
  {
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 50 })),
    after: Type.Optional(
      Type.String({ ...PLAIN, maxLength: 500, description: 'The `next` of the page before' }),
    ),
    search: Type.Optional(
      Type.String({
        ...PLAIN,
        maxLength: 100,
        description: 'Only what contains this text, in any of its names and numbers',
      }),
    ),
  },
  { additionalProperties: false },
)

/** `{items, next, total}`, the form of every list. */
export const pageOf = <T extends TSchema>(item: T) =>
  Type.Object({
    items: Type.Array(item),
    next: nullable(
      Type.String({ description: 'Give it as `after` for the next page; null on the last one' }),
    ),
    total: Type.Integer({ description: 'Entries on all pages' }),
  })

export const NoContent = Type.Null({ description: 'Done; no body' })
