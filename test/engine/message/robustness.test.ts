/** Whatever the bytes: no exception, no more than linear work; and what is written is read back. */
import assert from 'node:assert/strict'
import t from 'tap'
import fc from 'fast-check'
import type { HeaderField } from '../../../src/engine/message/message.js'
import { parseMessage, type ParseResult } from '../../../src/engine/message/parse.js'
import { responseTo } from '../../../src/engine/message/response.js'
import { SipRequest, SipResponse } from '../../../src/engine/message/sip-message.js'
import { parseUri } from '../../../src/engine/message/uri.js'
import { StreamFramer } from '../../../src/engine/message/stream-framer.js'
import { bytesOf, limits, options, optionsLines, parse } from './messages.js'

const token = fc.stringMatching(/^[A-Za-z0-9\-.!%*_+`'~]{1,12}$/)
/** What a header value may hold on the wire, trimmed as the parser does. */
const text = fc
  .array(
    fc.integer({ min: 0x20, max: 0xff }).filter((code) => code !== 0x7f),
    { maxLength: 30 },
  )
  .map((codes) => String.fromCharCode(...codes).replace(/^ +| +$/g, ''))
const host = fc.oneof(fc.domain(), fc.ipV4(), fc.constant('[2001:db8::1]'))
/** Escapes in header names are refused. */
const label = token.map((name) => `X-${name.replaceAll('%', '')}`)
const extra = fc.record({ label, value: text })

const head = fc.record({
  via: fc.tuple(host, token).map(([host, branch]) => `SIP/2.0/UDP ${host};branch=z9hG4bK${branch};rport`),
  from: fc
    .tuple(token, host, token)
    .map(([user, host, tag]) => `"${user}" <sip:${encodeURIComponent(user)}@${host}>;tag=${tag}`),
  to: host.map((host) => `<sip:${host}>`),
  callId: token,
  seq: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  extras: fc.array(extra, { maxLength: 6 }),
  body: fc.uint8Array({ maxLength: 60 }),
})

function fields(
  from: {
    via: string
    from: string
    to: string
    callId: string
    seq: number
    extras: { label: string; value: string }[]
  },
  method: string,
  length: number,
): HeaderField[] {
  const lines: [label: string, value: string][] = [
    ['Via', from.via],
    ['f', from.from],
    ['TO', from.to],
    ['Call-ID', from.callId],
    ['CSeq', `${from.seq} ${method}`],
    ...from.extras.map(({ label, value }): [string, string] => [label, value]),
    ['Content-Length', String(length)],
  ]
  const long: Record<string, string> = { f: 'from' }
  return lines.map(([label, value]) => ({ name: long[label] ?? label.toLowerCase(), label, value }))
}

t.test('a message that is written is read back as it was', async (t) => {
  fc.assert(
    fc.property(
      head,
      token,
      host,
      fc.integer({ min: 100, max: 699 }),
      text,
      (parts, method, host, status, reason) => {
        const body = Buffer.from(parts.body)
        const headers = fields(parts, method, body.length)
        const request = new SipRequest(method, `sip:${host}`, headers, body)
        const response = new SipResponse(status, reason, headers, body)
        for (const framing of ['datagram', 'stream'] as const) {
          for (const message of [request, response]) {
            const bytes = message.serialize()
            const result = parseMessage(bytes, limits, framing)
            if (result.kind !== 'message') throw new Error(result.reason)
            assert.deepEqual(result.message.headers, message.headers)
            assert.deepEqual(result.message.body, message.body)
            assert.deepEqual(result.message.serialize(), bytes)
          }
        }
      },
    ),
    { numRuns: 200 },
  )
  t.pass()
})

/** Everything that others do at once with what the parser lets through. */
function use(result: ParseResult): void {
  if (result.kind === 'reject') responseTo(result.request, result.status, result.reason).serialize()
  if (result.kind !== 'message') return
  const { message } = result
  void [message.via.branch, message.cseq.seq, message.fromTag, message.toTag, message.callId]
  const copy = message.clone()
  while (copy.get('via') !== undefined) {
    void copy.via.host
    copy.shiftValue('via')
  }
  if (message.kind === 'request') {
    if (parseUri(message.uri) === undefined) throw new Error('the Request-URI was not checked')
    responseTo(message, 200).serialize()
  }
  const again = parse(message.serialize())
  if (again.kind !== 'message') throw new Error(`what was read is not written readably: ${again.reason}`)
}

t.test('no bytes make the parser throw', async (t) => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc
      .array(fc.constantFrom(...'\r\n :;,<>"\\@=/\0'.split(''), 'SIP/2.0', 'INVITE', 'Via', 'sip:'), {
        maxLength: 40,
      })
      .map((parts) => Buffer.from(parts.join(''), 'latin1')),
  )
  fc.assert(
    fc.property(bytes, (bytes) => {
      use(parse(Buffer.from(bytes)))
      new StreamFramer(limits).push(Buffer.from(bytes))
    }),
    { numRuns: 3000 },
  )
  t.pass()
})

t.test('valid messages with a few bytes changed never make anything throw', async (t) => {
  const valid = bytesOf(
    [
      ...optionsLines,
      'v: SIP/2.0/TCP [2001:db8::1]:5060;received=192.0.2.1;rport=5',
      'Contact: "A, B" <sip:a@b;lr>;q=0.1, <sip:c@d>',
      'Route: <sip:e;lr>',
      'Content-Length: 4',
    ],
    'body',
  )
  const change = fc.record({
    at: fc.nat(valid.length - 1),
    remove: fc.nat(3),
    insert: fc.oneof(
      fc.constantFrom(
        '\r\n',
        '\r',
        '\n',
        '"',
        '<',
        '>',
        ',',
        ';',
        ':',
        '@',
        '\\',
        ' ',
        '\0',
        '%00',
        '%',
        '[',
        ']',
        '=',
      ),
      fc.string({ maxLength: 3, unit: 'binary-ascii' }),
    ),
  })
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
      let text = valid.toString('latin1')
      for (const { at, remove, insert } of changes)
        text = text.slice(0, at) + insert + text.slice(at + remove)
      use(parse(Buffer.from(text, 'latin1')))
    }),
    { numRuns: 5000 },
  )
  t.pass()
})

/** Processor time in ms of the best of three runs. */
function cost(work: () => void): number {
  let best = Infinity
  for (let run = 0; run < 3; run++) {
    const start = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(start)
    best = Math.min(best, (user + system) / 1000)
  }
  return best
}

/**
 * Eight times the input may cost eight times as much, and some; quadratic work would cost 64 times as much. What
 * takes less than a few milliseconds is linear enough, and too short to be measured.
 */
function isLinear(work: (size: number) => void, size: number): boolean {
  const large = cost(() => work(8 * size))
  return large < 40 || large < 28 * cost(() => work(size))
}

t.test('work grows with the size of the input only, however hostile', async (t) => {
  const unbounded = { maxHeaders: Infinity, maxMessageBytes: Infinity }
  const hostile: Record<string, (size: number) => Buffer> = {
    'lines without colon': (n) => options({ '+': 'x\r\n'.repeat(n) + 'x' }),
    'many headers': (n) => options({ '+': 'a: b\r\n'.repeat(n) + 'a: b' }),
    'folding without end': (n) => options({ '+': `Subject: x${'\r\n y'.repeat(n)}` }),
    'blank folding': (n) => options({ '+': `Subject: x${'\r\n '.repeat(n)}` }),
    blanks: (n) => options({ '+': `Subject: ${' '.repeat(n)}x${' '.repeat(n)}` }),
    'quoted pairs with controls': (n) => options({ to: `To: "${'\\\0'.repeat(n)}" <sip:a@b>` }),
    'open quotes with controls': (n) => options({ to: `To: \0${'"\\'.repeat(n)} <sip:a@b>` }),
    quotes: (n) => options({ to: `To: ${'"" '.repeat(n)} <sip:a@b>` }),
    'angle brackets': (n) => options({ '+': `Contact: ${'<'.repeat(n)}` }),
    commas: (n) => options({ '+': `Contact: ${','.repeat(n)}` }),
    contacts: (n) => options({ '+': `Contact: ${'<sip:a@b>,'.repeat(n)}<sip:a@b>` }),
    vias: (n) => options({ '+': `Via: ${'SIP/2.0/UDP h;x="a,b",'.repeat(n)}SIP/2.0/UDP h` }),
    parameters: (n) => options({ to: `To: <sip:a@b>${';x=y'.repeat(n)}` }),
    'open quotes in parameters': (n) => options({ to: `To: <sip:a@b>;x="${'\\"'.repeat(n)}` }),
    'URI parameters': (n) => options({ to: `To: <sip:a@b${';x'.repeat(n)}>` }),
    'a long number': (n) => options({ to: `To: <tel:${'1'.repeat(n)}x>` }),
    escapes: (n) => options({ to: `To: <sip:${'%41'.repeat(n)}@b>` }),
    colons: (n) => options({ to: `To: <sip:${':'.repeat(n)}@b>` }),
    'at signs': (n) => options({ start: `OPTIONS sip:${'@'.repeat(n)} SIP/2.0` }),
    dots: (n) => options({ start: `OPTIONS sip:${'a.'.repeat(n)}_! SIP/2.0` }),
    'a long method': (n) => options({ start: `${'A '.repeat(n)}` }),
    'line ends before the message': (n) => Buffer.alloc(2 * n, '\r\n'),
    'carriage returns': (n) => options({ '+': '\r'.repeat(n) }),
  }
  for (const [title, make] of Object.entries(hostile)) {
    const size = 20_000
    const inputs = new Map([size, 8 * size].map((n) => [n, make(n)]))
    const linear = isLinear((n) => void parseMessage(inputs.get(n) ?? make(n), unbounded, 'datagram'), size)
    t.ok(linear, title)
  }
})

t.test('a stream that trickles in byte by byte costs no more per byte when it is longer', async (t) => {
  const unbounded = { maxHeaders: Infinity, maxMessageBytes: Infinity }
  const trickle = (bytes: Buffer) => {
    const framer = new StreamFramer(unbounded)
    for (let i = 0; i < bytes.length; i++) framer.push(bytes.subarray(i, i + 1))
  }
  const size = 20_000
  t.ok(
    isLinear((n) => trickle(options({ '+': 'a: b\r\n'.repeat(n / 8) + 'a: b' })), size),
    'header section',
  )
  t.ok(
    isLinear((n) => trickle(options({ '+': `l: ${n}` }, 'x'.repeat(n))), size),
    'body',
  )
  t.ok(
    isLinear((n) => trickle(Buffer.alloc(n, '\r\n')), size),
    'keep-alives',
  )
})
