/** Tones: made for a phone to play, and found again in what another one recorded. */

export interface Recording {
  /** Samples per second. */
  rate: number
  /** -1 to 1. */
  samples: Float64Array
}

/** Length of the stretches that are looked at one by one, in seconds. */
const stretch = 0.05
/** Quieter than this (root mean square, -40 dB of full scale) is silence. */
const silence = 0.01
/** Part of a stretch's energy that has to lie on the tone: 10 dB above all the rest together. */
const purity = 0.91

/** A sine tone at half of full scale as a WAV file (16 bit, mono). */
export const toneFile = (hz: number, seconds: number, rate = 8000): Buffer => {
  const samples = new Float64Array(seconds * rate).map(
    (_, n) => 0.5 * Math.sin((2 * Math.PI * hz * n) / rate),
  )
  return wavFile({ rate, samples })
}

/** A recording as a WAV file (16 bit, mono). */
export const wavFile = ({ rate, samples }: Recording): Buffer => {
  const file = Buffer.alloc(44 + samples.length * 2)
  file.write('RIFF', 0, 'latin1')
  file.writeUInt32LE(36 + samples.length * 2, 4)
  file.write('WAVEfmt ', 8, 'latin1')
  file.writeUInt32LE(16, 16)
  file.writeUInt16LE(1, 20)
  file.writeUInt16LE(1, 22)
  file.writeUInt32LE(rate, 24)
  file.writeUInt32LE(rate * 2, 28)
  file.writeUInt16LE(2, 32)
  file.writeUInt16LE(16, 34)
  file.write('data', 36, 'latin1')
  file.writeUInt32LE(samples.length * 2, 40)
  samples.forEach((sample, n) => file.writeInt16LE(Math.round(sample * 32767), 44 + n * 2))
  return file
}

/**
 * Reads a WAV file of 16 bit mono. The length of its data is taken from the file's own: a recording in progress has
 * not written it into its header yet.
 * @throws Error for another format
 */
export const readWav = (file: Buffer): Recording => {
  if (
    file.toString('latin1', 0, 4) !== 'RIFF' ||
    file.readUInt16LE(22) !== 1 ||
    file.readUInt16LE(34) !== 16
  ) {
    throw new Error('not a WAV file of 16 bit mono')
  }
  const start = file.indexOf('data', 12, 'latin1') + 8
  const samples = new Float64Array(Math.floor((file.length - start) / 2))
  for (let n = 0; n < samples.length; n++) samples[n] = file.readInt16LE(start + n * 2) / 32768
  return { rate: file.readUInt32LE(24), samples }
}

/** Energy at one frequency by Goertzel's recurrence, scaled so that a pure tone gives the sum of its squares. */
const energyAt = (samples: Float64Array, hz: number, rate: number): number => {
  const c = 2 * Math.cos((2 * Math.PI * hz) / rate)
  let s1 = 0
  let s2 = 0
  for (const sample of samples) [s1, s2] = [sample + c * s1 - s2, s1]
  return (2 * (s1 * s1 + s2 * s2 - c * s1 * s2)) / samples.length
}

/**
 * How much of a recording is this tone, from 0 to 1: the share of its stretches of 50 ms that are loud enough and
 * have nearly all their energy at `hz`. Multiples of 20 Hz, please, so that whole periods fill a stretch.
 */
export const toneShare = ({ rate, samples }: Recording, hz: number): number => {
  const size = Math.round(stretch * rate)
  const stretches = Math.floor(samples.length / size)
  let found = 0
  for (let n = 0; n < stretches; n++) {
    const part = samples.subarray(n * size, (n + 1) * size)
    const energy = part.reduce((sum, sample) => sum + sample * sample, 0)
    if (Math.sqrt(energy / size) >= silence && energyAt(part, hz, rate) >= purity * energy) found++
  }
  return stretches === 0 ? 0 : found / stretches
}
