/** What the queries of all logs share. */
import { Type } from 'typebox'
import { invalidInput } from '../problems.js'
import { PageQuery } from './common.js'

const when = (description: string) =>
  Type.Optional(
    Type.String({
      format: 'date-time',
      maxLength: 40,
      'x-rule': 'must be a time such as 2030-01-31T12:00:00Z',
      description,
    }),
  )

export const idFilter = (description: string) =>
  Type.Optional(Type.Integer({ minimum: 1, maximum: 2_147_483_647, description }))

/** `what`: plural of what the log holds. */
export const logQuery = (what: string) => ({
  ...PageQuery.properties,
  from: when(`Only ${what} from then or later`),
  to: when(`Only ${what} from before that`),
  format: Type.Optional(
    Type.Enum(['json', 'csv'], {
      description: `csv: all ${what} that match, as a download; so does \`Accept: text/csv\``,
    }),
  ),
})

/** Milliseconds; of what the format allows, a leap second is no time that can be compared. */
export function timeOf(field: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const time = Date.parse(text)
  if (Number.isNaN(time))
    throw invalidInput([{ field, message: 'must be a time such as 2030-01-31T12:00:00Z' }])
  return Math.max(0, time)
}
