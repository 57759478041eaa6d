/** SIP, SIPS and tel URIs (RFC 3261 §19.1, RFC 3966). */
import { uriEnd } from './chars.js'
import { formatHostPort, parseHostPort } from './host.js'
import { findParam, sameName, type Param } from './params.js'

export interface SipUri {
  /** Lower case. */
  readonly scheme: string
  /** As on the wire, escapes kept; of a tel URI the number. */
  readonly user: string | undefined
  readonly password: string | undefined
  /** Lower case, IPv6 without brackets; '' unless sip or sips. */
  readonly host: string
  readonly port: number | undefined
  /** In order, spelling and escapes kept; see `uriParam`. */
  readonly params: readonly Param[]
  /** What follows `?`, split at `&`. */
  readonly headers: readonly Param[]
  /** What follows the colon, for every scheme but sip, sips and tel. */
  readonly opaque: string | undefined
}

const none: readonly Param[] = []
const empty = {
  user: undefined,
  password: undefined,
  host: '',
  port: undefined,
  params: none,
  headers: none,
  opaque: undefined,
}

/** The scheme in lower case (RFC 3986 §3.1), or undefined if the text doesn't begin with one. */
export function uriScheme(text: string): string | undefined {
  if (text.startsWith('sip:')) return 'sip'
  if (text.startsWith('sips:')) return 'sips'
  const colon = text.indexOf(':')
  if (colon === -1) return undefined
  const scheme = text.slice(0, colon)
  return /^[A-Za-z][A-Za-z0-9+.-]*$/.test(scheme) ? scheme.toLowerCase() : undefined
}

/**
 * Undefined if the text has no scheme, holds characters that no URI may hold, or (sip, sips, tel) breaks its grammar.
 * More user characters than the grammar has are let through; what would let two parsers see two hosts is not.
 */
export function parseUri(text: string): SipUri | undefined {
  const scheme = uriScheme(text)
  if (scheme === undefined || hasForbidden(text)) return undefined
  const rest = text.slice(scheme.length + 1)
  if (scheme === 'sip' || scheme === 'sips') return parseSip(scheme, rest)
  if (scheme === 'tel') return parseTel(rest)
  return rest === '' ? undefined : { ...empty, scheme, opaque: rest }
}

/** Characters that end a URI, or a `%` without two digits behind it. */
function hasForbidden(text: string): boolean {
  return uriEnd(text, 0) !== text.length || (text.includes('%') && /%(?![0-9A-Fa-f]{2})/.test(text))
}

function parseSip(scheme: string, rest: string): SipUri | undefined {
  // The user part may hold ";", "?" and "=" (RFC 4475 §3.1.1.8), so it is cut off first. An "@" further on has to be
  // escaped: with it, this parser and another one could find different hosts.
  const at = rest.indexOf('@')
  if (at !== -1 && rest.includes('@', at + 1)) return undefined
  // An empty user part (seen from callers without an identity) is the same as none.
  let user = at > 0 ? rest.slice(0, at) : undefined
  let password: string | undefined
  if (user?.includes(':') === true) {
    const colon = user.indexOf(':')
    password = user.slice(colon + 1)
    user = user.slice(0, colon)
    if (user === '') return undefined
  }
  const question = rest.indexOf('?', at + 1)
  const paramsEnd = question === -1 ? rest.length : question
  const semicolon = rest.indexOf(';', at + 1)
  const hostEnd = semicolon === -1 || semicolon > paramsEnd ? paramsEnd : semicolon
  const hostPort = parseHostPort(rest.slice(at + 1, hostEnd))
  if (hostPort === undefined) return undefined
  const params = hostEnd === paramsEnd ? none : split(rest.slice(hostEnd + 1, paramsEnd), ';')
  const headers = question === -1 ? none : split(rest.slice(question + 1), '&')
  if (params === undefined || headers === undefined) return undefined
  const { host, port } = hostPort
  return { scheme, user, password, host, port, params, headers, opaque: undefined }
}

/** RFC 3966 §3: a global number, or a local one made of digits, `*`, `#` and letters A to F. */
function parseTel(rest: string): SipUri | undefined {
  const semicolon = rest.indexOf(';')
  const number = semicolon === -1 ? rest : rest.slice(0, semicolon)
  if (!/^\+?[0-9A-Fa-f*#().-]+$/.test(number) || !/[0-9A-Fa-f*#]/.test(number)) return undefined
  const params = semicolon === -1 ? none : split(rest.slice(semicolon + 1), ';')
  if (params === undefined) return undefined
  return { ...empty, scheme: 'tel', user: number, params }
}

function split(text: string, separator: string): Param[] | undefined {
  const parts: Param[] = []
  for (const part of text.split(separator)) {
    const equals = part.indexOf('=')
    const name = equals === -1 ? part : part.slice(0, equals)
    if (name === '') return undefined
    parts.push({ name, value: equals === -1 ? undefined : part.slice(equals + 1) })
  }
  return parts
}

/** The text of a URI; `parseUri` reads the same URI from it. */
export function formatUri(uri: SipUri): string {
  const { scheme, user, password, headers } = uri
  if (uri.opaque !== undefined) return `${scheme}:${uri.opaque}`
  let text = `${scheme}:`
  if (user !== undefined) text += user
  if (scheme !== 'tel') {
    if (password !== undefined) text += `:${password}`
    if (user !== undefined) text += '@'
    text += formatHostPort(uri.host, uri.port)
  }
  for (const { name, value } of uri.params) text += value === undefined ? `;${name}` : `;${name}=${value}`
  headers.forEach(({ name, value }, index) => {
    text += `${index === 0 ? '?' : '&'}${name}${value === undefined ? '' : `=${value}`}`
  })
  return text
}

/** Value of a parameter (lower case name), '' if it has none (`;lr`), undefined if it is not there. */
export function uriParam(uri: SipUri, name: string): string | undefined {
  return findParam(uri.params, name)
}

/** The URI without the parameters of these (lower case) names. */
export function withoutUriParams(uri: SipUri, names: readonly string[]): SipUri {
  return { ...uri, params: uri.params.filter((param) => !names.some((name) => sameName(param.name, name))) }
}
