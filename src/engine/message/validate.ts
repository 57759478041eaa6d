/** What every message must have, and have only once (RFC 3261 §8.1.1, §8.2, §16.3, §20). */
import { parseNumber } from './chars.js'
import { splitList } from './comma-list.js'
import type { HeaderField } from './message.js'
import { parseNameAddr } from './name-addr.js'
import type { SipMessage, SipRequest } from './sip-message.js'
import { parseUri, uriScheme } from './uri.js'
import { parseVia } from './via.js'

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

/** §8.2.2.1, §16.3: only URIs that we could route. Headers have no place in a Request-URI (§19.1.1 table 1). */
export function requestUriProblem(uri: string): Problem | undefined {
  const scheme = uriScheme(uri)
  if (scheme === undefined) return badRequestUri
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

const single = ['from', 'to', 'call-id', 'cseq', 'max-forwards'] as const
type Single = (typeof single)[number]

const labels: Record<Single | 'via', string> = {
  via: 'Via',
  from: 'From',
  to: 'To',
  'call-id': 'Call-ID',
  cseq: 'CSeq',
  'max-forwards': 'Max-Forwards',
}

function missing(name: Single | 'via'): Problem {
  return problem(400, `Missing ${labels[name]}`)
}

function malformed(label: string): Problem {
  return problem(400, `Malformed ${label}`)
}

const cseqMismatch = problem(400, 'CSeq Method Does Not Match')

/** The first thing that is wrong with the header section, Content-Length aside. */
export function findProblem(message: SipMessage): Problem | undefined {
  const isRequest = message.kind === 'request'
  let hasVia = false
  let seen = 0
  for (const { name, value } of message.headers) {
    switch (name) {
      case 'via':
        if (!areVias(message, value, !hasVia)) return malformed('Via')
        hasVia = true
        continue
      case 'from':
      case 'to': {
        const found = addressProblem(value, labels[name])
        if (found !== undefined) return found
        break
      }
      case 'call-id':
        // Not more than §25.1 needs: no blanks within, not empty. Its characters are of no concern to routing.
        if (value === '' || value.includes(' ') || value.includes('\t')) return malformed('Call-ID')
        break
      case 'cseq':
        if (message.peekCSeq() === undefined) return malformed('CSeq')
        break
      case 'max-forwards':
        if (parseNumber(value, 255) === undefined) return malformed('Max-Forwards')
        break
      case 'contact':
      case 'route': {
        // Responses pass with whatever Contact they have: dropping one would only hide the fault from both ends.
        const found = isRequest ? listProblem(name, value) : undefined
        if (found !== undefined) return found
        continue
      }
      default:
        continue
    }
    const bit = 1 << single.indexOf(name)
    if ((seen & bit) !== 0) return problem(400, `Repeated ${labels[name]}`)
    seen |= bit
  }
  if (!hasVia) return missing('via')
  for (const [index, name] of single.entries()) {
    // Max-Forwards is the only optional one: elements of RFC 2543 don't send it (RFC 4475 §3.4.1).
    if ((seen & (1 << index)) === 0 && name !== 'max-forwards') return missing(name)
  }
  if (isRequest && message.cseq.method !== (message as SipRequest).method) return cseqMismatch
  return undefined
}

/** All values: after ours is taken off a response, the next one is where it goes. */
function areVias(message: SipMessage, line: string, topmost: boolean): boolean {
  if (topmost && message.peekVia() === undefined) return false
  if (topmost && !line.includes(',')) return true
  return splitList(line).every((value) => parseVia(value) !== undefined)
}

function listProblem(name: 'contact' | 'route', line: string): Problem | undefined {
  const label = name === 'contact' ? 'Contact' : 'Route'
  if (name === 'contact' && line === '*') return undefined
  if (!line.includes(',')) return addressProblem(line, label)
  for (const value of splitList(line)) {
    const found = addressProblem(value, label)
    if (found !== undefined) return found
  }
  return undefined
}

/**
 * A name-addr whose URI, if it is sip, sips or tel, can be parsed. `%00` is legal in a URI (RFC 4475 §3.1.1.4), but
 * no account of ours has a NUL in its name, and a C string behind us could end there: bob%00evil would become bob.
 */
function addressProblem(text: string, label: string): Problem | undefined {
  const address = parseNameAddr(text)
  if (address === undefined) return malformed(label)
  if (address.uri.includes('%00')) return escapedNul
  return parseUri(address.uri) === undefined ? malformed(label) : undefined
}
