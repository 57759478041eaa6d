/**
 * RFC 5118 §4: IPv6. Where the RFC prints a Content-Length that is not that of its body (§4.6, §4.8, §4.9: 268, 181 and
 * 236), the true one is sent: the messages are about addresses.
 */
import { text, type TortureMessage, type Verdict } from './torture-message.js'

/** Like `text`, with the Content-Length of the body at the end of the header section. */
function withBody(lines: string, body: string): Buffer {
  const bytes = text(body)
  return Buffer.concat([text(lines), text(`\n\nContent-Length: ${bytes.length}\n\n`), bytes])
}

const noDialog: Verdict = '481 Call/Transaction Does Not Exist'

export const ipv6Messages: readonly TortureMessage[] = [
  {
    name: 'ipv6-good',
    section: '4.1',
    title: 'Valid SIP message with an IPv6 reference',
    bytes: text(`
REGISTER sip:[2001:db8::10] SIP/2.0
To: sip:user@example.com
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Max-Forwards: 70
Contact: "Caller" <sip:caller@[2001:db8::1]>
CSeq: 98176 REGISTER
Content-Length: 0

`),
    expected: 'delivered',
    sees: { uri: 'sip:[2001:db8::10]', contact: '"Caller" <sip:caller@[2001:db8::1]>' },
    why: 'RFC 3261 §25.1: IPv6reference.',
  },
  {
    name: 'ipv6-bad',
    section: '4.2',
    title: 'Invalid SIP message with an IPv6 reference',
    bytes: text(`
REGISTER sip:2001:db8::10 SIP/2.0
To: sip:user@example.com
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Max-Forwards: 70
Contact: "Caller" <sip:caller@[2001:db8::1]>
CSeq: 98176 REGISTER
Content-Length: 0

`),
    expected: '400 Malformed Request-URI',
    why: 'RFC 3261 §25.1: brackets delimit an IPv6 address.',
  },
  {
    name: 'port-ambiguous',
    section: '4.3',
    title: 'Port ambiguous in a SIP URI',
    bytes: text(`
REGISTER sip:[2001:db8::10:5070] SIP/2.0
To: sip:user@example.com
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Contact: "Caller" <sip:caller@[2001:db8::1]>
Max-Forwards: 70
CSeq: 98176 REGISTER
Content-Length: 0

`),
    expected: 'delivered',
    sees: { uri: 'sip:[2001:db8::10:5070]' },
    why: 'Whatever the sender meant, it is an address, and what it says is passed on unchanged.',
  },
  {
    name: 'port-unambiguous',
    section: '4.4',
    title: 'Port unambiguous in a SIP URI',
    bytes: text(`
REGISTER sip:[2001:db8::10]:5070 SIP/2.0
To: sip:user@example.com
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Contact: "Caller" <sip:caller@[2001:db8::1]>
Max-Forwards: 70
CSeq: 98176 REGISTER
Content-Length: 0

`),
    expected: 'delivered',
    sees: { uri: 'sip:[2001:db8::10]:5070' },
    why: 'RFC 3261 §25.1: hostport.',
  },
  {
    name: 'via-received-param-with-delim',
    section: '4.5',
    title: 'IPv6 reference delimiters in Via header: with brackets',
    bytes: text(`
BYE sip:[2001:db8::10] SIP/2.0
To: sip:user@example.com;tag=bd76ya
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Max-Forwards: 70
CSeq: 321 BYE
Content-Length: 0

`),
    expected: noDialog,
    why: 'Read with brackets and without; the edge writes it without. It belongs to no dialog (RFC 3261 §12.2.2).',
  },
  {
    name: 'via-received-param-no-delim',
    section: '4.5',
    title: 'IPv6 reference delimiters in Via header: without brackets',
    bytes: text(`
OPTIONS sip:[2001:db8::10] SIP/2.0
To: sip:user@example.com
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3
Call-ID: SSG95523997077@hlau_4100
Max-Forwards: 70
Contact: "Caller" <sip:caller@[2001:db8::9:1]>
CSeq: 921 OPTIONS
Content-Length: 0

`),
    expected: 'delivered',
    why: 'Read with brackets and without (RFC 5118 §4.5).',
  },
  {
    name: 'ipv6-in-sdp',
    section: '4.6',
    title: 'SIP request with IPv6 addresses in the SDP body',
    bytes: withBody(
      `
INVITE sip:user@[2001:db8::10] SIP/2.0
To: sip:user@[2001:db8::10]
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::20];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Contact: "Caller" <sip:caller@[2001:db8::20]>
CSeq: 8612 INVITE
Max-Forwards: 70
Content-Type: application/sdp`,
      `
v=0
o=assistant 971731711378798081 0 IN IP6 2001:db8::20
s=Live video feed for today's meeting
c=IN IP6 2001:db8::20
t=3338481189 3370017201
m=audio 6000 RTP/AVP 2
a=rtpmap:2 G726-32/8000
m=video 6024 RTP/AVP 107
a=rtpmap:107 H263-1998/90000
`,
    ),
    expected: 'delivered',
    sees: { uri: 'sip:user@[2001:db8::10]', to: 'sip:user@[2001:db8::10]' },
    why: 'A body is bytes.',
  },
  {
    name: 'mult-ip-in-header',
    section: '4.7',
    title: 'Multiple IP addresses in SIP headers',
    bytes: text(`
BYE sip:user@host.example.net SIP/2.0
Via: SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144
Via: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200
Call-ID: 997077@lau_4100
Max-Forwards: 70
CSeq: 89187 BYE
To: sip:user@example.net;tag=9817--94
From: sip:user@example.com;tag=81x2
Content-Length: 0

`),
    viaPort: 6050,
    expected: noDialog,
    why: 'All Vias are read; it belongs to no dialog (RFC 3261 §12.2.2).',
  },
  {
    name: 'mult-ip-in-sdp',
    section: '4.8',
    title: 'Multiple IP addresses in SDP',
    bytes: withBody(
      `
INVITE sip:user@[2001:db8::10] SIP/2.0
To: sip:user@[2001:db8::10]
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Contact: "Caller" <sip:caller@[2001:db8::9:1]>
Max-Forwards: 70
CSeq: 8912 INVITE
Content-Type: application/sdp`,
      `
v=0
o=bob 280744730 28977631 IN IP4 host.example.com
s=
t=0 0
m=audio 22334 RTP/AVP 0
c=IN IP4 192.0.2.1
m=video 6024 RTP/AVP 107
c=IN IP6 2001:db8::1
a=rtpmap:107 H263-1998/90000
`,
    ),
    expected: 'delivered',
    why: 'A body is bytes.',
  },
  {
    name: 'ipv4-mapped-ipv6',
    section: '4.9',
    title: 'IPv4-mapped IPv6 addresses',
    bytes: withBody(
      `
INVITE sip:user@example.com SIP/2.0
To: sip:user@example.com
From: sip:user@east.example.com;tag=81x2
Via: SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKbh19
Via: SIP/2.0/UDP [::ffff:192.0.2.2];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Contact: "T. desk phone" <sip:ted@[::ffff:192.0.2.2]>
CSeq: 612 INVITE
Max-Forwards: 70
Content-Type: application/sdp`,
      `
v=0
o=assistant 971731711378798081 0 IN IP6 ::ffff:192.0.2.2
s=Call me soon, please!
c=IN IP6 ::ffff:192.0.2.2
t=3338481189 3370017201
m=audio 6000 RTP/AVP 2
a=rtpmap:2 G726-32/8000
m=video 6024 RTP/AVP 107
a=rtpmap:107 H263-1998/90000
`,
    ),
    viaPort: 19823,
    expected: 'delivered',
    sees: { contact: '"T. desk phone" <sip:ted@[::ffff:192.0.2.2]>' },
    why: 'RFC 4291 §2.2: an IPv6 address may end in an IPv4 one.',
  },
  {
    name: 'ipv6-bug-abnf-3-colons',
    section: '4.10',
    title: 'IPv6 reference bug in RFC 3261 ABNF: three colons',
    bytes: text(`
OPTIONS sip:user@[2001:db8:::192.0.2.1] SIP/2.0
To: sip:user@[2001:db8:::192.0.2.1]
From: sip:user@example.com;tag=810x2
Via: SIP/2.0/UDP lab1.east.example.com;branch=z9hG4bKas3-111
Call-ID: G9559905523997077@hlau_4100
CSeq: 689 OPTIONS
Max-Forwards: 70
Content-Length: 0

`),
    expected: 'delivered',
    sees: { uri: 'sip:user@[2001:db8:::192.0.2.1]', to: 'sip:user@[2001:db8:::192.0.2.1]' },
    why: 'RFC 5118 §4.10: must be tolerated; RFC 5954 has corrected the grammar.',
  },
  {
    name: 'ipv6-correct-abnf-2-colons',
    section: '4.10',
    title: 'IPv6 reference bug in RFC 3261 ABNF: two colons',
    bytes: text(`
OPTIONS sip:user@[2001:db8::192.0.2.1] SIP/2.0
To: sip:user@[2001:db8::192.0.2.1]
From: sip:user@example.com;tag=810x2
Via: SIP/2.0/UDP lab1.east.example.com;branch=z9hG4bKas3-111
Call-ID: G9559905523997077@hlau_4100
CSeq: 689 OPTIONS
Max-Forwards: 70
Content-Length: 0

`),
    expected: 'delivered',
    sees: { uri: 'sip:user@[2001:db8::192.0.2.1]' },
    why: 'RFC 4291 §2.2.',
  },
]
