/** `name-addr` and `addr-spec` header values: From, To, Contact, Route, ... (RFC 3261 §20, §25.1). */
import { LT, QUOTE, isBlank, quotedStringEnd, skipBlanks, trimmedSlice, uriEnd } from './chars.js'
import { findParam, parseParams, type Param } from './params.js'
import { uriScheme } from './uri.js'

export interface NameAddr {
  /** Without quotes and escapes; '' if there is none. */
  readonly display: string
  /** The text of the URI, see `parseUri`. */
  readonly uri: string
  /** Parameters of the header, not of the URI. */
  readonly params: readonly Param[]
}

/**
 * Reads one value (no comma list). Unquoted display names may hold any character but quotes and `<` (RFC 4475
 * §3.1.2.15 allows to be that lenient). Undefined if no URI with a scheme is found or its end is unclear.
 */
export function parseNameAddr(text: string): NameAddr | undefined {
  const start = skipBlanks(text, 0)
  let display = ''
  let open: number
  if (text.charCodeAt(start) === QUOTE) {
    const end = quotedStringEnd(text, start)
    if (end === -1) return undefined
    open = skipBlanks(text, end)
    if (text.charCodeAt(open) !== LT) return undefined
    display = unquote(text.slice(start, end))
  } else {
    open = text.indexOf('<', start)
    if (open === -1) return parseAddrSpec(text, start)
    // A quote first: either a quoted parameter value that holds the "<", or nothing that can be read.
    if (open !== start) {
      display = trimmedSlice(text, start, open)
      if (display.includes('"')) return parseAddrSpec(text, start)
    }
  }
  const close = text.indexOf('>', open)
  if (close === -1) return undefined
  const uri = trimmedSlice(text, open + 1, close)
  const params = parseParams(text, close + 1)
  return params === undefined || !isBareUri(uri) ? undefined : { display, uri, params }
}

/** Without `<>` every parameter is the header's, and the URI may hold neither comma nor question mark (§20). */
function parseAddrSpec(text: string, start: number): NameAddr | undefined {
  const semicolon = text.indexOf(';', start)
  const end = semicolon === -1 ? text.length : semicolon
  const uri = trimmedSlice(text, start, end)
  if (uri.includes(',') || uri.includes('?') || !isBareUri(uri)) return undefined
  const params = parseParams(text, end)
  return params === undefined ? undefined : { display: '', uri, params }
}

function isBareUri(uri: string): boolean {
  return uriScheme(uri) !== undefined && uriEnd(uri, 0) === uri.length
}

/** The text within a quoted string; text that is not quoted stays as it is. */
function unquote(text: string): string {
  if (text.length < 2 || text.charCodeAt(0) !== QUOTE) return text
  const inner = text.slice(1, -1)
  return inner.includes('\\') ? inner.replace(/\\([^])/g, '$1') : inner
}

/**
 * One parameter (lower case name) of a name-addr value without parsing the rest: for tags.
 * '' if it has no value; undefined if it is not there. Quotes are kept.
 */
export function headerParam(value: string, name: string): string | undefined {
  const at = paramsStart(value)
  if (at === -1) return undefined
  // The usual case: the one parameter is the wanted one, and nothing has to be allocated but its value.
  const from = at + 1
  if (value.startsWith(name, from) && value.charCodeAt(from + name.length) === 61 /* = */) {
    const end = value.indexOf(';', from)
    const stop = end === -1 ? value.length : end
    const first = value.charCodeAt(from + name.length + 1)
    if (first !== QUOTE && !isBlank(first) && !isBlank(value.charCodeAt(stop - 1)))
      return value.slice(from + name.length + 1, stop)
  }
  const params = parseParams(value, at)
  return params && findParam(params, name)
}

/** Position of the `;` that begins the header's parameters, or -1. */
function paramsStart(value: string): number {
  let i = skipBlanks(value, 0)
  if (value.charCodeAt(i) === QUOTE) {
    i = quotedStringEnd(value, i)
    if (i === -1) return -1
  }
  const open = value.indexOf('<', i)
  if (open !== -1 && !value.slice(i, open).includes('"')) {
    const close = value.indexOf('>', open)
    if (close === -1) return -1
    i = close + 1
  }
  return value.indexOf(';', i)
}
