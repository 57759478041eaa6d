/** tap runs this before the first test: starts the servers that all tests share, see record.ts. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { until } from '../tools.js'
import { readShared } from './record.js'

const runner = process.ppid
const program = fileURLToPath(new URL('keep.js', import.meta.url))
const keeper = spawn(process.execPath, [program, String(runner)], {
  detached: true,
  stdio: ['ignore', 'ignore', 'pipe'],
})
keeper.unref()
let said = ''
keeper.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
await until('the shared servers run', () => readShared(runner) ?? keeper.exitCode !== null, 60_000)
keeper.stderr.destroy()
// Not the end of the run: each test starts a server of its own then, and tells why it can't.
if (keeper.exitCode !== null) console.error(`# no shared database servers: ${said}`)
