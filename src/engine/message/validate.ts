/** What every message must have, and have only once (RFC 3261 §8.1.1, §8.2, §16.3, §20). */
import { parseNumber } from './chars.js'
import { splitList } from './comma-list.js'
import { labelFor } from './header-names.js'
import type { HeaderField } from './message.js'
import { parseNameAddr } from './name-addr.js'
import { sameName, type Param } from './params.js'
import type { SipMessage, SipRequest, SipResponse } from './sip-message.js'
import { parseUri, uriScheme } from './uri.js'
import { ownVersion, parseVia } from './via.js'

/** Why a message can't be used, as the status and the reason phrase of its answer. */
export interface Problem {
  readonly status: number
  readonly reason: string
}

export function problem(status: number, reason: string): Problem {
  return { status, reason }
}

const escapedNul = problem(400, 'Escaped NUL in URI')
const badRequestUri = problem(400, 'Malformed Request-URI')
const headersInRequestUri = problem(400, 'Headers in Request-URI')
const unknownScheme = problem(416, 'Unsupported URI Scheme')

/**
 * §8.2.2.1, §16.3: only URIs that we could route. Headers have no place in a Request-URI (§19.1.1 table 1). Nor have
 * characters beyond ASCII (§25.1): elsewhere they pass, but in a start line one may be a blank to the next parser.
 */
export function requestUriProblem(uri: string): Problem | undefined {
  const scheme = uriScheme(uri)
  if (scheme === undefined || /[\x80-\xff]/.test(uri)) return badRequestUri
  if (uri.includes('%00')) return escapedNul
  const parsed = parseUri(uri)
  if (parsed === undefined) return badRequestUri
  if (parsed.opaque !== undefined) return unknownScheme
  return parsed.headers.length > 0 ? headersInRequestUri : undefined
}

const noContentLength = problem(400, 'Missing Content-Length')
const badContentLength = problem(400, 'Malformed Content-Length')
const contradictingContentLength = problem(400, 'Contradicting Content-Length')

/** More than any message may have; keeps the sum with other lengths exact. */
const maxContentLength = 2 ** 31 - 1

/**
 * The body's length; undefined if the header is absent and need not be there. Equal lines are tolerated, different
 * ones are not: two elements could see two different messages (RFC 4475 §3.3.9).
 */
export function contentLength(
  headers: readonly HeaderField[],
  required: boolean,
): number | undefined | Problem {
  let length: number | undefined
  for (const header of headers) {
    if (header.name !== 'content-length') continue
    const value = parseNumber(header.value, maxContentLength)
    if (value === undefined) return badContentLength
    if (length !== undefined && value !== length) return contradictingContentLength
    length = value
  }
  return length === undefined && required ? noContentLength : length
}

/** Headers that may stand only once, as bits of a set. */
const single = { from: 1, to: 2, 'call-id': 4, cseq: 8, 'max-forwards': 16, 'content-type': 32 } as const
/** Max-Forwards may be missing: elements of RFC 2543 don't send it (RFC 4475 §3.4.1). */
const mandatory = 1 | 2 | 4 | 8

/**
 * Far more than types and boundaries need (a boundary has 70 characters at most: RFC 2046 §5.1.1). drachtio-srf looks for
 * the boundary with a regexp whose work grows with the third power: a hostile line of 30 kB would stop an application.
 */
const maxContentType = 256

/**
 * Of a From or To. The work of drachtio-srf to find the number in it grows with the square, before anybody is authenticated:
 * 28 kB would stop an application for a tenth of a second.
 */
const maxAddress = 2048

/** Where drachtio-srf looks for the caller's number, besides From. */
const identities: ReadonlySet<string> = new Set(['p-asserted-identity', 'remote-party-id'])

function missing(name: string): Problem {
  return problem(400, `Missing ${labelFor(name)}`)
}

function malformed(name: string): Problem {
  return problem(400, `Malformed ${labelFor(name)}`)
}

function tooLong(name: string): Problem {
  return problem(400, `${labelFor(name)} Too Long`)
}

const cseqMismatch = problem(400, 'CSeq Method Does Not Match')

/** The first thing that is wrong with the header section, Content-Length aside. */
export function findProblem(message: SipRequest | SipResponse): Problem | undefined {
  let hasVia = false
  let seen = 0
  for (const { name, value } of message.headers) {
    let found: Problem | undefined
    switch (name) {
      case 'via':
        if (!areVias(message, value, !hasVia)) return malformed('via')
        hasVia = true
        continue
      case 'contact':
      case 'route':
        // Responses pass with whatever Contact they have: dropping one would only hide the fault from both ends.
        if (message.kind === 'request') found = listProblem(name, value, message.method)
        if (found !== undefined) return found
        continue
      case 'from':
      case 'to':
        found = value.length > maxAddress ? tooLong(name) : addressProblem(value, name)
        break
      case 'call-id':
        // Its characters are of no concern to routing, but it is one word (§25.1 callid).
        if (value === '' || value.includes(' ') || value.includes('\t')) found = malformed('call-id')
        break
      case 'cseq':
        if (message.peekCSeq() === undefined) found = malformed('cseq')
        break
      case 'max-forwards':
        if (parseNumber(value, 255) === undefined) found = malformed('max-forwards')
        break
      case 'content-type':
        if (value.length > maxContentType) found = malformed('content-type')
        break
      default:
        if (value.length > maxAddress && identities.has(name)) return tooLong(name)
        continue
    }
    if (found !== undefined) return found
    if ((seen & single[name]) !== 0) return problem(400, `Repeated ${labelFor(name)}`)
    seen |= single[name]
  }
  if (!hasVia) return missing('via')
  if ((seen & mandatory) !== mandatory) {
    for (const name of ['from', 'to', 'call-id', 'cseq'] as const)
      if ((seen & single[name]) === 0) return missing(name)
  }
  return message.kind === 'request' && message.cseq.method !== message.method ? cseqMismatch : undefined
}

/** All values: after ours is taken off a response, the next one is where it goes. */
function areVias(message: SipMessage, line: string, topmost: boolean): boolean {
  if (topmost && message.peekVia()?.version !== ownVersion) return false
  if (topmost && !line.includes(',')) return true
  return splitList(line).every((value) => parseVia(value)?.version === ownVersion)
}

function listProblem(name: 'contact' | 'route', line: string, method: string): Problem | undefined {
  // §20.10: all of the registrations; nothing that a dialog could be had with.
  if (line === '*' && name === 'contact' && method === 'REGISTER') return undefined
  if (!line.includes(',')) return addressProblem(line, name)
  for (const value of splitList(line)) {
    const found = addressProblem(value, name)
    if (found !== undefined) return found
  }
  return undefined
}

/**
 * A name-addr whose URI, if it is sip, sips or tel, can be parsed. `%00` is legal in a URI (RFC 4475 §3.1.1.4), but
 * no account of ours has a NUL in its name, and a C string behind us could end there: bob%00evil would become bob.
 */
function addressProblem(text: string, name: string): Problem | undefined {
  const address = parseNameAddr(text)
  if (address === undefined || hasTwoTags(address.params)) return malformed(name)
  if (address.uri.includes('%00')) return escapedNul
  return parseUri(address.uri) === undefined ? malformed(name) : undefined
}

/** §7.3.1: no parameter twice. With two tags the application could find another dialog than we do. */
function hasTwoTags(params: readonly Param[]): boolean {
  if (params.length < 2) return false
  let tags = 0
  for (const { name } of params) if (sameName(name, 'tag')) tags++
  return tags > 1
}
