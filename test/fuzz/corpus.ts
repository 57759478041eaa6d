/**
 * What the fuzzer starts from: valid messages of every kind. To add one, write it down here.
 *
 * `{name}` is filled in for each use; see `Values`. `{length}` is the body's length. The user of the Request-URI tells
 * the application of the fuzzer what to do (application.ts).
 */
import { tortureMessages } from '../engine/torture/torture-messages.js'
import type { Random } from './random.js'

/** Of a dialog with the application, or made up. */
export interface DialogValues {
  callId: string
  fromTag: string
  toTag: string
  /** Remote target, and the Route header fields on the way to it (each line ended). */
  target: string
  route: string
}

export interface Values extends DialogValues {
  transport: string
  /** host:port of the sender. */
  sentBy: string
  branch: string
  cseq: string
}

const sdp = `v=0
o=- 3724394400 3724394405 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio 4000 RTP/AVP 0 8 101
a=rtpmap:101 telephone-event/8000
a=sendrecv
`

/** Via to CSeq of a request. */
function head(method: string, uri: string, more = ''): string {
  return `${method} ${uri} SIP/2.0
Via: SIP/2.0/{transport} {sentBy};branch=z9hG4bK{branch};rport
Max-Forwards: 70
From: "Alice" <sip:alice@localhost>;tag={fromTag}
To: <${uri}>
Call-ID: {callId}
CSeq: {cseq} ${method}
Contact: <sip:alice@{sentBy};transport={transport}>
${more}`
}

/** The same within the dialog. */
function inDialog(method: string, more = ''): string {
  return `${method} {target} SIP/2.0
Via: SIP/2.0/{transport} {sentBy};branch=z9hG4bK{branch};rport
Max-Forwards: 70
{route}From: "Alice" <sip:alice@localhost>;tag={fromTag}
To: <sip:answer@localhost>;tag={toTag}
Call-ID: {callId}
CSeq: {cseq} ${method}
Contact: <sip:alice@{sentBy};transport={transport}>
${more}`
}

const withoutBody = 'Content-Length: {length}\n\n'
const withSdp = `Content-Type: application/sdp\nContent-Length: {length}\n\n${sdp}`

const invite = (user: string, more = ''): string => head('INVITE', `sip:${user}@localhost`, more + withSdp)

const multipart = `MIME-Version: 1.0
Content-Type: multipart/mixed;boundary="b0undary"
Content-Length: {length}

--b0undary
Content-Type: application/sdp

${sdp}
--b0undary
Content-Type: application/pidf+xml
Content-ID: <alice@localhost>

<?xml version="1.0"?><presence entity="sip:alice@localhost"/>
--b0undary--
`

const response = (status: string, method: string, more = ''): string => `SIP/2.0 ${status}
Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK{branch};received=127.0.0.1;rport=5060
Via: SIP/2.0/{transport} {sentBy};branch=z9hG4bKupstream;rport
From: "Alice" <sip:alice@localhost>;tag={fromTag}
To: <sip:answer@localhost>;tag={toTag}
Call-ID: {callId}
CSeq: {cseq} ${method}
Contact: <sip:bob@{sentBy}>
${more}`

const messages: readonly string[] = [
  head('OPTIONS', 'sip:options@localhost', `Accept: application/sdp, text/plain\n${withoutBody}`),
  head(
    'REGISTER',
    'sip:localhost',
    `Authorization: Digest username="alice", realm="privateline", nonce="MTYwMDAwMDAwMA==", uri="sip:localhost", response="6629fae49393a05397450978507c4ef1", algorithm=MD5, cnonce="0a4f113b", opaque="", qop=auth, nc=00000001
Expires: 600
Supported: path, outbound, gruu
${withoutBody}`,
  ).replace(
    'transport={transport}>',
    'transport={transport}>;reg-id=1;+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>";q=0.7;expires=300',
  ),
  head('REGISTER', 'sip:localhost', `Expires: 0\n${withoutBody}`).replace(/^Contact: .*$/m, 'Contact: *'),
  invite('answer', 'Supported: 100rel, timer, replaces\nSession-Expires: 1800;refresher=uac\nMin-SE: 90\n'),
  invite('ring', 'Require: 100rel\n'),
  invite('reject', 'Allow: INVITE, ACK, CANCEL, BYE, PRACK, UPDATE\nUser-Agent: Fuzzer/1.0 (test)\n'),
  invite('proxy', 'Record-Route: <sip:127.0.0.1:9;lr>, <sip:127.0.0.1:9;transport=tcp;lr>\n'),
  invite('bridge', 'P-Asserted-Identity: "Alice" <sip:alice@localhost>, <tel:+15551234>\nPrivacy: id\n'),
  invite('silent', 'Replaces: 12345@localhost;to-tag=1;from-tag=2;early-only\n'),
  head('INVITE', 'sip:answer@localhost', multipart),
  head(
    'CANCEL',
    'sip:ring@localhost',
    `Reason: SIP;cause=200;text="Call completed elsewhere"\n${withoutBody}`,
  ),
  head('SUBSCRIBE', 'sip:answer@localhost', `Event: presence;id=1\nExpires: 60\n${withoutBody}`),
  head('PUBLISH', 'sip:alice@localhost', `Event: presence\nSIP-If-Match: 1\nExpires: 60\n${withoutBody}`),
  head(
    'MESSAGE',
    'sip:bob@localhost',
    'Content-Type: text/plain\nContent-Length: {length}\n\nHallo, Größe\n',
  ),
  head(
    'REFER',
    'sip:bob@localhost',
    `Refer-To: <sip:c@localhost?Replaces=1%40a%3Bto-tag%3D2>\n${withoutBody}`,
  ),
  inDialog('ACK', withoutBody),
  inDialog('INVITE', withSdp),
  inDialog('INVITE', withoutBody),
  inDialog('UPDATE', `Session-Expires: 90;refresher=uas\n${withSdp}`),
  inDialog('PRACK', `RAck: 1 1 INVITE\n${withoutBody}`),
  inDialog(
    'INFO',
    'Content-Type: application/dtmf-relay\nContent-Length: {length}\n\nSignal=5\nDuration=160\n',
  ),
  inDialog('REFER', `Refer-To: <sip:charlie@localhost>\nReferred-By: <sip:alice@localhost>\n${withoutBody}`),
  inDialog('NOTIFY', `Event: refer\nSubscription-State: active;expires=60\n${withoutBody}`),
  inDialog('SUBSCRIBE', `Event: presence\nExpires: 0\n${withoutBody}`),
  inDialog('OPTIONS', withoutBody),
  inDialog('BYE', `Reason: Q.850;cause=16;text="Terminated"\n${withoutBody}`),
  response('100 Trying', 'INVITE', withoutBody),
  response('183 Session Progress', 'INVITE', `Require: 100rel\nRSeq: 1\n${withSdp}`),
  response('200 OK', 'INVITE', `Record-Route: <sip:127.0.0.1:9;lr>\n${withSdp}`),
  response(
    '407 Proxy Authentication Required',
    'INVITE',
    `Proxy-Authenticate: Digest realm="a", nonce="b", qop="auth,auth-int"\n${withoutBody}`,
  ),
  response('302 Moved Temporarily', 'INVITE', withoutBody),
  // Compact forms, IPv6, a tel URI, folding, no cookie.
  `INVITE sip:answer@[::1]:5060;transport=udp SIP/2.0
v: SIP/2.0/{transport} {sentBy} ; branch = old{branch},
 SIP/2.0/UDP [2001:db8::9:1]:5070;received=192.0.2.1
f: tel:+1-201-555-0123;phone-context=example.com;tag={fromTag}
t: "B, \\"ob\\"" <sip:answer@[::1]>
i: {callId}
m: "Al\\\\ice" <sip:alice@{sentBy};lr?a=b>;q=0.1, <sip:a@{sentBy}>
CSeq: {cseq} INVITE
k: 100rel
s: folded
\tsubject
x: 1800
c: application/sdp
l: {length}

${sdp}`,
]

/** The torture messages are seeds as well; they are taken as they are. */
export function seedMessage(random: Random, values: Values): Buffer {
  if (random.chance(0.2)) return random.pick(tortureMessages).bytes
  return fill(random.pick(messages), values)
}

export function fill(template: string, values: Values): Buffer {
  const filled = template
    .replace(/\{(\w+)\}/g, (whole, name: string) => values[name as keyof Values] ?? whole)
    .replaceAll('\n', '\r\n')
  const gap = filled.indexOf('\r\n\r\n')
  const length = Buffer.byteLength(filled.slice(gap + 4))
  return Buffer.from(filled.replace('{length}', String(length)))
}

/** Frames of drachtio's control protocol as an application sends them, without their length. */
export function seedFrame(random: Random, transactionId: string, dialogId: string, peer: string): string {
  const crlf = (text: string): string => text.replaceAll('\n', '\r\n')
  const id = random.word(6)
  const answerHead =
    'Contact: <sip:app@localhost>\nX-Test: a, b\nWWW-Authenticate: Digest realm="x", nonce="y"\n'
  return crlf(
    random.pick([
      `${id}|ping|2026-01-01`,
      `${id}|route|info`,
      `${id}|remove_route|info`,
      `${id}|route|message`,
      `${id}|sip|${transactionId}|${dialogId}|\nSIP/2.0 200 OK\n${answerHead}\n`,
      `${id}|sip|${transactionId}||\nSIP/2.0 180 Ringing\nRequire: 100rel\n${answerHead}\n`,
      `${id}|sip|${transactionId}||\nSIP/2.0 486 Busy Here\n${answerHead}Content-Type: text/plain\n\nbusy`,
      `${id}|sip|||sip:${peer}\nOPTIONS sip:b@${peer} SIP/2.0\nFrom: sip:a@localhost\nSubject: x\n\n`,
      `${id}|sip|||\nINVITE sip:b@${peer} SIP/2.0\nContent-Type: application/sdp\n\n${sdp}`,
      `${id}|sip||${dialogId}|\nBYE sip:placeholder SIP/2.0\nCall-ID: placeholder\n\n`,
      `${id}|sip||${dialogId}|\nINFO sip:placeholder SIP/2.0\nContent-Type: text/plain\n\nx`,
      `${id}|sip|${transactionId}||\nCANCEL sip:b@${peer} SIP/2.0\n\n`,
      `${id}|sip|${transactionId}|${dialogId}|\nACK sip:b@${peer} SIP/2.0\n\n`,
      `${id}|proxy|${transactionId}|remainInDialog|fullResponse|followRedirects|simultaneous|1s|2s|sip:b@${peer}|sip:c@127.0.0.1:9;transport=tcp\nX-Proxied: yes\n\n`,
      `${id}|proxy|${transactionId}|||||||sip:b@${peer};flow=${peer};flow-transport=udp`,
      `${id}|drop|${transactionId}`,
      `${id}|authenticate|wrong`,
    ]),
  )
}
