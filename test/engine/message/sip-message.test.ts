import t from 'tap'
import { SipRequest, SipResponse } from '../../../src/engine/message/sip-message.js'
import { bytesOf, optionsLines, parseRequest } from './messages.js'

function request(...lines: string[]): SipRequest {
  return parseRequest(bytesOf([...optionsLines, ...lines]))
}

function names(message: SipRequest): string {
  return message.headers.map((header) => header.label).join(' ')
}

t.test('lines and values of a header', async (t) => {
  const message = request('Supported: a, b', 'k: c', 'Supported:')
  t.equal(message.get('supported'), 'a, b')
  t.strictSame(message.lines('supported'), ['a, b', 'c', ''])
  t.strictSame(message.values('supported'), ['a', 'b', 'c'])
  t.equal(message.get('absent'), undefined)
  t.strictSame(message.values('absent'), [])
})

t.test('values are not split at commas in quotes and in <>', async (t) => {
  const message = request('Contact: "a, \\", b" <sip:a,b@c>;x="1,2" , <sip:d@e>')
  t.strictSame(message.values('contact'), ['"a, \\", b" <sip:a,b@c>;x="1,2"', '<sip:d@e>'])
  message.set('warning', '"a","b","c')
  t.strictSame(message.values('warning'), ['"a"', '"b"', '"c'])
})

t.test('set replaces all lines at the place of the first, and keeps its label', async (t) => {
  const message = request('k: a', 'Subject: x', 'Supported: b')
  message.set('supported', 'c')
  t.equal(names(message), 'Via Max-Forwards To From Call-ID CSeq k Subject')
  t.strictSame(message.lines('supported'), ['c'])
  message.set('supported', 'd', 'Supported')
  t.equal(message.headers[6]?.label, 'Supported')
  message.set('www-authenticate', 'x')
  t.equal(message.headers.at(-1)?.label, 'WWW-Authenticate')
})

t.test('append and prepend find the place beside lines of their name', async (t) => {
  const message = request('Route: <sip:a>', 'Subject: x')
  message.append('route', '<sip:b>')
  message.prepend('route', '<sip:c>')
  t.strictSame(message.values('route'), ['<sip:c>', '<sip:a>', '<sip:b>'])
  message.append('x-new', '1')
  message.prepend('record-route', '<sip:d>')
  t.equal(
    names(message),
    'Record-Route Via Max-Forwards To From Call-ID CSeq Route Route Route Subject X-New',
  )
})

t.test('remove takes all lines and says whether there were any', async (t) => {
  const message = request('k: a', 'Supported: b')
  t.equal(message.remove('supported'), true)
  t.equal(message.remove('supported'), false)
  t.equal(message.get('supported'), undefined)
})

t.test('the topmost value is shifted, line by line', async (t) => {
  const message = request('Route: <sip:a,b@x> , <sip:c>', 'Route: <sip:d>')
  t.equal(message.shiftValue('route'), '<sip:a,b@x>')
  t.equal(message.get('route'), '<sip:c>')
  t.equal(message.shiftValue('route'), '<sip:c>')
  t.equal(message.shiftValue('route'), '<sip:d>')
  t.equal(message.shiftValue('route'), undefined)
})

t.test('the topmost value is replaced, and the rest of its line stays', async (t) => {
  const message = request('Route: <sip:a>, <sip:b>')
  message.replaceFirstValue('route', '<sip:c>')
  t.equal(message.get('route'), '<sip:c>, <sip:b>')
  message.replaceFirstValue('path', '<sip:p>')
  t.equal(message.get('path'), '<sip:p>')
})

t.test('parsed views are exact after every kind of change', async (t) => {
  const message = request()
  t.equal(message.via.branch, 'z9hG4bK77asjd')
  t.equal(message.via, message.via, 'cached')
  t.equal(message.toTag, undefined)
  message.set('to', '<sip:x@y>;tag=first')
  t.equal(message.toTag, 'first')
  message.prepend('via', 'SIP/2.0/TCP h2;branch=z9hG4bKtop')
  t.equal(message.via.branch, 'z9hG4bKtop')
  message.shiftValue('via')
  t.equal(message.via.branch, 'z9hG4bK77asjd')
  for (const header of message.headers) if (header.name === 'to') header.value = '<sip:x@y>;tag=direct'
  t.equal(message.toTag, 'direct')
  message.set('cseq', '7 OPTIONS')
  t.equal(message.cseq.seq, 7)
  message.set('from', '<sip:x@y>')
  t.equal(message.fromTag, undefined)
  message.remove('via')
  t.equal(message.peekVia(), undefined)
  t.throws(() => message.via, /without a valid Via/)
  message.remove('cseq')
  t.throws(() => message.cseq, /without a valid CSeq/)
})

t.test('a clone has its own lines and shares the body', async (t) => {
  const message = request('Content-Length: 0')
  const copy = message.clone()
  copy.prepend('via', 'SIP/2.0/TCP h2;branch=z9hG4bKtop')
  copy.shiftValue('to')
  copy.uri = 'sip:elsewhere'
  const first = copy.headers[1]
  if (first !== undefined) first.value = 'changed'
  t.strictSame(message.serialize(), request('Content-Length: 0').serialize())
  t.equal(copy.body, message.body)
})

t.test('Content-Length is recomputed at its place, once, under its label', async (t) => {
  const message = request('l: 0', 'Subject: x', 'Content-Length: 0')
  message.body = Buffer.from('gr\xfc\xdfe', 'latin1')
  const text = message.serialize().toString('latin1')
  t.ok(text.endsWith('\r\nl: 5\r\nSubject: x\r\n\r\ngr\xfc\xdfe'))
  message.remove('content-length')
  t.ok(message.serialize().toString('latin1').endsWith('Subject: x\r\nContent-Length: 5\r\n\r\ngr\xfc\xdfe'))
})

t.test('no value can start a line of its own, and none loses bits', async (t) => {
  const message = new SipRequest('OPTIONS', 'sip:a')
  message.set('subject', 'a\r\nX-Evil: 1')
  message.append('subject', 'b\nX-Evil: 1')
  message.replaceFirstValue('path', 'c\rX-Evil: \u010a')
  t.equal(
    new SipRequest('A', 'sip:\u20ac').serialize().toString('utf8'),
    'A sip:\u20ac SIP/2.0\r\nContent-Length: 0\r\n\r\n',
  )
  const response = new SipResponse(400, 'Bad\r\nX-Evil: 1', message.headers)
  t.equal(
    response.serialize().toString('latin1'),
    'SIP/2.0 400 Bad X-Evil: 1\r\nSubject: a X-Evil: 1\r\nSubject: b X-Evil: 1\r\nPath: c X-Evil: \xc4\x8a\r\nContent-Length: 0\r\n\r\n',
  )
})
