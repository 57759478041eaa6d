/** Keeps the servers that a run of tap shares (see record.ts): argument 1 is the process id of tap. */
import { databaseKinds } from '../kinds.js'
import { startServer } from '../postgres.js'
import { isAlive } from '../tools.js'
import { removeShared, writeShared } from './record.js'

/** Milliseconds between looks at tap: a run that is killed leaves the servers behind for no longer. */
const pollInterval = 500

const runner = Number(process.argv[2])
const kinds = databaseKinds.filter((kind) => kind !== 'url')
const servers = await Promise.all(kinds.map(async (kind) => ({ kind, ...(await startServer(kind)) })))

async function end(): Promise<void> {
  clearInterval(watch)
  await Promise.all(servers.map(({ stop }) => stop()))
  await removeShared(runner)
}

let ending: Promise<void> | undefined
const watch = setInterval(() => {
  void isAlive(runner).then((alive) => {
    if (!alive) ending ??= end()
  })
}, pollInterval)
process.on('SIGTERM', () => (ending ??= end()))
// Ctrl-C goes to tap, and with it we end.
process.on('SIGINT', () => {})
await writeShared(runner, {
  keeper: process.pid,
  servers: Object.fromEntries(servers.map(({ kind, address }) => [kind, address])),
})
