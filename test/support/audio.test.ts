import t from 'tap'
import { readWav, toneFile, toneShare, wavFile } from './audio.js'

const rate = 8000
const made = (sample: (n: number) => number) => ({
  rate,
  samples: new Float64Array(2 * rate).map((_, n) => sample(n)),
})
const sine = (hz: number, n: number) => Math.sin((2 * Math.PI * hz * n) / rate)

t.test('a tone is found in its own recording, after a trip through a WAV file', async (t) => {
  t.equal(toneShare(readWav(toneFile(440, 2)), 440), 1)
  t.equal(toneShare(readWav(wavFile(made((n) => 0.1 * sine(1000, n)))), 1000), 1)
})

t.test('another tone is not taken for it, be it close or its octave', async (t) => {
  for (const other of [400, 480, 880, 220, 1000])
    t.equal(toneShare(readWav(toneFile(other, 2)), 440), 0, `${other} Hz`)
})

t.test('silence, a hum too quiet to hear, and noise are no tone', async (t) => {
  let seed = 1
  const noise = () => ((seed = (seed * 48271) % 2147483647) / 2147483647) * 2 - 1
  t.equal(
    toneShare(
      made(() => 0),
      440,
    ),
    0,
  )
  t.equal(
    toneShare(
      made((n) => 0.005 * sine(440, n)),
      440,
    ),
    0,
  )
  t.equal(toneShare(made(noise), 440), 0)
})

t.test('a tone drowned by another one does not count', async (t) => {
  t.equal(
    toneShare(
      made((n) => 0.3 * sine(440, n) + 0.3 * sine(1000, n)),
      440,
    ),
    0,
  )
})

t.test('a tone for half of the time is half found', async (t) => {
  t.equal(
    toneShare(
      made((n) => (n < rate ? sine(440, n) : 0)),
      440,
    ),
    0.5,
  )
})

t.test('nothing recorded is nothing found', async (t) => {
  t.equal(toneShare({ rate, samples: new Float64Array(0) }, 440), 0)
})
