/** The two messages that the parser is measured with, as a phone writes them. */

const message = (lines: string[], body = ''): Buffer =>
  Buffer.from([...lines, `Content-Length: ${body.length}`, '', body].join('\r\n'), 'latin1')

/** With credentials. */
export const register = message([
  'REGISTER sip:pbx.example.org SIP/2.0',
  'Via: SIP/2.0/UDP 192.0.2.17:5062;branch=z9hG4bK-524287-1---a1b2c3d4e5f60718;rport',
  'Max-Forwards: 70',
  'Contact: <sip:48211730@192.0.2.17:5062;rinstance=0f1e2d3c4b5a6978>;+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>";reg-id=1',
  'To: "48211730" <sip:48211730@pbx.example.org>',
  'From: "48211730" <sip:48211730@pbx.example.org>;tag=7d3a9c1e',
  'Call-ID: 84211ZjM2ZDY4NzQ2MTZlNGE1NjY3Njg3OTZjNmI3MzY0',
  'CSeq: 42 REGISTER',
  'Expires: 3600',
  'Allow: INVITE, ACK, CANCEL, BYE, REFER, NOTIFY, MESSAGE, SUBSCRIBE, INFO',
  'User-Agent: Bench Phone 5.1',
  'Authorization: Digest username="48211730",realm="privateline",nonce="67449a2c0001b6f1d5c2a8e3f09b7c6d5e4f3a2b1c0d9e8f",uri="sip:pbx.example.org",response="5f2d8e1c7b6a594837261504f3e2d1c05f2d8e1c7b6a594837261504f3e2d1c0",cnonce="9f8e7d6c5b4a3928",nc=00000007,qop=auth,algorithm=SHA-256',
])

/** With a session description. */
export const invite = message(
  [
    'INVITE sip:2125550123@pbx.example.org SIP/2.0',
    'Via: SIP/2.0/UDP 192.0.2.17:5062;branch=z9hG4bK-524287-1---b7c8d9e0f1a2b3c4;rport',
    'Max-Forwards: 70',
    'Contact: <sip:48211730@192.0.2.17:5062>',
    'To: <sip:2125550123@pbx.example.org>',
    'From: "Alice" <sip:48211730@pbx.example.org>;tag=1c8f7a3b',
    'Call-ID: 84211ZDc5YzE0YjJhOTM4NmQ3ZTVmNGMzYjJhMTkwOGY3',
    'CSeq: 1 INVITE',
    'Allow: INVITE, ACK, CANCEL, BYE, REFER, NOTIFY, MESSAGE, SUBSCRIBE, INFO',
    'Content-Type: application/sdp',
    'Supported: replaces, 100rel, timer',
    'User-Agent: Bench Phone 5.1',
  ],
  [
    'v=0',
    'o=- 13374718273811 1 IN IP4 192.0.2.17',
    's=call',
    'c=IN IP4 192.0.2.17',
    't=0 0',
    'm=audio 40002 RTP/AVP 9 8 0 101',
    'a=rtpmap:101 telephone-event/8000',
    'a=fmtp:101 0-15',
    'a=sendrecv',
    '',
  ].join('\r\n'),
)
