/** RFC 4475 §3.2 to §3.4: messages of right form that ask something of the transaction layer, of the application, or of the past. */
import { text, sdp, type TortureMessage } from './torture-message.js'

export const otherMessages: readonly TortureMessage[] = [
  {
    name: 'badbranch',
    section: '3.2.1',
    title: 'Missing transaction identifier',
    bytes: text(`
OPTIONS sip:user@example.com SIP/2.0
To: sip:user@example.com
From: sip:caller@example.org;tag=33242
Max-Forwards: 3
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK
Accept: application/sdp
Call-ID: badbranch.sadonfo23i420jv0as0derf3j3n
CSeq: 8 OPTIONS
l: 0

`),
    expected: 'delivered',
    why: 'A cookie with nothing behind it identifies no transaction: matched as a request of RFC 2543 (RFC 3261 §17.2.3).',
  },
  {
    name: 'insuf',
    section: '3.3.1',
    title: 'Missing required header fields',
    bytes: text(`
INVITE sip:user@example.com SIP/2.0
CSeq: 193942 INVITE
Via: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf
Content-Type: application/sdp
l: 152

${sdp('192.0.2.95')}`),
    expected: '400 Missing From',
    why: 'RFC 3261 §8.1.1.',
  },
  {
    name: 'unkscm',
    section: '3.3.2',
    title: 'Request-URI with unknown scheme',
    bytes: text(`
OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0
To: sip:user@example.com
From: sip:caller@example.net;tag=384
Max-Forwards: 3
Call-ID: unkscm.nasdfasser0q239nwsdfasdkl34
CSeq: 3923423 OPTIONS
Via: SIP/2.0/TCP host9.example.com;branch=z9hG4bKkdjuw39234
Content-Length: 0

`),
    expected: '416 Unsupported URI Scheme',
    why: 'RFC 3261 §8.2.2.1, §16.3.',
  },
  {
    name: 'novelsc',
    section: '3.3.3',
    title: 'Request-URI with known but atypical scheme',
    bytes: text(`
OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0
To: sip:user@example.com
From: sip:caller@example.net;tag=384
Max-Forwards: 3
Call-ID: novelsc.asdfasser0q239nwsdfasdkl34
CSeq: 3923423 OPTIONS
Via: SIP/2.0/TCP host9.example.com;branch=z9hG4bKkdjuw39234
Content-Length: 0

`),
    expected: '416 Unsupported URI Scheme',
    why: 'RFC 3261 §8.2.2.1, §16.3.',
  },
  {
    name: 'unksm2',
    section: '3.3.4',
    title: 'Unknown URI schemes in header fields',
    bytes: text(`
REGISTER sip:example.com SIP/2.0
To: isbn:2983792873
From: <http://www.example.com>;tag=3234233
Call-ID: unksm2.daksdj@hyphenated-host.example.com
CSeq: 234902 REGISTER
Max-Forwards: 70
Via: SIP/2.0/UDP 192.0.2.21:5060;branch=z9hG4bKkdjuw
Contact: <name:John_Smith>
l: 0

`),
    expected: 'delivered',
    sees: { to: 'isbn:2983792873' },
    why: 'Only the registrar has to do with them, and that is the application.',
  },
  {
    name: 'bext01',
    section: '3.3.5',
    title: 'Proxy-Require and Require',
    bytes: text(`
OPTIONS sip:user@example.com SIP/2.0
To: sip:j_user@example.com
From: sip:caller@example.net;tag=242etr
Max-Forwards: 6
Call-ID: bext01.0ha0isndaksdj
Require: nothingSupportsThis, nothingSupportsThisEither
Proxy-Require: noProxiesSupportThis, norDoAnyProxiesSupportThis
CSeq: 8 OPTIONS
Via: SIP/2.0/TLS fold-and-staple.example.com;branch=z9hG4bKkdjuw
Content-Length: 0

`),
    expected: '420 Bad Extension',
    why: 'RFC 3261 §16.3 step 5.',
  },
  {
    name: 'invut',
    section: '3.3.6',
    title: 'Unknown Content-Type',
    bytes: text(`
INVITE sip:user@example.com SIP/2.0
Contact: <sip:caller@host5.example.net>
To: sip:j.user@example.com
From: sip:caller@example.net;tag=8392034
Max-Forwards: 70
Call-ID: invut.0ha0isndaksdjadsfij34n23d
CSeq: 235448 INVITE
Via: SIP/2.0/UDP somehost.example.com;branch=z9hG4bKkdjuw
Content-Type: application/unknownformat
Content-Length: 40

<audio>
 <pcmu port="443"/>
</audio>
`),
    expected: 'delivered',
    why: "A body is the application's concern (415).",
  },
  {
    name: 'regaut01',
    section: '3.3.7',
    title: 'Unknown authorization scheme',
    bytes: text(`
REGISTER sip:example.com SIP/2.0
To: sip:j.user@example.com
From: sip:j.user@example.com;tag=87321hj23128
Max-Forwards: 8
Call-ID: regaut01.0ha0isndaksdj
CSeq: 9338 REGISTER
Via: SIP/2.0/TCP 192.0.2.253;branch=z9hG4bKkdjuw
Authorization: NoOneKnowsThisScheme opaque-data=here
Content-Length:0

`),
    expected: 'delivered',
    why: "Credentials are the application's concern.",
  },
  {
    name: 'multi01',
    section: '3.3.8',
    title: 'Multiple values in single value required fields',
    bytes: text(`
INVITE sip:user@company.com SIP/2.0
Contact: <sip:caller@host25.example.net>
Via: SIP/2.0/UDP 192.0.2.25;branch=z9hG4bKkdjuw
Max-Forwards: 70
CSeq: 5 INVITE
Call-ID: multi01.98asdh@192.0.2.1
CSeq: 59 INVITE
Call-ID: multi01.98asdh@192.0.2.2
From: sip:caller@example.com;tag=3413415
To: sip:user@example.com
To: sip:other@example.net
From: sip:caller@example.net;tag=2923420123
Content-Type: application/sdp
l: 154
Contact: <sip:caller@host36.example.net>
Max-Forwards: 5

${sdp('192.0.2.25')}
`),
    expected: '400 Repeated CSeq',
    why: 'RFC 3261 §7.3.1.',
  },
  {
    name: 'mcl01',
    section: '3.3.9',
    title: 'Multiple Content-Length values',
    bytes: text(`
OPTIONS sip:user@example.com SIP/2.0
Via: SIP/2.0/UDP host5.example.net;branch=z9hG4bK293423
To: sip:user@example.com
From: sip:other@example.net;tag=3923942
Call-ID: mcl01.fhn2323orihawfdoa3o4r52o3irsdf
CSeq: 15932 OPTIONS
Content-Length: 13
Max-Forwards: 60
Content-Length: 5
Content-Type: text/plain

There's no way to know how many octets are supposed to be here.

`),
    expected: '400 Contradicting Content-Length',
    closes: true,
    why: 'Two elements could see two messages.',
  },
  {
    name: 'bcast',
    section: '3.3.10',
    title: '200 OK response with broadcast Via header field value',
    bytes: text(`
SIP/2.0 200 OK
Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923
Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23
Call-ID: bcast.0384840201234ksdfak3j2erwedfsASdf
CSeq: 35 INVITE
From: sip:user@example.com;tag=11141343
To: sip:user@example.edu;tag=2229
Content-Length: 154
Content-Type: application/sdp
Contact: <sip:user@host28.example.com>

${sdp('192.0.2.198')}`),
    expected: 'stray',
    why: 'It answers no request of ours, and is never sent on (RFC 3261 §18.1.2).',
  },
  {
    name: 'zeromf',
    section: '3.3.11',
    title: 'Max-Forwards of zero',
    bytes: text(`
OPTIONS sip:user@example.com SIP/2.0
To: sip:user@example.com
From: sip:caller@example.net;tag=3ghsd41
Call-ID: zeromf.jfasdlfnm2o2l43r5u0asdfas
CSeq: 39234321 OPTIONS
Via: SIP/2.0/UDP host1.example.com;branch=z9hG4bKkdjuw2349i
Max-Forwards: 0
Content-Length: 0

`),
    expected: 'delivered',
    sees: { 'max-forwards': '0' },
    why: '483 is for those who forward; the application may answer an OPTIONS (RFC 3261 §16.3 step 3).',
  },
  {
    name: 'cparam01',
    section: '3.3.12',
    title: 'REGISTER with a Contact header parameter',
    bytes: text(`
REGISTER sip:example.com SIP/2.0
Via: SIP/2.0/UDP saturn.example.com:5060;branch=z9hG4bKkdjuw
Max-Forwards: 70
From: sip:watson@example.com;tag=DkfVgjkrtMwaerKKpe
To: sip:watson@example.com
Call-ID: cparam01.70710@saturn.example.com
CSeq: 2 REGISTER
Contact: sip:+19725552222@gw1.example.net;unknownparam
l: 0

`),
    expected: 'delivered',
    sees: { contact: 'sip:+19725552222@gw1.example.net;unknownparam' },
    why: "What a Contact means is the registrar's concern.",
  },
  {
    name: 'cparam02',
    section: '3.3.13',
    title: 'REGISTER with a URL parameter',
    bytes: text(`
REGISTER sip:example.com SIP/2.0
Via: SIP/2.0/UDP saturn.example.com:5060;branch=z9hG4bKkdjuw
Max-Forwards: 70
From: sip:watson@example.com;tag=838293
To: sip:watson@example.com
Call-ID: cparam02.70710@saturn.example.com
CSeq: 3 REGISTER
Contact: <sip:+19725552222@gw1.example.net;unknownparam>
l: 0

`),
    expected: 'delivered',
    sees: { contact: '<sip:+19725552222@gw1.example.net;unknownparam>' },
    why: "What a Contact means is the registrar's concern.",
  },
  {
    name: 'regescrt',
    section: '3.3.14',
    title: 'REGISTER with a URL escaped header',
    bytes: text(`
REGISTER sip:example.com SIP/2.0
To: sip:user@example.com
From: sip:user@example.com;tag=8
Max-Forwards: 70
Call-ID: regescrt.k345asrl3fdbv@192.0.2.1
CSeq: 14398234 REGISTER
Via: SIP/2.0/UDP host5.example.com;branch=z9hG4bKkdjuw
M: <sip:user@example.com?Route=%3Csip:sip.example.com%3E>
L:0

`),
    expected: 'delivered',
    sees: { contact: '<sip:user@example.com?Route=%3Csip:sip.example.com%3E>' },
    why: 'Headers may stand in a Contact (RFC 3261 §19.1.1, table 1).',
  },
  {
    name: 'sdp01',
    section: '3.3.15',
    title: 'Unacceptable Accept offering',
    bytes: text(`
INVITE sip:user@example.com SIP/2.0
To: sip:j_user@example.com
Contact: <sip:caller@host15.example.net>
From: sip:caller@example.net;tag=234
Max-Forwards: 5
Call-ID: sdp01.ndaksdj9342dasdd
Accept: text/nobodyKnowsThis
CSeq: 8 INVITE
Via: SIP/2.0/UDP 192.0.2.15;branch=z9hG4bKkdjuw
Content-Length: 150
Content-Type: application/sdp

${sdp('192.0.2.5')}`),
    expected: 'delivered',
    why: "Accept is the application's concern (406).",
  },
  {
    name: 'inv2543',
    section: '3.4.1',
    title: 'INVITE with RFC 2543 syntax',
    bytes: text(`
INVITE sip:UserB@example.com SIP/2.0
Via: SIP/2.0/UDP iftgw.example.com
From: <sip:+13035551111@ift.client.example.net;user=phone>
Record-Route: <sip:UserB@example.com;maddr=ss1.example.com>
To: sip:+16505552222@ss1.example.net;user=phone
Call-ID: inv2543.1717@ift.client.example.com
CSeq: 56 INVITE
Content-Type: application/sdp

v=0
o=mhandley 29739 7272939 IN IP4 192.0.2.5
s=-
c=IN IP4 192.0.2.5
t=0 0
m=audio 49217 RTP/AVP 0
`),
    expected: '400 Missing Contact',
    overTcp: '400 Missing Content-Length',
    closes: true,
    why: 'No From tag, no branch, no Max-Forwards, no Content-Length: all of it was allowed, and is read. On a stream its end cannot be known.',
    deviation:
      'The RFC would have it accepted. But it has no Contact either, and no request of the callee could ever reach the caller (RFC 3261 §8.1.1.8); drachtio-server refuses it as well.',
  },
]
