import t from 'tap'
import fc from 'fast-check'
import { FrameError, FrameReader, frame } from '../../../src/engine/control/frames.js'

t.test('frames come out whole whatever the chunks are', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 8 }),
      fc.integer({ min: 1, max: 17 }),
      (bodies, chunk) => {
        const texts = bodies.map((body) => Buffer.from(body).toString('latin1'))
        const stream = Buffer.from(texts.map(frame).join(''), 'latin1')
        const reader = new FrameReader(1000)
        const got: string[] = []
        for (let at = 0; at < stream.length; at += chunk)
          got.push(...reader.push(stream.subarray(at, at + chunk)))
        return JSON.stringify(got) === JSON.stringify(texts)
      },
    ),
  )
})

t.test('a stream that is no frame is an error, not a wait', async (t) => {
  t.throws(() => new FrameReader(1000).push(Buffer.from('GET / HTTP/1.1\r\n')), FrameError)
  t.throws(() => new FrameReader(1000).push(Buffer.from('-5#hello')), FrameError)
  t.throws(() => new FrameReader(1000).push(Buffer.from('1001#')), FrameError)
  t.throws(() => new FrameReader(1000).push(Buffer.from('12345678901234')), FrameError)
})
