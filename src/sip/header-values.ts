/** The few header grammars that the application reads itself (RFC 3261 §25.1). Pure. */

/** `"name" <uri>;param=value` or `uri;param=value`. */
export interface NameAddr {
  uri: string
  /** Header parameters; names in lower case, quotes of quoted values removed, null for a parameter without value. */
  params: ReadonlyMap<string, string | null>
}

/** The values of a comma separated header: commas within quotes and angle brackets do not separate (§7.3.1). */
export function splitValues(text: string): string[] {
  if (!text.includes(',')) return text.trim() === '' ? [] : [text.trim()]
  const values: string[] = []
  let start = 0
  let quoted = false
  let bracketed = false
  for (let i = 0; i < text.length; i++) {
    const c = text[i]
    if (quoted) {
      if (c === '\\') i++
      else if (c === '"') quoted = false
    } else if (c === '"') quoted = true
    else if (c === '<') bracketed = true
    else if (c === '>') bracketed = false
    else if (c === ',' && !bracketed) {
      values.push(text.slice(start, i).trim())
      start = i + 1
    }
  }
  values.push(text.slice(start).trim())
  return values.filter((value) => value !== '')
}

/** Option tags and other tokens of a list header, in lower case. */
export function tokens(text: string | undefined): Set<string> {
  return new Set(text === undefined ? [] : splitValues(text).map((token) => token.toLowerCase()))
}

// All of these are sticky or anchored and free of nested repetition: headers are long as an attacker likes.
const QUOTED_STRING = /\s*"(?:[^"\\]|\\.)*"\s*/y
const BARE_URI = /\s*([^\s;,<>"]+)/y
const PARAMETER = /\s*;\s*([^\s;="<>,]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;",]*)))?/y

/** Undefined if the value does not follow the grammar. */
export function parseNameAddr(text: string): NameAddr | undefined {
  QUOTED_STRING.lastIndex = 0
  const afterName = QUOTED_STRING.test(text) ? QUOTED_STRING.lastIndex : 0
  const open = text.indexOf('<', afterName)
  if (open < 0) {
    // Without brackets all parameters are the header's, not the URI's (§20.10).
    BARE_URI.lastIndex = afterName
    const bare = afterName === 0 ? BARE_URI.exec(text)?.[1] : undefined
    return bare === undefined ? undefined : nameAddr(bare, text, BARE_URI.lastIndex)
  }
  const between = text.slice(afterName, open)
  const close = text.indexOf('>', open)
  if (close < 0 || (afterName > 0 ? between !== '' : between.includes('"'))) return undefined
  return nameAddr(text.slice(open + 1, close).trim(), text, close + 1)
}

function nameAddr(uri: string, text: string, end: number): NameAddr | undefined {
  const params = uri === '' || uri.includes('<') ? undefined : parseParams(text, end)
  return params && { uri, params }
}

function parseParams(text: string, from: number): Map<string, string | null> | undefined {
  const params = new Map<string, string | null>()
  let at = from
  while (text.slice(at).trim() !== '') {
    PARAMETER.lastIndex = at
    const match = PARAMETER.exec(text)
    if (!match) return undefined
    at = PARAMETER.lastIndex
    const quoted = match[2]?.replace(/\\(.)/g, '$1')
    params.set((match[1] ?? '').toLowerCase(), quoted ?? match[3] ?? null)
  }
  return params
}

/** True if the text has a character that no header value may hold, and that a database would refuse. */
export function hasControlCharacter(text: string): boolean {
  return /[\u0000-\u0008\u000a-\u001f\u007f]/.test(text)
}

/** `host:port`, IPv6 in brackets. */
export function hostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
