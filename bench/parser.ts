/**
 * Messages per second of processor time of the message layer: `node dist/bench/parser.js`.
 */
import { parseMessage, readLines } from '../src/engine/message/parse.js'
import { StreamFramer } from '../src/engine/message/stream-framer.js'
import { responseTo } from '../src/engine/message/response.js'

const limits = { maxHeaders: 100, maxMessageBytes: 65535 }

function message(lines: string[], body = ''): Buffer {
  return Buffer.from([...lines, `Content-Length: ${body.length}`, '', body].join('\r\n'), 'latin1')
}

const register = message([
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

const invite = message(
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

function parsed(bytes: Buffer) {
  const result = parseMessage(bytes, limits, 'datagram')
  if (result.kind !== 'message') throw new Error(`bench message is not valid: ${JSON.stringify(result)}`)
  return result.message
}

/** Runs for about a second after warming up, and prints the rate. */
function measure(title: string, work: () => unknown): void {
  const batch = 10_000
  for (let i = 0; i < 5 * batch; i++) work()
  const start = process.cpuUsage()
  let done = 0
  let micros = 0
  while (micros < 1e6) {
    for (let i = 0; i < batch; i++) work()
    done += batch
    const { user, system } = process.cpuUsage(start)
    micros = user + system
  }
  const rate = Math.round((done / micros) * 1e6)
  console.log(`${title.padEnd(44)} ${rate.toLocaleString('en').padStart(10)}/s`)
}

for (const [name, bytes] of [
  ['REGISTER', register],
  ['INVITE', invite],
] as const) {
  const message = parsed(bytes)
  console.log(`${name}, ${bytes.length} bytes, ${message.headers.length} headers`)
  const head = bytes.indexOf('\r\n\r\n') + 2
  measure('  parse: lines and header fields', () => readLines(bytes, 0, head, limits.maxHeaders))
  measure('  parse and check all that is mandatory', () => parsed(bytes))
  measure('  parse from a stream', () => new StreamFramer(limits).push(bytes))
  measure('  serialize', () => message.serialize())
  measure('  clone, change the Via, serialize', () => {
    const copy = message.clone()
    copy.prepend('via', 'SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKf00')
    return copy.serialize()
  })
  if (message.kind === 'request') {
    measure('  response made and serialized', () => responseTo(message, 200).serialize())
  }
}
