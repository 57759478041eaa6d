import t from 'tap'
import { reasonPhrase, responseTo } from '../../../src/engine/message/response.js'
import { newTag, randomToken, statelessTag } from '../../../src/engine/message/tokens.js'
import { bytesOf, optionsLines, parseRequest } from './messages.js'

const request = parseRequest(
  bytesOf([
    'OPTIONS sip:bob@example.org SIP/2.0',
    'v: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1, SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK2',
    'Record-Route: <sip:p1;lr>',
    ...optionsLines.slice(1),
    'Timestamp: 54',
    'Subject: not copied',
    'Record-Route: <sip:p2;lr>',
  ]),
)

t.test('a response copies what it must, in the order of the request (RFC 3261 §8.2.6.2)', async (t) => {
  const response = responseTo(request, 404, undefined, {
    toTag: 'tt',
    headers: [['Warning', '399 x "a\r\nb"']],
    body: Buffer.from('b'),
  })
  t.equal(
    response.serialize().toString('latin1'),
    [
      'SIP/2.0 404 Not Found',
      'v: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1, SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK2',
      'Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK77asjd',
      'To: <sip:bob@example.org>;tag=tt',
      'From: "Alice" <sip:alice@example.org>;tag=88sja8x',
      'Call-ID: 987asjd97y7atg',
      'CSeq: 986759 OPTIONS',
      'Warning: 399 x "a b"',
      'Content-Length: 1',
      '',
      'b',
    ].join('\r\n'),
  )
})

t.test('a To tag is made if none is given, kept if there is one, and never put on a 100', async (t) => {
  t.match(responseTo(request, 180).toTag, /^[0-9a-f]{16}$/)
  t.equal(responseTo(request, 100, undefined, { toTag: 'x' }).toTag, undefined)
  const inDialog = request.clone()
  inDialog.set('to', '<sip:bob@example.org>;tag=there')
  t.equal(responseTo(inDialog, 200, undefined, { toTag: 'x' }).toTag, 'there')
})

t.test(
  'Timestamp goes into a 100 only, Record-Route into dialog making responses if asked for',
  async (t) => {
    t.equal(responseTo(request, 100).get('timestamp'), '54')
    t.equal(responseTo(request, 200).get('timestamp'), undefined)
    const routes = (status: number) =>
      responseTo(request, status, '', { recordRoute: true }).values('record-route')
    t.strictSame(routes(200), ['<sip:p1;lr>', '<sip:p2;lr>'])
    t.equal(routes(180).length, 2)
    t.equal(routes(100).length, 0)
    t.equal(routes(486).length, 0)
    t.strictSame(responseTo(request, 200).values('record-route'), [])
  },
)

t.test('the request is not changed by its response', async (t) => {
  const before = request.serialize()
  responseTo(request, 200).set('via', 'x')
  t.strictSame(request.serialize(), before)
})

t.test('unknown codes have the phrase of their class', async (t) => {
  t.equal(reasonPhrase(486), 'Busy Here')
  t.equal(reasonPhrase(499), 'Bad Request')
  t.equal(reasonPhrase(699), 'Busy Everywhere')
})

t.test('tokens do not repeat, and stateless tags do', async (t) => {
  const tokens = new Set<string>()
  for (let i = 0; i < 5000; i++) tokens.add(newTag())
  t.equal(tokens.size, 5000)
  t.equal(randomToken(3).length, 6)
  t.equal(statelessTag('a'), statelessTag('a'))
  t.not(statelessTag('a'), statelessTag('b'))
})
