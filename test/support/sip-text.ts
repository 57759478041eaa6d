/**
 * SIP as text, for tests: build requests and responses, read what comes back. Knows nothing of src/engine on purpose,
 * so that an error in the engine's parser or serializer can't hide behind itself.
 */
import { createHash, randomBytes } from 'node:crypto'

/** A message as read by the test. Header names in `headers` are lower case and long (`v` -> `via`). */
export interface SipText {
  readonly raw: Buffer
  readonly startLine: string
  /** Responses only. */
  readonly status?: number
  readonly reason?: string
  /** Requests only. */
  readonly method?: string
  readonly uri?: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string
  /** First value line of a header, undefined if there is none. */
  header(name: string): string | undefined
  /** All lines of a header, in order. */
  all(name: string): string[]
}

const longNames: Record<string, string> = {
  c: 'content-type',
  e: 'content-encoding',
  f: 'from',
  i: 'call-id',
  k: 'supported',
  l: 'content-length',
  m: 'contact',
  o: 'event',
  r: 'refer-to',
  s: 'subject',
  t: 'to',
  u: 'allow-events',
  v: 'via',
}

function longName(name: string): string {
  const lower = name.trim().toLowerCase()
  return longNames[lower] ?? lower
}

/** Reads one complete message. Throws an Error that shows the bytes if they don't look like SIP. */
export function readSip(raw: Buffer): SipText {
  const text = raw.toString('utf8')
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) throw new Error(`no end of headers in ${JSON.stringify(text)}`)
  const [startLine = '', ...lines] = text.slice(0, end).split('\r\n')
  const headers: [string, string][] = []
  for (const line of lines) {
    const last = headers.at(-1)
    if (/^[ \t]/.test(line) && last) {
      last[1] += ` ${line.trim()}`
      continue
    }
    const colon = line.indexOf(':')
    if (colon < 1) throw new Error(`not a header line: ${JSON.stringify(line)}`)
    headers.push([longName(line.slice(0, colon)), line.slice(colon + 1).trim()])
  }
  const all = (name: string) => headers.filter(([n]) => n === longName(name)).map(([, value]) => value)
  const common = {
    raw,
    startLine,
    headers,
    body: text.slice(end + 4),
    all,
    header: (name: string) => all(name)[0],
  }
  const response = /^SIP\/2\.0 (\d{3})(?: (.*))?$/.exec(startLine)
  if (response) return { ...common, status: Number(response[1]), reason: response[2] ?? '' }
  const request = /^(\S+) (\S+) SIP\/2\.0$/.exec(startLine)
  if (!request) throw new Error(`not a SIP start line: ${JSON.stringify(startLine)}`)
  return { ...common, method: request[1]!, uri: request[2]! }
}

/** The value of a parameter: `param('<sip:a@b>;tag=1', 'tag')` is `1`, a parameter without a value is ``. */
export function param(headerValue: string | undefined, name: string): string | undefined {
  const found = new RegExp(`;\\s*${name}(?:\\s*=\\s*("[^"]*"|[^;,\\s>]+))?(?=[;,\\s>]|$)`, 'i').exec(
    headerValue ?? '',
  )
  return found ? (found[1] ?? '').replace(/^"|"$/g, '') : undefined
}

/** The first `<…>` of a header value, or the value without its parameters. */
export function uriOf(headerValue: string | undefined): string {
  return /<([^>]*)>/.exec(headerValue ?? '')?.[1] ?? (headerValue ?? '').split(';')[0]!.trim()
}

export const newTag = (): string => randomBytes(5).toString('hex')
export const newBranch = (): string => `z9hG4bK${randomBytes(8).toString('hex')}`
export const newCallId = (): string => `${randomBytes(8).toString('hex')}@test`

type Line = readonly [name: string, value: string]

/** Replaces (string), repeats (list) or removes (null) the header of that name; other names are added. */
export type HeaderChanges = Record<string, string | number | readonly string[] | null>

export interface RequestOptions {
  method: string
  uri: string
  /** URIs; a value with `<` is taken as it is, display name included. */
  from?: string
  to?: string
  fromTag?: string
  /** Given for requests inside a dialog. */
  toTag?: string
  callId?: string
  cseq?: number
  /** Where the request comes from, for Via and Contact. */
  transport?: string
  host?: string
  port?: number
  branch?: string
  /** Ask for the source port (RFC 3581). Default true. */
  rport?: boolean
  maxForwards?: number
  /** URI, complete header value, or false for none. By default given to all but ACK, CANCEL and BYE. */
  contact?: string | false
  route?: readonly string[]
  headers?: HeaderChanges
  contentType?: string
  body?: string
}

const bracketed = (host: string) => (host.includes(':') && !host.startsWith('[') ? `[${host}]` : host)
const angled = (uri: string) => (uri.includes('<') || uri === '*' ? uri : `<${uri}>`)
const tagged = (value: string, tag: string | undefined) => (tag === undefined ? value : `${value};tag=${tag}`)

function write(startLine: string, lines: Line[], changes: HeaderChanges, body: string): string {
  const known = new Set(['content-length', ...lines.map(([name]) => longName(name))])
  const changed = new Map(Object.entries(changes).map(([name, value]) => [longName(name), value]))
  const added = Object.entries(changes).filter(([name]) => !known.has(longName(name)))
  const out = [startLine]
  const replaced = new Set<string>()
  for (const [name, value] of [...lines, ...added, ['Content-Length', Buffer.byteLength(body)] as const]) {
    const key = longName(name)
    if (replaced.has(key)) continue
    const wanted = changed.has(key) ? changed.get(key)! : value
    if (changed.has(key)) replaced.add(key)
    if (wanted === null) continue
    for (const one of typeof wanted === 'object' ? wanted : [wanted]) out.push(`${name}: ${one}`)
  }
  return `${out.join('\r\n')}\r\n\r\n${body}`
}

/** A request with sensible defaults: fresh Call-ID, branch and From tag, Max-Forwards 70, right Content-Length. */
export function request(options: RequestOptions): string {
  const host = bracketed(options.host ?? '127.0.0.1')
  const sentBy = `${host}:${options.port ?? 5060}`
  const transport = options.transport ?? 'udp'
  const from = options.from ?? 'sip:tester@localhost'
  const to = options.to ?? (options.method === 'REGISTER' ? from : options.uri)
  const user = /sips?:([^@>]+)@/.exec(from)?.[1]
  const noContact = ['ACK', 'CANCEL', 'BYE'].includes(options.method)
  const contact =
    options.contact ??
    (noContact
      ? false
      : `<sip:${user ? `${user}@` : ''}${sentBy}${transport === 'udp' ? '' : `;transport=${transport}`}>`)
  const body = options.body ?? ''
  const lines: Line[] = [
    [
      'Via',
      `SIP/2.0/${transport.toUpperCase()} ${sentBy}${options.rport === false ? '' : ';rport'};branch=${options.branch ?? newBranch()}`,
    ],
    ...(options.route ?? []).map((route): Line => ['Route', route]),
    ['Max-Forwards', String(options.maxForwards ?? 70)],
    ['From', tagged(angled(from), options.fromTag ?? newTag())],
    ['To', tagged(angled(to), options.toTag)],
    ['Call-ID', options.callId ?? newCallId()],
    ['CSeq', `${options.cseq ?? 1} ${options.method}`],
  ]
  if (contact !== false) lines.push(['Contact', angled(contact)])
  if (body !== '') lines.push(['Content-Type', options.contentType ?? 'application/sdp'])
  return write(`${options.method} ${options.uri} SIP/2.0`, lines, options.headers ?? {}, body)
}

export interface ResponseOptions {
  reason?: string
  /** A given tag, or false for none. By default made from the Call-ID, so that all answers of one call agree. */
  toTag?: string | false
  contact?: string
  headers?: HeaderChanges
  contentType?: string
  body?: string
}

const reasons: Record<number, string> = {
  100: 'Trying',
  180: 'Ringing',
  183: 'Session Progress',
  200: 'OK',
  302: 'Moved Temporarily',
  404: 'Not Found',
  480: 'Temporarily Unavailable',
  486: 'Busy Here',
  487: 'Request Terminated',
  503: 'Service Unavailable',
  603: 'Decline',
}

/** The response to a request that was received: Via, From, To, Call-ID, CSeq and Record-Route as they came. */
export function response(received: SipText, status: number, options: ResponseOptions = {}): string {
  const to = received.header('to') ?? ''
  const callId = received.header('call-id') ?? ''
  const tag = options.toTag ?? createHash('md5').update(callId).digest('hex').slice(0, 8)
  const lines: Line[] = [
    ...received.all('via').map((via): Line => ['Via', via]),
    ...received.all('record-route').map((route): Line => ['Record-Route', route]),
    ['From', received.header('from') ?? ''],
    ['To', status === 100 || tag === false || param(to, 'tag') !== undefined ? to : `${to};tag=${tag}`],
    ['Call-ID', callId],
    ['CSeq', received.header('cseq') ?? ''],
  ]
  if (options.contact !== undefined) lines.push(['Contact', angled(options.contact)])
  const body = options.body ?? ''
  if (body !== '') lines.push(['Content-Type', options.contentType ?? 'application/sdp'])
  const reason = options.reason ?? reasons[status] ?? 'Test'
  return write(`SIP/2.0 ${status} ${reason}`, lines, options.headers ?? {}, body)
}

/** The ACK for a final response other than 2xx: same branch, same Request-URI (RFC 3261 §17.1.1.3). */
export function ackForFailure(inviteText: string, answer: SipText): string {
  return inSameTransaction(inviteText, 'ACK', answer.header('to'))
}

/** The CANCEL of an INVITE (RFC 3261 §9.1). */
export function cancelFor(inviteText: string): string {
  return inSameTransaction(inviteText, 'CANCEL', undefined)
}

function inSameTransaction(inviteText: string, method: string, to: string | undefined): string {
  const invite = readSip(Buffer.from(inviteText))
  const lines: Line[] = [
    ['Via', invite.header('via') ?? ''],
    ...invite.all('route').map((route): Line => ['Route', route]),
    ['Max-Forwards', '70'],
    ['From', invite.header('from') ?? ''],
    ['To', to ?? invite.header('to') ?? ''],
    ['Call-ID', invite.header('call-id') ?? ''],
    ['CSeq', `${parseInt(invite.header('cseq') ?? '1', 10)} ${method}`],
  ]
  return write(`${method} ${invite.uri} SIP/2.0`, lines, {}, '')
}

export interface DigestOptions {
  username: string
  password: string
  method: string
  uri: string
  /** Default 1. */
  nc?: number
  cnonce?: string
  /** Default: what the challenge says, else MD5. */
  algorithm?: 'MD5' | 'SHA-256'
}

/** The value of an Authorization header for the value of one WWW-Authenticate header (RFC 7616, qop auth or none). */
export function digestAuthorization(challenge: string, options: DigestOptions): string {
  const fields = new Map<string, string>()
  for (const [, name, quoted, plain] of challenge.matchAll(
    /(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g,
  )) {
    fields.set(name!.toLowerCase(), quoted ?? plain ?? '')
  }
  const realm = fields.get('realm') ?? ''
  const nonce = fields.get('nonce') ?? ''
  const qop = (fields.get('qop') ?? '').split(',').map((one) => one.trim())
  const algorithm = options.algorithm ?? fields.get('algorithm') ?? 'MD5'
  const h = (text: string) =>
    createHash(algorithm.toUpperCase() === 'MD5' ? 'md5' : 'sha256')
      .update(text)
      .digest('hex')
  const ha1 = h(`${options.username}:${realm}:${options.password}`)
  const ha2 = h(`${options.method}:${options.uri}`)
  const nc = (options.nc ?? 1).toString(16).padStart(8, '0')
  const cnonce = options.cnonce ?? randomBytes(6).toString('hex')
  const withQop = qop.includes('auth')
  const answer = withQop ? h(`${ha1}:${nonce}:${nc}:${cnonce}:auth:${ha2}`) : h(`${ha1}:${nonce}:${ha2}`)
  const parts = [
    `username="${options.username}"`,
    `realm="${realm}"`,
    `nonce="${nonce}"`,
    `uri="${options.uri}"`,
    `response="${answer}"`,
    `algorithm=${algorithm}`,
  ]
  if (withQop) parts.push('qop=auth', `nc=${nc}`, `cnonce="${cnonce}"`)
  const opaque = fields.get('opaque')
  if (opaque !== undefined) parts.push(`opaque="${opaque}"`)
  return `Digest ${parts.join(', ')}`
}
