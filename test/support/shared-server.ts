/**
 * A server that one run of tap shares. The first test process that asks for one starts a keeper, which keeps the
 * server for as long as tap runs and records where it is, under the process id of tap, the parent of all test
 * processes. A test that somebody runs without tap has none.
 */
import { spawn } from 'node:child_process'
import { readFile, link, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ServerAddress, ServerKind } from './postgres.js'
import { isAlive, root, until } from './tools.js'

interface Kept {
  /** Its process id. A record of one that has ended counts for nothing. */
  keeper: number
  /** Absent while the server starts, null if it doesn't. */
  server?: ServerAddress | null
}

/** Longer than a start takes on a busy machine, in milliseconds. */
const patience = 60_000

/** Undefined without tap, or if it doesn't start: who starts one alone is told why. */
export async function sharedServer(kind: ServerKind): Promise<ServerAddress | undefined> {
  if (process.env['TAP_CHILD_ID'] === undefined) return undefined
  const runner = process.ppid
  if (!(await readRecord(runner, kind))) startKeeper(runner, kind)
  const server = await until(
    `the shared server (${kind}) runs`,
    async () => (await readRecord(runner, kind))?.server,
    patience,
  )
  return server ?? undefined
}

function startKeeper(runner: number, kind: ServerKind): void {
  const program = fileURLToPath(new URL('shared-server-keeper.js', import.meta.url))
  // A session of its own: neither Ctrl-C nor the end of this test ends it.
  spawn(process.execPath, [program, String(runner), kind], { detached: true, stdio: 'ignore' }).unref()
}

const fileOf = (runner: number, kind: ServerKind) =>
  path.join(root, '.tap', 'servers', `${runner}-${kind}.json`)

async function readRecord(runner: number, kind: ServerKind): Promise<Kept | undefined> {
  const text = await readFile(fileOf(runner, kind), 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const kept = JSON.parse(text) as Kept
  return (await isAlive(kept.keeper)) ? kept : undefined
}

/** Makes this process the keeper; false if there is one. */
export async function becomeKeeper(runner: number, kind: ServerKind): Promise<boolean> {
  const file = fileOf(runner, kind)
  await mkdir(path.dirname(file), { recursive: true })
  if (!(await readRecord(runner, kind))) await rm(file, { force: true })
  const draft = await writeDraft(file, {})
  const first = await link(draft, file).then(
    () => true,
    () => false,
  )
  await rm(draft)
  return first
}

export async function recordServer(
  runner: number,
  kind: ServerKind,
  server: ServerAddress | null,
): Promise<void> {
  const file = fileOf(runner, kind)
  await rename(await writeDraft(file, { server }), file)
}

export async function removeRecord(runner: number, kind: ServerKind): Promise<void> {
  await rm(fileOf(runner, kind), { force: true })
}

/** Under another name first: nobody reads half of it. */
async function writeDraft(file: string, kept: Omit<Kept, 'keeper'>): Promise<string> {
  const draft = `${file}.${process.pid}`
  await writeFile(draft, JSON.stringify({ keeper: process.pid, ...kept } satisfies Kept))
  return draft
}
