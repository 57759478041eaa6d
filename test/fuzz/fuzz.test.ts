/** The fuzzer itself runs, and finds nothing in its first rounds; `npm run fuzz` runs it for longer. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { parserError } from './finds.js'
import { minimise } from './minimise.js'
import { Random } from './random.js'

t.test('a short run with a fixed seed finds nothing', async (t) => {
  const main = fileURLToPath(new URL('./main.js', import.meta.url))
  // A process of its own: what nobody catches there is a find, and here the end of the test.
  const run = promisify(execFile)(process.execPath, [main, '--seconds', '2', '--seed', '1'])
  const { stdout } = await run.catch((error: { stdout: string }) => error)
  t.match(stdout, /messages parsed, \d+ sent to the engine/)
  t.notMatch(stdout, 'FOUND')
})

t.test('what makes the parser fail is made as small as it can be', async (t) => {
  const fails = (items: readonly number[]): boolean => items.includes(3) && items.includes(7)
  t.strictSame(await minimise([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], fails, () => true), [3, 7])
  t.equal(parserError(Buffer.from('OPTIONS sip:a@b SIP/2.0\r\n\r\n')), undefined)
})

t.test('the same seed gives the same numbers', async (t) => {
  const [one, two] = [new Random(5), new Random(5)]
  for (let left = 10; left > 0; left--) t.equal(one.next(), two.next())
  t.not(new Random(6).next(), new Random(5).next())
})
