/** SIP and SIPS URIs (RFC 3261 §19.1): reading and comparing. Pure. */

export interface SipUri {
  scheme: 'sip' | 'sips'
  /** As written, still escaped; null if there is none. */
  user: string | null
  password: string | null
  /** Lower case, IPv6 without brackets, a name without the dot of the root at its end. */
  host: string
  port: number | null
  /** Names in lower case, values as written. */
  params: ReadonlyMap<string, string | null>
  /** What follows `?`, as written. */
  headers: string | null
}

/** Longer ones serve no phone, and would not fit into a database index. */
export const MAX_URI_LENGTH = 1024
/** Characters that no URI may hold unescaped; `|` would end a field of the control protocol. */
const ILLEGAL = /[^\x21-\x7e]|[|<>"\\^`{}]/
const SIP_URI =
  /^(sips?):(?:([^@:]+)(?::([^@]*))?@)?(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?((?:;[^;?@]*)*)(?:\?([^?@]*))?$/i

/** Undefined for anything that is not a SIP or SIPS URI. */
export function parseSipUri(text: string): SipUri | undefined {
  if (text.length > MAX_URI_LENGTH || ILLEGAL.test(text)) return undefined
  const match = SIP_URI.exec(text)
  if (!match) return undefined
  const [, scheme = '', user, password, host = '', port, params = '', headers] = match
  if (port !== undefined && Number(port) > 65535) return undefined
  return {
    scheme: scheme.toLowerCase() as SipUri['scheme'],
    user: user ?? null,
    password: password ?? null,
    host: hostName(host.replace(/^\[|\]$/g, '')),
    port: port === undefined ? null : Number(port),
    params: parseParams(params),
    headers: headers ?? null,
  }
}

/** As hosts are compared: lower case, and `example.org.` is `example.org` (RFC 1034 §3.1). */
export function hostName(text: string): string {
  return text.replace(/(?<=[^.])\.$/, '').toLowerCase()
}

function parseParams(text: string): Map<string, string | null> {
  const params = new Map<string, string | null>()
  for (const param of text.split(';')) {
    if (param === '') continue
    const equals = param.indexOf('=')
    if (equals < 0) params.set(param.toLowerCase(), null)
    else params.set(param.slice(0, equals).toLowerCase(), param.slice(equals + 1))
  }
  return params
}

/** The scheme of any URI in lower case, undefined if there is none. */
export function uriScheme(text: string): string | undefined {
  return /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase()
}

/** Percent escapes resolved; undefined where they are no valid UTF-8. */
export function unescape(text: string): string | undefined {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** Parameters that differ from "absent" even when they carry their default (§19.1.4). */
const NEVER_IGNORED = ['user', 'ttl', 'method', 'maddr', 'transport']

/** Equivalence of §19.1.4, which is not transitive. */
export function sameUri(a: SipUri, b: SipUri): boolean {
  return (
    a.scheme === b.scheme &&
    a.host === b.host &&
    a.port === b.port &&
    sameText(a.user, b.user) &&
    sameText(a.password, b.password) &&
    sameParams(a.params, b.params) &&
    sameHeaders(a.headers, b.headers)
  )
}

function sameText(a: string | null, b: string | null): boolean {
  return a === b || (a !== null && b !== null && normalized(a) === normalized(b))
}

/** An escaped character equals the character itself, unless it is of the reserved set (§19.1.4). */
function normalized(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (escape, hex: string) => {
    const c = String.fromCharCode(parseInt(hex, 16))
    return /[\x21-\x7e]/.test(c) && !/[;/?:@&=+$,%]/.test(c) ? c : escape.toUpperCase()
  })
}

function sameParams(a: SipUri['params'], b: SipUri['params']): boolean {
  for (const name of NEVER_IGNORED) if (a.has(name) !== b.has(name)) return false
  for (const [name, value] of a) {
    if (!b.has(name)) continue
    const other = b.get(name) ?? null
    if (!sameText(value?.toLowerCase() ?? null, other?.toLowerCase() ?? null)) return false
  }
  return true
}

function sameHeaders(a: string | null, b: string | null): boolean {
  if (a === b) return true
  if (a === null || b === null) return false
  const sorted = (headers: string) => headers.split('&').map(headerKey).sort().join('&')
  return sorted(a) === sorted(b)
}

function headerKey(header: string): string {
  const [name = '', ...value] = header.split('=')
  return `${name.toLowerCase()}=${normalized(value.join('='))}`
}
