/** All torture messages: those of the RFCs in their order, and our own. */
import { ownMessages } from './own-messages.js'
import { invalidMessages } from './rfc4475-invalid.js'
import { otherMessages } from './rfc4475-other.js'
import { validMessages } from './rfc4475-valid.js'
import { ipv6Messages } from './rfc5118.js'
import type { TortureMessage, Verdict } from './torture-message.js'

export const rfc4475 = [...validMessages, ...invalidMessages, ...otherMessages]
export const rfc5118 = ipv6Messages
export const tortureMessages: readonly TortureMessage[] = [...rfc4475, ...rfc5118, ...ownMessages]

/** What becomes of it on a stream. */
export function verdictsOverTcp(message: TortureMessage): readonly Verdict[] {
  const { expected, overTcp = expected } = message
  return typeof overTcp === 'string' ? [overTcp] : overTcp
}

/** Its line in the table of docs/torture.md. */
export function tableRow(message: TortureMessage): string {
  const { section, name, title, expected, overTcp, why, deviation } = message
  const stream = overTcp === undefined ? '' : `; TCP: ${verdictsOverTcp(message).join(', ')}`
  const note = deviation === undefined ? why : `${why} **Deviation:** ${deviation}`
  return `| ${section} | ${name} | ${title} | ${expected}${stream} | ${note} |`
}
