/**
 * `npm run fuzz [-- --seconds N --seed S]`: breaks messages for so long (default: 60 s, a seed of the clock's).
 * `npm run fuzz -- --replay FILE`: sends a find again. Exit code 1 if anything is found.
 */
import { parseArgs } from 'node:util'
import { replay, describe } from './finds.js'
import { fuzz } from './fuzz.js'

const { values } = parseArgs({
  options: { seconds: { type: 'string' }, seed: { type: 'string' }, replay: { type: 'string' } },
})
const log = (line: string): void => void process.stdout.write(`${line}\n`)
// drachtio-srf reports on the console what an application threw; what matters is looked at here.
console.log = console.error = () => {}

if (values.replay !== undefined) {
  const error = await replay(values.replay)
  log(error ? `FOUND: ${describe(error)}` : 'nothing found')
  process.exitCode = error ? 1 : 0
} else {
  const seed = Number(values.seed ?? Date.now() % 1_000_000)
  const seconds = Number(values.seconds ?? 60)
  if (!Number.isInteger(seed) || !(seconds > 0)) throw new Error('--seed and --seconds must be numbers')
  process.exitCode = (await fuzz({ seconds, seed, log })) ? 0 : 1
}
