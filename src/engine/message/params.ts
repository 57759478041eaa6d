/** `;name=value` parameters of headers (RFC 3261 §25.1 generic-param). Order and spelling are kept. */
import {
  COMMA,
  EQUALS,
  GT,
  LT,
  QUOTE,
  SEMICOLON,
  isBlank,
  quotedStringEnd,
  skipBlanks,
  tokenEnd,
} from './chars.js'

export interface Param {
  readonly name: string
  /** As on the wire (quotes and escapes kept); undefined for a parameter without `=`. */
  readonly value: string | undefined
}

/**
 * Parameters from `at` to the end of the text; blanks around `;` and `=` are allowed.
 * Undefined if anything else stands there (an empty parameter, a missing quote).
 */
export function parseParams(text: string, at: number): Param[] | undefined {
  const params: Param[] = []
  for (let i = skipBlanks(text, at); i < text.length;) {
    if (text.charCodeAt(i) !== SEMICOLON) return undefined
    const from = skipBlanks(text, i + 1)
    const end = tokenEnd(text, from)
    if (end === from) return undefined
    const name = text.slice(from, end)
    i = skipBlanks(text, end)
    let value: string | undefined
    if (text.charCodeAt(i) === EQUALS) {
      const start = skipBlanks(text, i + 1)
      const stop = valueEnd(text, start)
      if (stop === -1) return undefined
      value = text.slice(start, stop)
      i = skipBlanks(text, stop)
    }
    params.push({ name, value })
  }
  return params
}

/**
 * End of a parameter's value, or -1. More than the grammar's `token / host / quoted-string` is let through (tags with
 * `=`, `@` or `/`, bare IPv6 addresses are seen in the field), but nothing that another parser could split elsewhere.
 */
function valueEnd(text: string, start: number): number {
  if (text.charCodeAt(start) === QUOTE) return quotedStringEnd(text, start)
  let i = start
  for (; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === SEMICOLON || isBlank(code)) break
    if (code === QUOTE || code === COMMA || code === LT || code === GT) return -1
  }
  return i
}

/** `;a=b;c` */
export function formatParams(params: readonly Param[]): string {
  let text = ''
  for (const { name, value } of params) text += value === undefined ? `;${name}` : `;${name}=${value}`
  return text
}

/** The value of the first parameter of that (lower case) name; '' if it has none; undefined if it is not there. */
export function findParam(params: readonly Param[], name: string): string | undefined {
  for (const param of params) {
    if (sameName(param.name, name)) return param.value ?? ''
  }
  return undefined
}

/** The parameters with one replaced at its place, or appended. */
export function withParam(params: readonly Param[], name: string, value: string | undefined): Param[] {
  const at = params.findIndex((param) => sameName(param.name, name))
  return at === -1 ? [...params, { name, value }] : params.with(at, { name, value })
}

export function sameName(name: string, lower: string): boolean {
  return name === lower || (name.length === lower.length && name.toLowerCase() === lower)
}
