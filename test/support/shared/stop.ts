/** tap runs this after the last test: stops the servers that all tests shared, see record.ts. */
import { isAlive, until } from '../tools.js'
import { readShared } from './record.js'

const shared = readShared(process.ppid)
if (shared) {
  process.kill(shared.keeper, 'SIGTERM')
  await until('the shared servers have stopped', async () => !(await isAlive(shared.keeper)))
}
