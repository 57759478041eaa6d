import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { platform } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

/** Milliseconds: longer than a first start takes. Then we go on all the same, since anybody may hold such a name. */
const patience = 20_000
const pollInterval = 20

/**
 * Lets one start at a time pass on one data directory: two at once would each take the other's server for one that was
 * left behind, and stop it. Resolves to what ends the turn. Whose the directory is, the lock in the cluster decides.
 *
 * The turn is a name in Linux' abstract namespace of sockets: it goes with the process, however that ends. Elsewhere
 * starts are not kept apart.
 */
export async function takeTurn(dataDir: string): Promise<() => void> {
  if (platform() !== 'linux') return () => {}
  const { dev, ino } = await stat(dataDir)
  const name = `\0privateline-start-${dev}-${ino}`
  const deadline = Date.now() + patience
  for (;;) {
    const server = createServer((socket) => socket.destroy())
    server.listen(name)
    try {
      await once(server, 'listening')
      server.unref()
      return () => void server.close()
    } catch {
      if (Date.now() > deadline) return () => {}
      await sleep(pollInterval)
    }
  }
}
