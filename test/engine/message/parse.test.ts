import t from 'tap'
import { parseMessage } from '../../../src/engine/message/parse.js'
import {
  bytesOf,
  describe,
  limits,
  options,
  optionsLines,
  parse,
  parseRequest,
  parseResponse,
} from './messages.js'

t.test('a request is read whole: start line, headers in order, body', async (t) => {
  const request = parseRequest(options({ '+': 'c: text/plain\r\nContent-Length: 5' }, 'hello'))
  t.equal(request.method, 'OPTIONS')
  t.equal(request.uri, 'sip:bob@example.org')
  t.equal(request.uri, 'sip:bob@example.org')
  t.strictSame(request.headers.at(-2), { name: 'content-type', label: 'c', value: 'text/plain' })
  t.strictSame(
    request.headers.map((header) => header.name),
    ['via', 'max-forwards', 'to', 'from', 'call-id', 'cseq', 'content-type', 'content-length'],
  )
  t.equal(request.body.toString(), 'hello')
  t.equal(request.callId, '987asjd97y7atg')
  t.strictSame(request.cseq, { seq: 986759, method: 'OPTIONS' })
  t.equal(request.via.branch, 'z9hG4bK77asjd')
  t.equal(request.fromTag, '88sja8x')
  t.equal(request.toTag, undefined)
})

t.test('a response is read whole, with or without a reason phrase', async (t) => {
  const lines = optionsLines.slice(1)
  const ok = parseResponse(bytesOf(['SIP/2.0 200 All is well', ...lines]))
  t.equal(ok.status, 200)
  t.equal(ok.reason, 'All is well')
  t.equal(parseResponse(bytesOf(['SIP/2.0 180 ', ...lines])).reason, '')
  t.equal(parseResponse(bytesOf(['sip/2.0 180', ...lines])).status, 180)
})

t.test('bytes in are bytes out: UTF-8, latin1 and binary bodies pass unchanged', async (t) => {
  const body = Buffer.from([0, 255, 13, 10, 13, 10, 0x80])
  const head = [
    ...optionsLines,
    `Subject: ${Buffer.from('Grüße 電話').toString('latin1')}\xff`,
    'Content-Length: 7',
  ]
  const bytes = Buffer.concat([bytesOf(head), body])
  t.strictSame(parseRequest(bytes).serialize(), bytes)
})

t.test('header names are read in any case, in compact form, and with blanks before the colon', async (t) => {
  for (const name of ['Via', 'VIA', 'via', 'v', 'V', 'vIa', 'v  ', 'Via \t ']) {
    const request = parseRequest(options({ via: `${name}: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa` }))
    t.equal(request.via.host, '192.0.2.1', name)
    t.equal(request.headers[0]?.label, name.trim())
  }
})

t.test('folded lines are joined by one space, however they are folded', async (t) => {
  const request = parseRequest(
    options({ cseq: 'CSeq:\r\n 1\r\n\t \t OPTIONS', '+': 'Subject: one\r\n  \r\n\ttwo  \r\n three\r\n ' }),
  )
  t.strictSame(request.cseq, { seq: 1, method: 'OPTIONS' })
  t.equal(request.get('subject'), 'one two three')
  t.equal(request.lines('subject').length, 1)
})

t.test('empty lines before the start line are skipped, and nothing but empty lines is dropped', async (t) => {
  t.equal(describe(parse(Buffer.concat([Buffer.from('\r\n\r\n\r\n'), options()]))), 'message')
  t.equal(describe(parse(Buffer.from('\r\n\r\n'))), 'drop Empty')
  t.equal(describe(parse(Buffer.alloc(0))), 'drop Empty')
})

t.test('what is wrong with a request decides its answer', async (t) => {
  const start = (line: string) => ({ start: line })
  const extra = (line: string) => ({ '+': line })
  const cases: [expected: string, changes: Record<string, string | undefined>][] = [
    // Start line (§7.1, §8.2.2.1)
    ['505 Version Not Supported', start('OPTIONS sip:bob@example.org SIP/7.0')],
    ['505 Version Not Supported', start('OPTIONS sip:bob@example.org SIP/2.10')],
    ['400 Malformed Request Line', start('OPTIONS sip:bob@example.org HTTP/1.1')],
    ['400 Malformed Request Line', start('OPTIONS sip:bob@example.org')],
    ['400 Malformed Request Line', start('OPTIONS SIP/2.0')],
    ['400 Malformed Request Line', start('OPTIONS  SIP/2.0')],
    ['400 Malformed Request Line', start('OPTIONS')],
    ['400 Malformed Request Line', start('OPTIONS  sip:bob@example.org SIP/2.0')],
    ['400 Malformed Request Line', start('OPTIONS sip:bob@example.org  SIP/2.0')],
    ['400 Malformed Request Line', start('OPTIONS sip:bob@example.org SIP/2.0 ')],
    ['400 Malformed Request Line', start('OPTIONS sip:bob@example.org; lr SIP/2.0')],
    ['400 Malformed Request Line', start('OPTIONS sip:bob@example.org;a=\tb SIP/2.0')],
    ['400 Malformed Method', start(' OPTIONS sip:bob@example.org SIP/2.0')],
    ['400 Malformed Method', start('OPT(IONS sip:bob@example.org SIP/2.0')],
    ['400 Control Character in Start Line', start('OPTIONS sip:bo\0b@example.org SIP/2.0')],
    ['400 Control Character in Start Line', start('OPTIONS sip:bob@example.org SIP/2.0\nX: y')],
    ['400 Malformed Request-URI', start('OPTIONS <sip:bob@example.org> SIP/2.0')],
    ['400 Malformed Request-URI', start('OPTIONS bob@example.org SIP/2.0')],
    ['400 Malformed Request-URI', start('OPTIONS sip:bob@2001:db8::1 SIP/2.0')],
    ['400 Malformed Request-URI', start('OPTIONS sip:bob@good.example@evil.example SIP/2.0')],
    ['400 Malformed Request-URI', start('OPTIONS sip:b%zzob@example.org SIP/2.0')],
    ['400 Malformed Request-URI', start('OPTIONS sip:bob@example.org:65536 SIP/2.0')],
    ['400 Malformed Request-URI', start('OPTIONS sip: SIP/2.0')],
    ['400 Malformed Request-URI', start('OPTIONS tel:bob SIP/2.0')],
    ['400 Malformed Request-URI', start('OPTIONS sip:j\xc3\xbcrgen@example.org SIP/2.0')],
    ['400 Malformed Request-URI', start('OPTIONS sip:bob\xa0@example.org SIP/2.0')],
    ['400 Headers in Request-URI', start('OPTIONS sip:bob@example.org?Route=%3Csip:a.example%3E SIP/2.0')],
    ['400 Escaped NUL in URI', start('OPTIONS sip:bob%00evil@example.org SIP/2.0')],
    ['416 Unsupported URI Scheme', start('OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0')],
    ['416 Unsupported URI Scheme', start('OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0')],
    // Header lines (§7.3)
    ['400 Header Line Without Colon', extra('This is no header')],
    ['400 Malformed Header Name', extra(': no name')],
    ['400 Malformed Header Name', extra('Two words: x')],
    ['400 Malformed Header Name', extra('Tr\xe4ger: x')],
    ['400 Malformed Header Name', extra('C%6Fntact: <sip:eve@example.org>')],
    ['400 Malformed Header Name', extra('%u0046rom: <sip:eve@example.org>')],
    ['message', extra('100%-Percent: x')],
    ['400 Control Character in Header', extra('Subject: a\0b')],
    ['400 Control Character in Header', extra('Subject: a\x7fb')],
    ['400 Control Character in Header', extra('Subject: a\nX-Hidden: b')],
    ['400 Control Character in Header', extra('Subject: a\rX-Hidden: b')],
    ['400 Control Character in Header', extra('Subject: "a\\\nb"')],
    ['400 Control Character in Header', extra('Subject: "a" \\\0')],
    ['400 Control Character in Header', extra('Subj\x01ect: a')],
    ['400 Header Line Without Colon', { via: ' folded start line\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa' }],
    // Mandatory headers (§8.1.1)
    ['drop Missing Via', { via: undefined }],
    ['400 Missing From', { from: undefined }],
    ['400 Missing To', { to: undefined }],
    ['400 Missing Call-ID', { 'call-id': undefined }],
    ['400 Missing CSeq', { cseq: undefined }],
    ['message', { 'max-forwards': undefined }],
    ['400 Repeated From', extra('f: <sip:eve@example.org>;tag=1')],
    ['400 Repeated To', extra('t: <sip:eve@example.org>')],
    ['400 Repeated Content-Type', extra('Content-Type: text/plain\r\nc: text/plain')],
    ['400 Malformed Content-Type', extra(`c: multipart/mixed${';boundary='.repeat(30)}`)],
    ['400 Repeated Call-ID', extra('i: another')],
    ['400 Repeated CSeq', extra('CSeq: 986759 OPTIONS')],
    ['400 Repeated Max-Forwards', extra('Max-Forwards: 70')],
    // Their values
    ['400 CSeq Method Does Not Match', { cseq: 'CSeq: 1 INVITE' }],
    ['400 CSeq Method Does Not Match', { cseq: 'CSeq: 1 options' }],
    ['message', { cseq: 'CSeq: 2147483647 OPTIONS' }],
    ['400 Malformed CSeq', { cseq: 'CSeq: 2147483648 OPTIONS' }],
    ['400 Malformed CSeq', { cseq: 'CSeq: 36893488147419103232 OPTIONS' }],
    ['400 Malformed CSeq', { cseq: 'CSeq: -1 OPTIONS' }],
    ['400 Malformed CSeq', { cseq: 'CSeq: 1' }],
    ['400 Malformed CSeq', { cseq: 'CSeq: 1OPTIONS' }],
    ['400 Malformed CSeq', { cseq: 'CSeq: OPTIONS' }],
    ['400 Malformed CSeq', { cseq: 'CSeq: 1 OPTIONS OPTIONS' }],
    ['message', { 'max-forwards': 'Max-Forwards: 0' }],
    ['message', { 'max-forwards': 'Max-Forwards: 0255' }],
    ['400 Malformed Max-Forwards', { 'max-forwards': 'Max-Forwards: 256' }],
    ['400 Malformed Max-Forwards', { 'max-forwards': 'Max-Forwards: -1' }],
    ['400 Malformed Max-Forwards', { 'max-forwards': 'Max-Forwards: many' }],
    ['400 Malformed Max-Forwards', { 'max-forwards': 'Max-Forwards:' }],
    ['400 Malformed Call-ID', { 'call-id': 'Call-ID:' }],
    ['400 Malformed Call-ID', { 'call-id': 'Call-ID: two words' }],
    ['400 Malformed From', { from: 'From: "Alice <sip:alice@example.org>;tag=1' }],
    ['400 Malformed From', { from: 'From: <sip:alice@example.org' }],
    ['400 Malformed From', { from: 'From: alice' }],
    ['400 Malformed From', { from: 'From: <sip:alice@exa mple.org>;tag=1' }],
    ['400 Malformed From', { from: 'From: <sip:alice@example.org>;;tag=1' }],
    ['400 Malformed From', { from: 'From: <sip:alice@example.org>;tag=1 2' }],
    ['400 Malformed From', { from: 'From: <sip:alice@example.org>, <sip:bob@example.org>' }],
    ['400 Malformed From', { from: 'From: <sip:alice@example.org>;tag=1;Tag=2' }],
    ['400 Malformed To', { to: 'To:' }],
    ['400 Malformed To', { to: 'To: <sip:bob@[2001:db8::g]>' }],
    ['400 Escaped NUL in URI', { to: 'To: <sip:null-%00-null@example.org>' }],
    ['400 Escaped NUL in URI', extra('Contact: <sip:%00@192.0.2.1>')],
    ['drop Malformed Via', { via: 'Via: SIP/2.0/UDP' }],
    ['400 Malformed Via', { via: 'Via: SIP/3.0/UDP 192.0.2.1;branch=z9hG4bKa' }],
    ['400 Malformed Via', { via: 'Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa,' }],
    ['400 Malformed Via', extra('Via: nonsense')],
    ['400 Malformed Contact', extra('Contact: "Joe" <sip:joe@example.org>;;;;')],
    ['400 Malformed Contact', extra('Contact: <sip:joe@example.org>, nobody')],
    ['400 Malformed Contact', extra('Contact: sip:joe@example.org?Route=%3Csip:a.example%3E')],
    ['400 Malformed Contact', extra('Contact:')],
    ['400 Malformed Contact', extra('Contact: *')],
    [
      'message',
      {
        start: 'REGISTER sip:example.org SIP/2.0',
        cseq: 'CSeq: 1 REGISTER',
        '+': 'Contact: *',
      },
    ],
    [
      'message',
      extra('Contact: "A, B" <sip:joe@example.org;a=b,c>, tel:+1-201-555-0123, <mailto:joe@example.org>'),
    ],
    ['400 Malformed Route', extra('Route: <sip:a.example;lr>, <nowhere>')],
    // Content-Length (§18.3, §20.14)
    ['400 Malformed Content-Length', extra('Content-Length: -999')],
    ['400 Malformed Content-Length', extra('Content-Length: 0x0')],
    ['400 Malformed Content-Length', extra('Content-Length:')],
    ['400 Malformed Content-Length', extra('Content-Length: 99999999999999999999')],
    ['400 Content-Length Larger Than Message', extra('Content-Length: 1')],
    ['400 Contradicting Content-Length', extra('Content-Length: 0\r\nl: 1')],
    ['message', extra('Content-Length: 0\r\nl: 00')],
  ]
  for (const [expected, changes] of cases)
    t.equal(describe(parse(options(changes))), expected, JSON.stringify(changes))
})

t.test('Request-URIs that are valid but strange pass', async (t) => {
  for (const uri of [
    'sips:bob@example.org',
    'SIP:bob@EXAMPLE.org;Transport=TCP',
    'sip:example.org',
    'sip:bob:secret@example.org:5062;unknown;lr',
    'sip:sips%3Auser%40example.com@example.net',
    'sip:user;par=u%40example.net@example.com',
    'sip:[2001:db8::10]:5070',
    'sip:+1-201-555-0123;phone-context=x@example.org;user=phone',
    'tel:+1-201-555-0123',
    'tel:7042;phone-context=example.com',
    'sip:j%C3%BCrgen@example.org',
  ])
    t.equal(parseRequest(options({ start: `OPTIONS ${uri} SIP/2.0` })).uri, uri)
})

t.test('the version is compared without regard to case', async (t) => {
  t.equal(describe(parse(options({ start: 'OPTIONS sip:bob@example.org sip/2.0' }))), 'message')
})

t.test('an ACK is never answered, whatever is wrong with it', async (t) => {
  const ack = { start: 'ACK sip:bob@example.org SIP/2.0', cseq: 'CSeq: 1 ACK' }
  t.equal(describe(parse(options(ack))), 'message')
  t.equal(describe(parse(options({ ...ack, to: undefined }))), 'drop Missing To')
  t.equal(describe(parse(options({ cseq: 'CSeq: 1 ACK' }))), 'drop CSeq Method Does Not Match')
})

t.test('malformed responses are dropped', async (t) => {
  const lines = optionsLines.slice(1)
  for (const line of [
    'SIP/2.0 4294967301 better not break the receiver',
    'SIP/2.0 99 low',
    'SIP/2.0 700 high',
    'SIP/2.0  200 OK',
    'SIP/2.0 20 OK',
    'SIP/2.0',
    'SIP/3.0 200 OK',
    'SIP/2.0 2000 OK',
  ])
    t.equal(describe(parse(bytesOf([line, ...lines]))), 'drop Response: Malformed Status Line', line)
  t.match(describe(parse(bytesOf(['SIP/2.0 200 OK', ...lines.slice(1)]))), 'drop Response: Missing Via')
  t.match(describe(parse(bytesOf(['SIP/2.0 200 OK', ...lines, 'Content-Length: -1']))), 'drop')
})

t.test('a rejected request carries what the answer needs', async (t) => {
  const result = parse(options({ '+': 'Content-Length: -1' }))
  if (result.kind !== 'reject') return t.fail('not rejected')
  t.equal(result.request.via.branch, 'z9hG4bK77asjd')
  t.equal(result.request.fromTag, '88sja8x')
  t.equal(result.request.callId, '987asjd97y7atg')
  return t.equal(result.request.cseq.seq, 986759)
})

t.test(
  'bytes behind the body of a datagram are cut off; without Content-Length the rest is the body',
  async (t) => {
    t.equal(parseRequest(options({ '+': 'Content-Length: 3' }, 'bodyINVITE sip:x')).body.toString(), 'bod')
    t.equal(parseRequest(options({}, 'body')).body.toString(), 'body')
    t.equal(parseRequest(options({ '+': 'Content-Length: 0' }, 'body')).body.length, 0)
  },
)

t.test('on a stream Content-Length is mandatory', async (t) => {
  t.equal(describe(parseMessage(options(), limits, 'stream')), '400 Missing Content-Length')
  t.equal(describe(parseMessage(options({ '+': 'l: 0' }), limits, 'stream')), 'message')
})

t.test('a datagram that ends within the header section is answered as far as it can be read', async (t) => {
  const bytes = options()
  t.equal(describe(parse(bytes.subarray(0, -2))), '400 Header Section Not Ended')
  t.equal(describe(parse(bytes.subarray(0, -20))), '400 Header Section Not Ended')
  t.equal(describe(parse(bytes.subarray(0, 60))), 'drop Header Section Not Ended')
  t.equal(
    describe(parse(Buffer.from('OPTIONS sip:bob@example.org SIP/2.0'))),
    'drop Header Section Not Ended',
  )
})

t.test('the limits of a message hold exactly', async (t) => {
  const bytes = options({}, 'x'.repeat(400))
  const within = (changes: Partial<typeof limits>) =>
    describe(parseMessage(bytes, { ...limits, ...changes }, 'datagram'))
  t.equal(within({ maxMessageBytes: bytes.length }), 'message')
  t.equal(within({ maxMessageBytes: bytes.length - 1 }), '513 Message Too Large')
  t.equal(within({ maxMessageBytes: 200 }), '513 Message Too Large')
  t.equal(within({ maxMessageBytes: 50 }), 'drop Message Too Large', 'no Via within the limit')
  const head = bytes.length - 400
  t.equal(within({ maxMessageBytes: 2 * head - 1 }), '513 Message Too Large', 'half of it for the headers')
  t.equal(within({ maxHeaders: 6 }), 'message')
  t.equal(within({ maxHeaders: 5 }), '400 Too Many Headers')
  t.equal(within({ maxHeaders: 0 }), 'drop Too Many Headers')
})

t.test('64 kB of headers are answered', async (t) => {
  const padding = Array.from({ length: 1000 }, (_, i) => `X-Padding-${i}: ${'x'.repeat(60)}`)
  t.equal(describe(parse(bytesOf([...optionsLines, ...padding]))), '513 Message Too Large')
})
