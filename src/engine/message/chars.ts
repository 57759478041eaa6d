/** Character classes of RFC 3261 §25.1, as table look-ups on character codes (0..255). */

export const TAB = 9
export const LF = 10
export const CR = 13
export const SP = 32
export const QUOTE = 34
export const COMMA = 44
export const COLON = 58
export const SEMICOLON = 59
export const LT = 60
export const EQUALS = 61
export const GT = 62
export const BACKSLASH = 92
export const DEL = 127

function table(chars: string): Uint8Array {
  const codes = new Uint8Array(256)
  for (const char of chars) codes[char.charCodeAt(0)] = 1
  return codes
}

const alphanum = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
const tokenChars = table(alphanum + "-.!%*_+`'~")
/** Underscores are no host characters, but hosts on private networks have them. */
const hostChars = table(alphanum + '-._')

/**
 * Blanks, controls, `<`, `>`, `"` and backslash delimit URIs in messages, so they are never part of one. The rest is
 * let through, bytes of UTF-8 included: more than the grammar has, but nothing that could be read as something else.
 */
const uriChars = new Uint8Array(256).map((_, code) =>
  code > SP && code !== DEL && !'<>"\\'.includes(String.fromCharCode(code)) ? 1 : 0,
)

/** LWS inside a line that is unfolded already. */
export function isBlank(code: number): boolean {
  return code === SP || code === TAB
}

export function isDigit(code: number): boolean {
  return code >= 48 && code <= 57
}

/** `token` of §25.1: methods, header names, parameter names. */
export function isToken(text: string): boolean {
  return text.length > 0 && consists(text, tokenChars)
}

/** Characters of a host name or IPv4 address. */
export function isHostName(text: string): boolean {
  return text.length > 0 && consists(text, hostChars)
}

function consists(text: string, chars: Uint8Array): boolean {
  return endOf(text, 0, chars) === text.length
}

/** Position of the first character from `at` on that is not part of a token. */
export function tokenEnd(text: string, at: number): number {
  return endOf(text, at, tokenChars)
}

/** Position of the first character from `at` on that can't be part of a URI within a message. */
export function uriEnd(text: string, at: number): number {
  return endOf(text, at, uriChars)
}

function endOf(text: string, at: number, chars: Uint8Array): number {
  while (at < text.length && chars[text.charCodeAt(at)] === 1) at++
  return at
}

/** The number if the text is digits only and at most `max`, else undefined. Leading zeros are allowed. */
export function parseNumber(text: string, max: number): number | undefined {
  if (text.length === 0) return undefined
  let number = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (!isDigit(code)) return undefined
    number = number * 10 + (code - 48)
    if (number > max) return undefined
  }
  return number
}

/** The first position from `at` on that is neither space nor tab. */
export function skipBlanks(text: string, at: number): number {
  while (at < text.length && isBlank(text.charCodeAt(at))) at++
  return at
}

/** Position after the closing quote of the quoted string that opens at `at`, or -1 if it is not closed (§25.1). */
export function quotedStringEnd(text: string, at: number): number {
  const quote = text.indexOf('"', at + 1)
  // Without a backslash before it the first quote is the end, and nothing has to be looked at one by one.
  if (quote === -1 || text.charCodeAt(quote - 1) !== BACKSLASH) return quote === -1 ? -1 : quote + 1
  for (let i = at + 1; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === QUOTE) return i + 1
    if (code === BACKSLASH) i++
  }
  return -1
}

/** The part between two positions without blanks at its ends. */
export function trimmedSlice(text: string, from: number, to: number): string {
  while (from < to && isBlank(text.charCodeAt(from))) from++
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--
  return text.slice(from, to)
}
