/** What the RFCs' messages leave out of RFC 3261 §25.1 and §20, as messages of our own. */
import { text, type TortureMessage, type Verdict } from './torture-message.js'

/** An OPTIONS with these lines in the place of its own of that name, or added at the end. */
function options(
  name: string,
  changes: { start?: string; lines?: readonly string[]; length?: string; body?: string },
): Buffer {
  const { start = 'OPTIONS sip:user@example.com SIP/2.0', lines = [], length, body = '' } = changes
  const names = lines.map((line) => line.slice(0, line.indexOf(':')).toLowerCase())
  const own = [
    `Via: SIP/2.0/UDP host.example.com;branch=z9hG4bK.${name}`,
    'Max-Forwards: 70',
    'To: <sip:user@example.com>',
    'From: <sip:caller@example.net>;tag=1',
    `Call-ID: ${name}`,
    `CSeq: 1 ${start.split(' ', 1)[0]}`,
    `Content-Length: ${length ?? body.length}`,
  ].filter((line) => !names.includes(line.slice(0, line.indexOf(':')).toLowerCase()))
  return text(`\n${[start, ...own, ...lines, '', body].join('\n')}`)
}

function ownMessage(
  name: string,
  title: string,
  changes: Parameters<typeof options>[1],
  expected: Verdict,
  why: string,
  more: Pick<TortureMessage, 'overTcp' | 'closes' | 'sees' | 'deviation'> = {},
): TortureMessage {
  return { name, section: 'own', title, bytes: options(name, changes), expected, why, ...more }
}

export const ownMessages: readonly TortureMessage[] = [
  ownMessage(
    'method-case',
    'A known method in small letters',
    { start: 'options sip:user@example.com SIP/2.0' },
    '405 Method Not Allowed',
    'RFC 3261 §7.1: methods are case-sensitive, so this is another one.',
  ),
  ownMessage(
    'tel-uri',
    'A tel URI as Request-URI',
    { start: 'OPTIONS tel:+1-201-555-0123;phone-context=example.com SIP/2.0' },
    'delivered',
    'RFC 3261 §19.1.6: the application may know a way to it.',
    { sees: { uri: 'tel:+1-201-555-0123;phone-context=example.com' } },
  ),
  ownMessage(
    'urn',
    'An emergency service URN as Request-URI',
    { start: 'OPTIONS urn:service:sos SIP/2.0' },
    '416 Unsupported URI Scheme',
    'RFC 3261 §8.2.2.1.',
    { deviation: 'RFC 5031 would have it mapped to a place; an edge without a location service can not.' },
  ),
  ownMessage(
    'commas',
    'Commas in URIs, quoted strings and parameters',
    { lines: ['Contact: "A, <B>" <sip:a,b@example.com;x="y">, <sip:c,d@example.com?X=a,b>;e="f,g"'] },
    '400 Malformed Contact',
    'RFC 3261 §25.1: no quotes in a URI.',
  ),
  ownMessage(
    'commas-escaped',
    'Commas in URIs, quoted strings and parameters, rightly',
    { lines: ['Contact: "A, <B> \\"" <sip:a,b@example.com>, <sip:c,d@example.com?X=a,b>;e="f,\\"g"'] },
    'delivered',
    'RFC 3261 §7.3.1: none of them separates values but the one between the addresses.',
    { sees: { contact: '"A, <B> \\"" <sip:a,b@example.com>, <sip:c,d@example.com?X=a,b>;e="f,\\"g"' } },
  ),
  ownMessage(
    'contact-all',
    'Contact: * outside a REGISTER',
    { lines: ['Contact: *'] },
    '400 Malformed Contact',
    'RFC 3261 §20.10.',
  ),
  ownMessage(
    'two-tags',
    'An address with two tags',
    { lines: ['From: <sip:caller@example.net>;tag=1;TAG=2'] },
    '400 Malformed From',
    'RFC 3261 §7.3.1: no parameter twice.',
  ),
  ownMessage(
    'empty-tag',
    'A To tag without a value',
    { lines: ['To: <sip:user@example.com>;tag='] },
    '481 Call/Transaction Does Not Exist',
    'A tag all the same: it names no dialog of ours (RFC 3261 §12.2.2).',
  ),
  ownMessage(
    'largest-cseq',
    'The largest sequence number, and leading zeros',
    { lines: ['CSeq: 0002147483647 OPTIONS', 'Expires: 99999999999999999999'] },
    'delivered',
    'RFC 3261 §8.1.1.5. A huge Expires is the concern of who uses it.',
  ),
  ownMessage(
    'many-hops',
    'Max-Forwards above 255',
    { lines: ['Max-Forwards: 256'] },
    '400 Malformed Max-Forwards',
    'RFC 3261 §20.22.',
  ),
  ownMessage(
    'large-port',
    'A port that is none',
    { start: 'OPTIONS sip:user@example.com:65536 SIP/2.0' },
    '400 Malformed Request-URI',
    'A port has 16 bits.',
  ),
  ownMessage(
    'long-body',
    'A body shorter than the datagram',
    { body: 'body and more', length: '4' },
    'delivered',
    'RFC 3261 §18.3: the rest is discarded. On a stream it is the beginning of the next message.',
    { overTcp: ['delivered', 'waits'] },
  ),
  {
    name: 'compact',
    section: 'own',
    title: 'Compact forms of everything',
    bytes: text(`
OPTIONS sip:user@example.com SIP/2.0
v: SIP/2.0/UDP host.example.com;branch=z9hG4bK.compact
f: <sip:caller@example.net>;tag=1
t: <sip:user@example.com>
i: compact
CSeq: 1 OPTIONS
m: <sip:caller@host.example.net>
k: path
l: 0

`),
    expected: 'delivered',
    sees: { from: '<sip:caller@example.net>;tag=1', contact: '<sip:caller@host.example.net>' },
    why: 'RFC 3261 §7.3.3.',
  },
]
