/** Header values that are comma lists (RFC 3261 §7.3.1). Commas inside quoted strings and `<>` do not separate. */
import { COMMA, LT, QUOTE, quotedStringEnd, trimmedSlice } from './chars.js'

/** Position of the comma that ends the value that begins at `from`, or the length of the text. */
export function valueEnd(text: string, from: number): number {
  if (text.indexOf(',', from) === -1) return text.length
  for (let i = from; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === COMMA) return i
    if (code === QUOTE) {
      const end = quotedStringEnd(text, i)
      if (end === -1) return text.length
      i = end - 1
    } else if (code === LT) {
      const end = text.indexOf('>', i)
      if (end === -1) return text.length
      i = end
    }
  }
  return text.length
}

/** All values, trimmed; empty ones are kept, so that a checker sees them. */
export function splitList(text: string): string[] {
  const values: string[] = []
  for (let from = 0; from <= text.length;) {
    const end = valueEnd(text, from)
    values.push(trimmedSlice(text, from, end))
    from = end + 1
  }
  return values
}
