/**
 * Bytes to messages (RFC 3261 §7, §18.3, §25). Never throws, whatever the bytes: what can't be used is either
 * answered (`reject`) or, where nobody could understand an answer, dropped.
 */
import { BACKSLASH, COLON, CR, DEL, LF, QUOTE, SP, TAB, isBlank, isToken, trimmedSlice } from './chars.js'
import { readHeaderName } from './header-names.js'
import type { HeaderField } from './message.js'
import { SipRequest, SipResponse } from './sip-message.js'
import { contentLength, findProblem, problem, requestUriProblem, type Problem } from './validate.js'

export interface ParseLimits {
  /** Most header lines; above: 400. */
  maxHeaders: number
  /** Most bytes, header section and body together; above: 513. The header section may have half of them. */
  maxMessageBytes: number
}

/** Datagrams end the body by themselves; on streams only Content-Length does, so it is mandatory there (§18.3). */
export type Framing = 'datagram' | 'stream'

export type ParseResult =
  | { kind: 'message'; message: SipRequest | SipResponse }
  /** Can be answered: its topmost Via was readable, and it is no ACK. `reason` is a reason phrase (§21.4.1). */
  | { kind: 'reject'; request: SipRequest; status: number; reason: string }
  | { kind: 'drop'; reason: string }

/** A parsed header section. */
export interface Head {
  readonly message: SipRequest | SipResponse
  readonly problem: Problem | undefined
  /** Undefined: missing, malformed or contradictory; on a stream the end of the message is then unknown. */
  readonly contentLength: number | undefined
}

const endOfHead = Buffer.from('\r\n\r\n')
const headNotEnded = problem(400, 'Header Section Not Ended')
const tooLarge = problem(513, 'Message Too Large')
const bodyTooShort = problem(400, 'Content-Length Larger Than Message')

/** Reads one whole message: a datagram, a WebSocket message, or what a framer has cut out of a stream. */
export function parseMessage(bytes: Buffer, limits: ParseLimits, framing: Framing): ParseResult {
  // §7.5: empty lines before the start line are ignored.
  let from = 0
  while (bytes[from] === CR && bytes[from + 1] === LF) from += 2
  if (from === bytes.length) return { kind: 'drop', reason: 'Empty' }

  const oversize = bytes.length > limits.maxMessageBytes
  const readable = oversize ? bytes.subarray(0, limits.maxMessageBytes) : bytes
  const end = readable.indexOf(endOfHead, from)
  // Without its end the header section is still read, as far as whole lines go, so that it can be answered.
  const head = parseHead(readable, from, end === -1 ? readable.length : end + 2, limits, framing)
  if (oversize) return refuse(head.message, tooLarge)
  if (end === -1) return refuse(head.message, headNotEnded)

  const start = end + endOfHead.length
  const available = bytes.length - start
  const length = head.contentLength ?? available
  if (length > available) return refuse(head.message, head.problem ?? bodyTooShort)
  // §18.3: bytes behind the body of a datagram are discarded.
  return completeMessage(head, bytes.subarray(start, start + length))
}

/** The result for a header section and its body. */
export function completeMessage(head: Head, body: Buffer): ParseResult {
  if (head.problem !== undefined) return refuse(head.message, head.problem)
  head.message.body = body
  return { kind: 'message', message: head.message }
}

/** Answerable are requests with a readable topmost Via (§18.2.2 sends by it), but never an ACK (§17). */
export function refuse(message: SipRequest | SipResponse, { status, reason }: Problem): ParseResult {
  if (message.kind === 'response') return { kind: 'drop', reason: `Response: ${reason}` }
  const isAck = message.method === 'ACK' || message.peekCSeq()?.method === 'ACK'
  if (isAck || message.peekVia() === undefined) return { kind: 'drop', reason }
  return { kind: 'reject', request: message, status, reason }
}

/** Reads and checks a header section: whole lines, each ended by CRLF. */
export function parseHead(
  bytes: Buffer,
  from: number,
  to: number,
  limits: ParseLimits,
  framing: Framing,
): Head {
  const lines = readLines(bytes, from, to, limits.maxHeaders)
  const { message } = lines
  const problem = lines.problem ?? (to - from > limits.maxMessageBytes / 2 ? tooLarge : undefined)
  const length = contentLength(message.headers, framing === 'stream')
  if (typeof length === 'object') return { message, problem: problem ?? length, contentLength: undefined }
  return { message, problem: problem ?? findProblem(message), contentLength: length }
}

/**
 * Reads start line and header lines, and checks no more than their form.
 *
 * Only CRLF ends a line. Accepting a bare LF or CR as well, as some servers do, would let a sender hide a header
 * line from us in the value of another one that the next element reads, or the other way round (request smuggling).
 */
export function readLines(bytes: Buffer, from: number, to: number, maxHeaders: number): Start {
  const text = bytes.toString('latin1', from, to)
  const controls = strayControl.test(text)
  const lineEnd = text.indexOf('\r\n')
  const startLine = lineEnd === -1 ? text : text.slice(0, lineEnd)
  const { message, problem } = parseStartLine(startLine)
  const inStart = controls && controlInLine.test(startLine) ? controlInStartLine : problem
  const inHeaders =
    lineEnd === -1 ? undefined : readHeaders(text, lineEnd + 2, message.headers, maxHeaders, controls)
  return { message, problem: inStart ?? inHeaders }
}

/** A control character other than tab and CRLF. One class first, so that the text is run over once. */
const strayControl = /[\0-\x08\x0a-\x1f\x7f](?<!\r\n)(?<!\r(?=\n))/
/** The same within one line. */
const controlInLine = /[\0-\x08\x0a-\x1f\x7f]/

/**
 * A quoted pair in a quoted string may hold a control character, even NUL, but no CR or LF (§25.1; RFC 4475 §3.1.1.2
 * uses that); anywhere else there is none.
 */
function hasForbiddenControl(line: string): boolean {
  let quoted = false
  for (let i = 0; i < line.length; i++) {
    const code = line.charCodeAt(i)
    if (code === QUOTE) quoted = !quoted
    else if (code === BACKSLASH && quoted) {
      const next = line.charCodeAt(++i)
      if (next === CR || next === LF) return true
    } else if ((code < SP && code !== TAB) || code === DEL) return true
  }
  return false
}

interface Start {
  readonly message: SipRequest | SipResponse
  readonly problem: Problem | undefined
}

const controlInStartLine = problem(400, 'Control Character in Start Line')
const badStatusLine = problem(400, 'Malformed Status Line')
const badRequestLine = problem(400, 'Malformed Request Line')
const badMethod = problem(400, 'Malformed Method')
const badVersion = problem(505, 'Version Not Supported')

function parseStartLine(line: string): Start {
  if (/^sip\//i.test(line)) return parseStatusLine(line)
  const methodEnd = line.indexOf(' ')
  const versionStart = line.lastIndexOf(' ') + 1
  const method = methodEnd === -1 ? line : line.slice(0, methodEnd)
  const uri = methodEnd === -1 ? '' : line.slice(methodEnd + 1, Math.max(versionStart - 1, methodEnd + 1))
  return {
    message: new SipRequest(method, uri),
    problem: requestLineProblem(method, uri, line.slice(versionStart)),
  }
}

/** §7.1: one space between the parts, none within the URI, the version's letters in any case. */
function requestLineProblem(method: string, uri: string, version: string): Problem | undefined {
  if (uri === '') return badRequestLine
  if (version !== 'SIP/2.0') {
    if (!/^sip\/\d+\.\d+$/i.test(version)) return badRequestLine
    if (version.toUpperCase() !== 'SIP/2.0') return badVersion
  }
  if (!isToken(method)) return badMethod
  if (uri.includes(' ') || uri.includes('\t')) return badRequestLine
  return requestUriProblem(uri)
}

/**
 * §7.2. The space behind the code may be missing if there is no phrase: many leave it out. Unicode's line ends (U+2028
 * and U+2029, here in UTF-8) become spaces: the phrase may hold them, but ends there for parsers made of regexps.
 */
function parseStatusLine(line: string): Start {
  const parts = /^sip\/2\.0 ([1-6]\d\d)(?: (.*))?$/is.exec(line)
  if (parts === null) return { message: new SipResponse(0, ''), problem: badStatusLine }
  const phrase = (parts[2] ?? '').replace(/\xe2\x80[\xa8\xa9]/g, ' ')
  return { message: new SipResponse(Number(parts[1]), phrase), problem: undefined }
}

const lineWithoutColon = problem(400, 'Header Line Without Colon')
const badHeaderName = problem(400, 'Malformed Header Name')
const controlInHeader = problem(400, 'Control Character in Header')
const tooManyHeaders = problem(400, 'Too Many Headers')
const incompleteLine = problem(400, 'Header Line Not Ended')

/**
 * A `%` is a character of tokens like any other (RFC 4475 §3.1.1.5), but drachtio-srf unescapes header names: `Fr%6fm`
 * would be a second From to an application, and to us a header of no importance. Nobody has names like that in earnest.
 * Methods it unescapes too, but one that no application has asked for by that very spelling never gets there.
 */
const escape = /%(?:u[\da-f]{4}|[\da-f]{2})/i

/**
 * Reads header lines into `headers` and goes on after a bad one, so that the rest can serve for an answer.
 * Returns the first problem.
 */
function readHeaders(
  text: string,
  from: number,
  headers: HeaderField[],
  maxHeaders: number,
  controls: boolean,
): Problem | undefined {
  let found: Problem | undefined
  for (let at = from; at < text.length;) {
    let end = text.indexOf('\r\n', at)
    if (end === -1) return found ?? incompleteLine
    let line = at
    let lineEnd = end
    let unfolded: string | undefined
    // §7.3.1: a line that begins with a blank goes on the one before; line end and blanks count as one space.
    while (isBlank(text.charCodeAt(end + 2))) {
      const next = text.indexOf('\r\n', end + 2)
      if (next === -1) return found ?? incompleteLine
      unfolded = joinFolded(unfolded ?? trimmedSlice(text, at, end), trimmedSlice(text, end + 2, next))
      end = next
    }
    at = end + 2
    const source = unfolded ?? text
    if (unfolded !== undefined) {
      line = 0
      lineEnd = unfolded.length
    }
    if (controls && hasForbiddenControl(source.slice(line, lineEnd))) {
      found ??= controlInHeader
      continue
    }
    const colon = colonIn(source, line, lineEnd)
    if (colon === -1) {
      found ??= lineWithoutColon
      continue
    }
    let nameEnd = colon
    while (nameEnd > line && isBlank(source.charCodeAt(nameEnd - 1))) nameEnd--
    const { name, label, known } = readHeaderName(source.slice(line, nameEnd))
    if (!known && (!isToken(label) || escape.test(label))) {
      found ??= badHeaderName
      continue
    }
    if (headers.length === maxHeaders) return found ?? tooManyHeaders
    headers.push({ name, label, value: trimmedSlice(source, colon + 1, lineEnd) })
  }
  return found
}

function joinFolded(line: string, continuation: string): string {
  return continuation === '' ? line : `${line} ${continuation}`
}

/** Looked for in the line only: a search to the end of the text would make lines without a colon quadratic. */
function colonIn(text: string, from: number, to: number): number {
  for (let i = from; i < to; i++) if (text.charCodeAt(i) === COLON) return i
  return -1
}
