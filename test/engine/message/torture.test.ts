/** The classes of message that RFC 4475 and RFC 5118 test with, in messages of our own. */
import t from 'tap'
import { parseNameAddr } from '../../../src/engine/message/name-addr.js'
import { parseUri } from '../../../src/engine/message/uri.js'
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
import { parseMessage } from '../../../src/engine/message/parse.js'

t.test('every place where white space may be (4475 §3.1.1.1)', async (t) => {
  const request = parseRequest(
    bytesOf(
      [
        'INVITE sip:vera@tower.example.com;odd SIP/2.0',
        'TO :',
        ' sip:vera@tower.example.com ;   tag    = 77f1n',
        'from   : "V Gray \\\\\\""       <sip:gray@example.com>',
        '  ;',
        '  tag = 9b8c',
        'MaX-fOrWaRdS: 0068',
        'Call-ID: ws.118@192.0.2.1',
        'Content-Length   : 4',
        'cseq: 0009',
        '  INVITE',
        'Via  : SIP  /   2.0',
        ' /UDP',
        '    192.0.2.2;branch=390skdjuw',
        's :',
        'NewFangled:   value one',
        '\tgoes on',
        'Unusual: ;;,,;;,;',
        'Route:',
        ' <sip:hop.example.com;lr;unknown=value;flag>',
        'v:  SIP  / 2.0  / TCP     tower.example.com   ;',
        '  branch  =   z9hG4bK9ikj8  ,',
        ' SIP  /    2.0   / UDP  192.168.255.111   ; branch=',
        ' z9hG4bK30239',
        'm:"Quoted \\"\\"" <sip:gray@example.com> ; newparam =',
        '      newvalue ;',
        '  second ; q = 0.33',
      ],
      'v=0\r',
    ),
  )
  t.strictSame(request.cseq, { seq: 9, method: 'INVITE' })
  t.equal(request.toTag, '77f1n')
  t.equal(request.fromTag, '9b8c')
  t.equal(parseNameAddr(request.get('from') ?? '')?.display, 'V Gray \\"')
  t.equal(request.via.transport, 'UDP')
  t.equal(request.via.host, '192.0.2.2')
  t.equal(request.values('via').length, 3)
  t.equal(request.get('newfangled'), 'value one goes on')
  t.equal(request.get('subject'), '')
  const [contact] = request.values('contact')
  t.strictSame(parseNameAddr(contact ?? '')?.params, [
    { name: 'newparam', value: 'newvalue' },
    { name: 'second', value: undefined },
    { name: 'q', value: '0.33' },
  ])
  request.shiftValue('via')
  t.equal(request.via.branch, 'z9hG4bK9ikj8')
  request.shiftValue('via')
  t.equal(request.via.branch, 'z9hG4bK30239')
  t.equal(request.body.length, 4)
})

t.test('every character a token, a user part and a quoted pair may have (4475 §3.1.1.2)', async (t) => {
  const method = "!Odd-Method0123456789_*+`.%indeed'~"
  const user = "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
  const request = parseRequest(
    options({
      start: `${method} sip:${user}@example.com SIP/2.0`,
      via: "Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~",
      to: `To: "BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:${user}@example.com>`,
      from: `From: token1~\` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%="ab\xd1\x80cd";tag=_token~1'+\`*%!-.`,
      cseq: `CSeq: 139122385 ${method}`,
    }),
  )
  t.equal(request.method, method)
  const target = parseUri(request.uri)
  t.equal(target?.user, "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*")
  t.equal(target?.password, "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)")
  t.equal(target?.host, 'example.com')
  t.equal(request.fromTag, "_token~1'+`*%!-.")
  t.equal(parseNameAddr(request.get('to') ?? '')?.display, 'BEL:\x07 NUL:\x00 DEL:\x7f')
})

t.test('valid messages that look wrong are read', async (t) => {
  const valid: Record<string, Record<string, string | undefined>> = {
    'escapes (3.1.1.3)': {
      start: 'OPTIONS sip:sips%3Auser%40example.com@example.net SIP/2.0',
      to: 'To: sip:%75se%72@example.com',
      '+': 'Contact: <sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>',
    },
    'percent signs that are no escapes (3.1.1.5)': {
      start: 'RE%47IST%45R sip:registrar.example.com SIP/2.0',
      to: 'To: "%Z%45" <sip:resource@example.com>',
      cseq: 'CSeq: 234234 RE%47IST%45R',
    },
    'no space between display name and < (3.1.1.6)': { from: 'From: caller<sip:caller@example.com>;tag=323' },
    'long values (3.1.1.7)': {
      to: `To: "I have a user name of ${'extreme'.repeat(60)} length" <sip:user@example.com:6000;${'x'.repeat(300)}=${'y'.repeat(900)}>`,
      via: Array.from(
        { length: 34 },
        (_, i) => `Via: SIP/2.0/TCP sip${i}.example.com;branch=z9hG4bK${i}`,
      ).join('\r\n'),
      '+': `Unknown-${'Long'.repeat(60)}-Name: ${'long value '.repeat(100)}`,
    },
    'semicolon in the user part (3.1.1.9)': {
      start: 'OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0',
    },
    'transports (3.1.1.10)': {
      via: [
        'Via: SIP/2.0/UDP t1.example.com;branch=z9hG4bKkdjuw',
        'Via: SIP/2.0/SCTP t2.example.com;branch=z9hG4bKklasjdhf',
        'Via: SIP/2.0/TLS t3.example.com;branch=z9hG4bK2980unddj',
        'Via: SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKasd0f3en',
        'Via: SIP/2.0/TCP t5.example.com;branch=z9hG4bK0a9idfnee',
      ].join('\r\n'),
    },
    'a branch that is only the cookie (3.2.1)': { via: 'Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK' },
    'schemes we do not know in To, From and Contact (3.3.4)': {
      to: 'To: isbn:2983792873',
      from: 'From: <http://www.example.com>;tag=3234233',
      '+': 'Contact: <name:John_Smith>',
    },
    'a request of RFC 2543 (3.4.1)': {
      via: 'Via: SIP/2.0/UDP gw.example.com',
      'max-forwards': undefined,
      from: 'From: <sip:+13035551111@gw.example.com;user=phone>',
      to: 'To: sip:+16505552222@ss1.example.net;user=phone',
    },
    'unquoted display name with a comma (3.1.2.15)': {
      from: 'From: Bell, Alexander <sip:a.g.bell@example.com>;tag=43',
    },
    'blanks within <> (3.1.2.14)': { to: 'To: "Watson, Thomas" < sip:t.watson@example.org >' },
    'IPv6 in all places (5118 §4)': {
      start: 'OPTIONS sip:user@[2001:db8::10] SIP/2.0',
      via: 'Via: SIP/2.0/UDP [2001:db8::9:1]:5060;received=2001:db8::9:255;branch=z9hG4bKas3-111',
      '+': 'Contact: <sip:user@[::ffff:192.0.2.10]:5070>',
    },
    'received with brackets (5118 §4.5)': {
      via: 'Via: SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111',
    },
  }
  for (const [title, changes] of Object.entries(valid))
    t.equal(describe(parse(options(changes))), 'message', title)
})

t.test('a second request in a datagram is not looked at (4475 §3.1.1.8)', async (t) => {
  const two = Buffer.concat([options({ '+': 'Content-Length: 0' }), options()])
  t.equal(parseRequest(two).body.length, 0)
})

t.test('reason phrases of UTF-8, and none (4475 §3.1.1.12, 3.1.1.13)', async (t) => {
  const phrase = Buffer.from('= 2**3 * 5**2 но сто девяносто').toString('latin1')
  t.equal(parseResponse(bytesOf([`SIP/2.0 200 ${phrase}`, ...optionsLines.slice(1)])).reason, phrase)
  t.equal(parseResponse(bytesOf(['SIP/2.0 100 ', ...optionsLines.slice(1)])).status, 100)
})

t.test('an IPv6 address without brackets has no end, so it is refused (5118 §4.2)', async (t) => {
  t.equal(
    describe(parse(options({ start: 'OPTIONS sip:2001:db8::10 SIP/2.0' }))),
    '400 Malformed Request-URI',
  )
})

t.test('noise is dropped: TLS, HTTP, STUN, DNS and random bytes', async (t) => {
  for (const bytes of [
    Buffer.from('160301020001000001fc0303', 'hex'),
    Buffer.from('GET / HTTP/1.1\r\nHost: example.org\r\n\r\n'),
    Buffer.from('000100002112a442000000000000000000000000', 'hex'),
    Buffer.from('\r'),
    Buffer.from('\n\n'),
    Buffer.from('\r\n\r\n\r'),
    Buffer.alloc(2000, 0),
    Buffer.alloc(2000, ':\r\n'),
  ])
    t.equal(parseMessage(bytes, limits, 'datagram').kind, 'drop', bytes.toString('latin1', 0, 20))
})
