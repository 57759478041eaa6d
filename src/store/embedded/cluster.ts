import { mkdir, mkdtemp, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { giveTo, runAs } from './identity.js'
import type { Runtime } from './identity.js'

/** The superuser of the embedded cluster. Who may reach the socket is decided by its directory. */
export const superuser = 'privateline'

/** A cluster under construction that is older than this belongs to a start that was killed, in milliseconds. */
const abandonedAfter = 10 * 60_000

/**
 * Makes sure that `cluster` is a PostgreSQL cluster of our version. It is made under another name and renamed when it
 * is complete, so under its own name it is never half-made, and nothing here ever deletes one. `durable`: whether it
 * has to outlive a power failure.
 */
export async function ensureCluster(cluster: string, runtime: Runtime, durable: boolean): Promise<void> {
  await removeAbandoned(cluster)
  if (await isComplete(cluster, runtime)) return
  const draft = await mkdtemp(`${cluster}.new-`)
  try {
    await giveTo(draft, runtime.identity.user)
    await runAs(runtime.identity, runtime.binaries.initdb, [
      ...['--pgdata', draft, '--username', superuser, '--encoding', 'UTF8', '--no-instructions'],
      ...localeArguments(runtime.major),
      // The socket stands in a directory that only we can enter.
      ...['--auth', 'trust'],
      ...(durable ? [] : ['--no-sync']),
    ])
    await rename(draft, cluster)
    await syncDirectory(dirname(cluster))
  } catch (error) {
    // Another start may have been first.
    if (await isComplete(cluster, runtime)) return
    throw new Error(`DATA_DIR: the database could not be set up in ${cluster}: ${(error as Error).message}`, {
      cause: error,
    })
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

/** Sorts and compares alike on every machine, and knows the letters of all languages. */
const localeArguments = (major: number) =>
  major < 17
    ? ['--locale', 'C.UTF-8']
    : ['--locale', 'C', '--locale-provider', 'builtin', '--builtin-locale', 'C.UTF-8']

async function isComplete(cluster: string, { major }: Runtime): Promise<boolean> {
  const entries = await readdir(cluster).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw new Error(`DATA_DIR: ${cluster} can't be read (${error.code})`, { cause: error })
  })
  if (entries.length === 0) return false
  const version = await readFile(join(cluster, 'PG_VERSION'), 'utf8').catch(() => undefined)
  if (version === undefined) {
    throw new Error(`DATA_DIR: ${cluster} holds files but no database; move it away, and a new one is made`)
  }
  if (Number(version) !== major) {
    throw new Error(
      `DATA_DIR: ${cluster} was written by PostgreSQL ${version.trim()}, and this version of Privateline brings ` +
        `PostgreSQL ${major}, which can't read it: dump it with the version that wrote it, and restore it here`,
    )
  }
  return true
}

async function removeAbandoned(cluster: string): Promise<void> {
  await mkdir(dirname(cluster), { recursive: true })
  for (const name of await readdir(dirname(cluster))) {
    if (!name.startsWith(`${basename(cluster)}.new-`)) continue
    const draft = join(dirname(cluster), name)
    const age = Date.now() - ((await stat(draft).catch(() => undefined))?.mtimeMs ?? Date.now())
    if (age > abandonedAfter) await rm(draft, { recursive: true, force: true })
  }
}

/** A rename outlives a power failure once its directory is written. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
