import assert from 'node:assert/strict'
import t from 'tap'
import fc from 'fast-check'
import { StreamFramer, type FramerEvent } from '../../../src/engine/message/stream-framer.js'
import { bytesOf, limits, options, optionsLines } from './messages.js'

function message(body: string, subject = 'x'): Buffer {
  return options({ '+': `Subject: ${subject}\r\nContent-Length: ${body.length}` }, body)
}

function describe(event: FramerEvent): string {
  switch (event.kind) {
    case 'ping':
      return 'ping'
    case 'message':
      return `message ${event.message.get('subject')} ${event.message.body.toString('latin1')}`
    case 'reject':
      return `${event.status} ${event.reason}`
    default:
      return `${event.kind} ${event.reason}`
  }
}

/** Events of a stream that is cut before these positions. */
function frame(stream: Buffer, cuts: readonly number[], bounds = limits): string[] {
  const framer = new StreamFramer(bounds)
  const events: string[] = []
  let from = 0
  for (const to of [...cuts, stream.length]) {
    // A copy of its own, changed afterwards nowhere: as a socket delivers it.
    events.push(...framer.push(Buffer.from(stream.subarray(from, to))).map(describe))
    from = to
  }
  return events
}

function bytewise(stream: Buffer): number[] {
  return Array.from(stream.keys()).slice(1)
}

const crlf = Buffer.from('\r\n')
const ping = Buffer.from('\r\n\r\n')

t.test('several messages and keep-alives in one chunk come out in order', async (t) => {
  const stream = Buffer.concat([ping, message('one'), crlf, message(''), ping, ping, crlf, message('three')])
  t.strictSame(frame(stream, []), ['ping', 'message x one', 'message x ', 'ping', 'ping', 'message x three'])
})

t.test('bodies may hold anything, an empty line included, and are exact', async (t) => {
  t.strictSame(frame(Buffer.concat([message('\r\n\r\n'), message('a\r\n\r\nOPTIONS')]), []), [
    'message x \r\n\r\n',
    'message x a\r\n\r\nOPTIONS',
  ])
})

t.test('an event comes with the chunk that completes it, and no later', async (t) => {
  const framer = new StreamFramer(limits)
  const bytes = message('body')
  t.strictSame(framer.push(bytes.subarray(0, -1)), [])
  t.equal(framer.incomplete, true)
  t.strictSame(framer.push(bytes.subarray(-1)).map(describe), ['message x body'])
  t.equal(framer.incomplete, false)
})

t.test('a half received keep-alive is no half received message', async (t) => {
  const framer = new StreamFramer(limits)
  for (const char of '\r\n\r') t.strictSame(framer.push(Buffer.from(char)), [])
  t.equal(framer.incomplete, false)
  t.strictSame(framer.push(Buffer.from('\n')).map(describe), ['ping'])
  framer.push(Buffer.from('\r\nO'))
  t.equal(framer.incomplete, true)
})

t.test('bodies that were handed out do not change when more arrives', async (t) => {
  const framer = new StreamFramer(limits)
  const stream = Buffer.concat([message('first'), message('other'), message('third')])
  const bodies: Buffer[] = []
  for (const byte of stream)
    for (const event of framer.push(Buffer.from([byte])))
      if (event.kind === 'message') bodies.push(event.message.body)
  t.strictSame(bodies.map(String), ['first', 'other', 'third'])
})

t.test('a long stream comes out whole in chunks of any one size', async (t) => {
  const messages = Array.from({ length: 40 }, (_, i) => message('b'.repeat(i * 7), String(i)))
  const stream = Buffer.concat(messages)
  const expected = messages.map((_, i) => `message ${i} ${'b'.repeat(i * 7)}`)
  for (const size of [1, 7, 300, 431, 512, 1000, 1024, 3000, 5000]) {
    const cuts = Array.from({ length: Math.ceil(stream.length / size) - 1 }, (_, i) => (i + 1) * size)
    t.strictSame(frame(stream, cuts), expected, `${size} bytes`)
  }
})

t.test('a lone CR before a message is not skipped', async (t) => {
  t.strictSame(frame(Buffer.concat([Buffer.from('\r'), message('')]), []), [
    '400 Control Character in Start Line',
  ])
})

t.test('an invalid message with a known end is answered, and the stream goes on', async (t) => {
  const invalid = bytesOf([...optionsLines.slice(0, -1), 'CSeq: 1 INVITE', 'Content-Length: 3'], 'abc')
  t.strictSame(frame(Buffer.concat([invalid, message('next')]), []), [
    '400 CSeq Method Does Not Match',
    'message x next',
  ])
})

t.test('a stream whose next message can not be found is given up', async (t) => {
  const cases: [title: string, stream: Buffer, expected: string[]][] = [
    ['no Content-Length', options(), ['400 Missing Content-Length', 'close Missing Content-Length']],
    [
      'negative',
      options({ '+': 'Content-Length: -1' }),
      ['400 Malformed Content-Length', 'close Malformed Content-Length'],
    ],
    [
      'contradicting',
      options({ '+': 'l: 1\r\nContent-Length: 2' }),
      ['400 Contradicting Content-Length', 'close Contradicting Content-Length'],
    ],
    [
      'hidden behind a bare line feed',
      options({ '+': 'Subject: x\nContent-Length: 5' }),
      ['400 Control Character in Header', 'close Control Character in Header'],
    ],
    [
      'larger than a message may be',
      options({ '+': 'Content-Length: 65535' }),
      ['513 Message Too Large', 'close Message Too Large'],
    ],
    [
      'endless header section',
      options({ '+': `Subject: ${'x'.repeat(70000)}` }),
      ['513 Message Too Large', 'close Message Too Large'],
    ],
    ['noise', Buffer.alloc(66000, 'noise'), ['drop Message Too Large', 'close Message Too Large']],
    [
      'HTTP',
      Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
      ['drop Malformed Request Line', 'close Malformed Request Line'],
    ],
  ]
  for (const [title, stream, expected] of cases) {
    t.strictSame(frame(Buffer.concat([stream, message('after')]), []), expected, title)
    const framer = new StreamFramer(limits)
    framer.push(stream)
    t.equal(framer.incomplete, false, title)
    t.strictSame(framer.push(message('after')), [], `${title}: nothing is read afterwards`)
  }
})

t.test('the size limit holds exactly', async (t) => {
  const body = 'b'.repeat(400)
  const bytes = message(body)
  const within = (maxMessageBytes: number) => frame(bytes, [], { ...limits, maxMessageBytes })
  t.strictSame(within(bytes.length), [`message x ${body}`])
  t.strictSame(within(bytes.length - 1), ['513 Message Too Large', 'close Message Too Large'])
  t.strictSame(within(bytes.length - 5), ['513 Message Too Large', 'close Message Too Large'])
})

t.test('how a stream is cut into chunks makes no difference', async (t) => {
  const small = { maxHeaders: 12, maxMessageBytes: 600 }
  const part = fc.oneof(
    fc.constantFrom(
      ping,
      crlf,
      Buffer.from('\r'),
      message(''),
      message('\r\n\r\n'),
      message('body', 'y'.repeat(20)),
      message('b'.repeat(600)),
      options({ '+': 'Content-Length: 0\r\nno colon' }),
      options({ '+': `Subject: ${'z'.repeat(700)}` }),
      options(),
    ),
    fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes)),
  )
  const stream = fc.array(part, { maxLength: 6 }).map((parts) => Buffer.concat(parts))
  fc.assert(
    fc.property(stream, fc.array(fc.nat(3000), { maxLength: 12 }), (stream, cuts) => {
      const whole = frame(stream, [], small)
      const sorted = cuts.map((cut) => cut % (stream.length + 1)).sort((a, b) => a - b)
      assert.deepEqual(frame(stream, sorted, small), whole)
      assert.deepEqual(frame(stream, bytewise(stream), small), whole)
    }),
    { numRuns: 300 },
  )
  t.pass()
})
