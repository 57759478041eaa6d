/**
 * HTTP digest for SIP (RFC 7616, RFC 8760, RFC 3261 §22), with MD5 and SHA-256. Pure: hashes in, verdict out.
 */
import crypto from 'node:crypto'
import type { DigestAlgorithm } from '../config.js'

export interface DigestCredentials {
  username: string
  realm: string
  /** As between the quotes, as are uri and cnonce: the response is computed over what was written. */
  nonce: string
  uri: string
  /** Lower case hex. */
  response: string
  /** Undefined: one that we do not know. */
  algorithm: DigestAlgorithm | undefined
  /** Undefined: a client of RFC 2069, which counts nothing (RFC 3261 §22.4 item 8 lets it in). */
  qop: { nc: string; count: number; cnonce: string } | undefined
}

const MAX_HEADER = 8192
const MAX_PARAMS = 32
const SKIP = /[\s,]*/y
// A scheme is a word that is followed by another word and not by `=`.
const SCHEME = /([a-z0-9!#$%&'*+.^_`|~-]+)\s+(?=[^=\s,])/iy
const PARAM = /([a-z0-9!#$%&'*+.^_`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))(?=[\s,]|$)/iy
const OTHER_SCHEME_VALUE = /[^,"]*(?:"(?:[^"\\]|\\.)*"[^,"]*)*/y

/**
 * All digest credentials of an Authorization or Proxy-Authorization header; several header lines may stand in it
 * one after another, separated by commas. Other schemes are passed over. Undefined if the text is malformed: an
 * unclosed quote, a parameter twice, one that is missing, a number that is none.
 */
export function parseCredentials(header: string): DigestCredentials[] | undefined {
  if (header.length > MAX_HEADER || /[\u0000-\u0008\u000e-\u001f\u007f]/.test(header)) return undefined
  const found: Map<string, string>[] = []
  let params: Map<string, string> | 'of another scheme' | undefined
  let at = 0
  const take = (pattern: RegExp) => {
    pattern.lastIndex = at
    const match = pattern.exec(header)
    if (match) at = pattern.lastIndex
    return match
  }
  for (;;) {
    take(SKIP)
    if (at >= header.length) break
    const scheme = take(SCHEME)?.[1]
    if (scheme?.toLowerCase() === 'digest') found.push((params = new Map<string, string>()))
    else if (scheme !== undefined) params = 'of another scheme'
    else if (params === 'of another scheme') {
      if (take(OTHER_SCHEME_VALUE)?.[0] === '') return undefined
    } else {
      const param = take(PARAM)
      const name = param?.[1]?.toLowerCase()
      if (!param || name === undefined) return undefined
      if (!params || params.has(name) || params.size >= MAX_PARAMS) return undefined
      params.set(name, param[2] ?? param[3] ?? '')
    }
  }
  const credentials = found.map(toCredentials)
  return credentials.every((one) => one !== undefined) ? credentials : undefined
}

function toCredentials(params: Map<string, string>): DigestCredentials | undefined {
  const username = params.get('username')
  const realm = params.get('realm')
  const nonce = params.get('nonce')
  const uri = params.get('uri')
  const response = params.get('response')?.toLowerCase()
  if (!username || realm === undefined || !nonce || !uri || !response) return undefined
  const base = {
    username: unquote(username),
    realm: unquote(realm),
    nonce,
    uri,
    response,
    algorithm: knownAlgorithm(params.get('algorithm')),
  }
  const qop = params.get('qop')
  if (qop === undefined) return { ...base, qop: undefined }
  const nc = params.get('nc') ?? ''
  const cnonce = params.get('cnonce')
  // Only `auth` is offered; auth-int would cover a body that proxies on the way may touch.
  if (qop.toLowerCase() !== 'auth' || !/^[0-9a-f]{8}$/i.test(nc) || cnonce === undefined) return undefined
  const count = parseInt(nc, 16)
  return count === 0 ? undefined : { ...base, qop: { nc, count, cnonce } }
}

function unquote(text: string): string {
  return text.replace(/\\(.)/g, '$1')
}

function knownAlgorithm(name: string | undefined): DigestAlgorithm | undefined {
  // RFC 2617 §3.2.1: absent means MD5.
  const upper = (name ?? 'MD5').toUpperCase()
  return upper === 'MD5' || upper === 'SHA-256' ? upper : undefined
}

/** One challenge per algorithm, in the order in which we prefer them (RFC 8760 §2.4). Values of separate header lines. */
export function challenges(
  realm: string,
  nonce: string,
  algorithms: readonly DigestAlgorithm[],
  stale: boolean,
): string[] {
  const quotedRealm = realm.replace(/["\\]/g, '\\$&')
  return algorithms.map(
    (algorithm) =>
      `Digest realm="${quotedRealm}", nonce="${nonce}", algorithm=${algorithm}, qop="auth"${stale ? ', stale=true' : ''}`,
  )
}

/** The response that a client with this HA1 computes for these credentials (RFC 7616 §3.4.1), hex. */
export function digestResponse(
  algorithm: DigestAlgorithm,
  ha1: string,
  method: string,
  { nonce, uri, qop }: Pick<DigestCredentials, 'nonce' | 'uri' | 'qop'>,
): string {
  const ha2 = hash(algorithm, `${method}:${uri}`)
  return hash(
    algorithm,
    qop ? `${ha1}:${nonce}:${qop.nc}:${qop.cnonce}:auth:${ha2}` : `${ha1}:${nonce}:${ha2}`,
  )
}

/** Compares in constant time; only the length, which the algorithm tells anyway, may shorten it. */
export function sameResponse(expected: string, given: string): boolean {
  const a = Buffer.from(expected, 'utf8')
  const b = Buffer.from(given, 'utf8')
  return a.length === b.length && crypto.timingSafeEqual(a, b)
}

/** Hex digest of UTF-8 text. */
export const hash: (algorithm: DigestAlgorithm, text: string) => string =
  // crypto.hash is twice as fast, and came with Node 20.12.
  typeof crypto.hash === 'function'
    ? (algorithm, text) => crypto.hash(NODE_NAME[algorithm], text, 'hex')
    : (algorithm, text) => crypto.createHash(NODE_NAME[algorithm]).update(text).digest('hex')

const NODE_NAME = { 'SHA-256': 'sha256', MD5: 'md5' } as const
