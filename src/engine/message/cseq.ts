/** The CSeq header (RFC 3261 §20.16, §8.1.1.5). */
import { isDigit, isToken, parseNumber, skipBlanks } from './chars.js'
import type { CSeq } from './message.js'

/** Sequence numbers are below 2^31. */
const maxSeq = 2 ** 31 - 1

/** Undefined unless it is a number below 2^31, blanks, and a method. */
export function parseCSeq(text: string): CSeq | undefined {
  let end = 0
  while (end < text.length && isDigit(text.charCodeAt(end))) end++
  const seq = parseNumber(text.slice(0, end), maxSeq)
  const from = skipBlanks(text, end)
  if (seq === undefined || from === end) return undefined
  const method = text.slice(from)
  return isToken(method) ? { seq, method } : undefined
}
