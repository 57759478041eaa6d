/** Applications read what we hand them with drachtio-srf's parser: it must take, and read alike, whatever ours takes. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import fc from 'fast-check'
import t from 'tap'
import type { SipRequest, SipResponse } from '../../../src/engine/message/sip-message.js'
import { bytesOf, optionsLines, parse, parseRequest } from './messages.js'

interface Read {
  method?: string
  uri?: string
  status?: number
  headers: Record<string, string>
}

/** Without types of its own. Undefined for a message that it doesn't take. */
const { parseSipMessage } = createRequire(import.meta.url)('drachtio-srf/lib/sip-parser/parser.js') as {
  parseSipMessage: (text: string, lazy: boolean) => Read | undefined
}

/** drachtio-srf decodes UTF-8 (what is none becomes U+FFFD), and takes away white space of any kind before a value. */
const decoded = (latin1: string) => Buffer.from(latin1, 'latin1').toString('utf8').trimStart()

/** Headers by which requests are authenticated and routed: reading another value than we did would be a way in. */
const decisive = ['via', 'route', 'from', 'to', 'contact', 'call-id', 'cseq'] as const

/** Throws unless drachtio-srf reads the message as we do. */
function readAlike(message: SipRequest | SipResponse): void {
  const read = parseSipMessage(message.serialize().toString('utf8'), true)
  assert(read, 'not taken')
  if (message.kind === 'response') assert.equal(read.status, message.status)
  else assert.deepEqual([read.method, read.uri], [unescape(message.method), message.uri])
  for (const name of decisive) {
    const lines = message.lines(name)
    assert.equal(read.headers[name], lines.length === 0 ? undefined : lines.map(decoded).join(','), name)
  }
}

const requestBytes = bytesOf(
  [
    ...optionsLines,
    'v: SIP/2.0/TCP [2001:db8::1]:5060;received=192.0.2.1;rport=5',
    'm: "A, B" <sip:a@b;lr>;q=0.1',
    'Contact: <sip:c@d>',
    'Route: <sip:e;lr>',
    'X-Note: none',
    'Content-Type: multipart/mixed;boundary=x',
    'Content-Length: 16',
  ],
  '--x\r\n\r\na\r\n\r\n--x--',
)
const responseBytes = Buffer.from(
  requestBytes.toString('latin1').replace(/^.*\r\n/, 'SIP/2.0 180 Ringing\r\n'),
  'latin1',
)

/** What JavaScript takes for white space or line ends, and what its `unescape` and its objects make something of. */
const pitfalls = [
  ...['\xa0', '\x85', '\u00a0', '\u1680', '\u2003', '\u2028', '\u2029', '\u202f', '\u3000', '\ufeff'],
  ...['%20', '%41', '%4f', '%u0041', '%0d%0a', '%', '%3A'],
  ...[
    '\r\n__proto__: a',
    '\r\nconstructor: b',
    '\r\nFr%6fm: <sip:x@y>',
    '\r\nC%4fntact: <sip:x@y>',
    '\r\nX-',
  ],
  ...['\r\n', '\r', '\n', '\0', '\t', ' ', ':', ';', ',', '"', '\\', '<', '>', '@', '/', '=', '[', ']', '?'],
].map((text) => (/[\u0100-\uffff]/.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text))

/** Few places deserve half of the tries: the start line is short, and everything depends on it. */
const change = (length: number) =>
  fc.record({
    at: fc.oneof(fc.nat(40), fc.nat(length - 1)),
    remove: fc.nat(2),
    insert: fc.oneof(
      fc.constantFrom(...pitfalls),
      fc.uint8Array({ maxLength: 3 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
    ),
  })

t.test('no Content-Type that is taken keeps drachtio-srf busy', async (t) => {
  for (const hostile of [`;boundary=`.repeat(24) + '\u2028', ';'.repeat(120) + ' '.repeat(120)]) {
    const type = Buffer.from(`multipart/x${hostile}`, 'utf8').toString('latin1')
    const bytes = Buffer.from(
      requestBytes.toString('latin1').replace('multipart/mixed;boundary=x', type),
      'latin1',
    )
    const begun = process.cpuUsage()
    for (let i = 0; i < 20; i++) readAlike(parseRequest(bytes))
    const { user } = process.cpuUsage(begun)
    t.ok(user / 20 < 10_000, `${user / 20} µs`)
  }
  const longer = `multipart/x${';boundary='.repeat(100)}`
  t.match(parse(bytesOf([...optionsLines, `Content-Type: ${longer}`])), { kind: 'reject', status: 400 })
})

t.test('no From, To or asserted identity that is taken keeps drachtio-srf busy', async (t) => {
  const hostile = '"sip:'.repeat(2000)
  for (const name of ['From', 'To', 'P-Asserted-Identity', 'Remote-Party-ID']) {
    const lines = optionsLines.filter((line) => !line.startsWith(`${name}:`))
    t.match(
      parse(bytesOf([...lines, `${name}: <sip:${hostile}@a>;tag=1`])),
      { kind: 'reject', status: 400, reason: `${name} Too Long` },
      name,
    )
  }
})

t.test('header names that objects have already do no harm to the others', async (t) => {
  for (const name of ['__proto__', 'constructor', 'toString', 'X-__proto__', 'hasOwnProperty']) {
    const text = requestBytes.toString('latin1').replace('X-Note', name)
    readAlike(parseRequest(Buffer.from(text, 'latin1')))
  }
  t.strictSame(Object.keys(Object.prototype), [])
  t.equal({}.constructor, Object)
})

for (const valid of [requestBytes, responseBytes]) {
  const kind = valid === requestBytes ? 'request' : 'response'
  t.test(`whatever ${kind} our parser takes, drachtio-srf takes and reads alike`, async (t) => {
    let taken = 0
    fc.assert(
      fc.property(fc.array(change(valid.length), { minLength: 1, maxLength: 3 }), (changes) => {
        let text = valid.toString('latin1')
        for (const { at, remove, insert } of changes)
          text = text.slice(0, at) + insert + text.slice(at + remove)
        const result = parse(Buffer.from(text, 'latin1'))
        if (result.kind !== 'message') return
        taken++
        readAlike(result.message)
      }),
      { numRuns: 20_000 },
    )
    t.ok(taken > 1_000, `${taken} were taken`)
  })
}
