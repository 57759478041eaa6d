/**
 * Keeps the server that a run of tap shares (see shared-server.ts) until tap has ended, in whatever way. Arguments: the
 * process id of tap, and the kind of server.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ServerKind } from './postgres.js'
import { becomeKeeper, recordServer, removeRecord } from './shared-server.js'
import { isAlive } from './tools.js'

/** Milliseconds between looks at tap. */
const pollInterval = 250

const runner = Number(process.argv[2])
const kind = process.argv[3] as ServerKind

if (await becomeKeeper(runner, kind)) {
  // Several test processes ask at once at the start of a run; those that come too late have loaded nothing.
  const { startServer } = await import('./postgres.js')
  const server = await startServer(kind).catch(() => undefined)
  await recordServer(runner, kind, server?.address ?? null)
  while (await isAlive(runner)) await sleep(pollInterval)
  await removeRecord(runner, kind)
  await server?.stop()
}
