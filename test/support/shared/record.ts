/**
 * The servers that one run of tap shares: before the first test `start` starts `keep`, which keeps them and records
 * here where they are, under the process id of tap, the parent of all test processes. A test that somebody runs alone
 * has another parent, finds nothing, and starts a server of its own.
 */
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { ServerAddress, ServerKind } from '../postgres.js'
import { root } from '../tools.js'

export interface SharedServers {
  /** The process that keeps them; SIGTERM ends it, and them. */
  keeper: number
  servers: Partial<Record<ServerKind, ServerAddress>>
}

const fileOf = (runner: number) => path.join(root, '.tap', `servers-${runner}.json`)

/** Undefined if there are none; one that nobody keeps any more, or whose server is gone, was left by a killed run. */
export function readShared(runner: number): SharedServers | undefined {
  try {
    const shared = JSON.parse(readFileSync(fileOf(runner), 'utf8')) as SharedServers
    process.kill(shared.keeper, 0)
    const sockets = Object.values(shared.servers).map(({ host, port }) => `${host}/.s.PGSQL.${port}`)
    return sockets.every((socket) => existsSync(socket)) ? shared : undefined
  } catch {
    return undefined
  }
}

/** Nobody reads half of it. */
export async function writeShared(runner: number, shared: SharedServers): Promise<void> {
  const file = fileOf(runner)
  await mkdir(path.dirname(file), { recursive: true })
  await writeFile(`${file}.new`, JSON.stringify(shared))
  await rename(`${file}.new`, file)
}

export async function removeShared(runner: number): Promise<void> {
  await rm(fileOf(runner), { force: true })
}
