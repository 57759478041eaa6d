import { execFile, spawn } from 'node:child_process'
import type { ChildProcess, SpawnOptions } from 'node:child_process'
import { chmod, chown, cp, lchown, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { binariesIn, otherwise } from './binaries.js'
import type { Binaries } from './binaries.js'
import { reasonIn } from './said.js'

/** As whom PostgreSQL runs, which refuses to be root, and how that is brought about. */
export interface Identity {
  /** What stands before the program. */
  prefix: readonly string[]
  /** Another user than our own. */
  user?: { uid: number; gid: number }
}

/** How PostgreSQL is run: its programs, the identity and the version. */
export interface Runtime {
  binaries: Binaries
  identity: Identity
  /** As in `17.10`. */
  version: string
  major: number
}

/** Nothing of our own environment reaches PostgreSQL: its PG… and locale variables would change what it does. */
const environment = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
  TZ: 'UTC',
}

/** Users that PostgreSQL may be run as where root can't take another identity for itself. */
const ordinaryUsers = ['privateline', 'postgres', 'nobody']

export function spawnAs(
  identity: Identity,
  program: string,
  args: string[],
  options: SpawnOptions,
): ChildProcess {
  const [file, ...rest] = [...identity.prefix, program, ...args] as [string, ...string[]]
  return spawn(file, rest, { cwd: '/', env: environment, ...identity.user, ...options })
}

/** Runs a program to its end; rejects with the line that tells why. */
export async function runAs(identity: Identity, program: string, args: string[]): Promise<string> {
  const [file, ...rest] = [...identity.prefix, program, ...args] as [string, ...string[]]
  return new Promise((resolve, reject) => {
    execFile(file, rest, { cwd: '/', env: environment, ...identity.user }, (error, stdout, stderr) => {
      if (!error) return resolve(stdout)
      reject(new Error(reasonIn(stderr) ?? error.message, { cause: error }))
    })
  })
}

/**
 * Finds out as whom PostgreSQL can run here, with its data in `cluster` below `dataDir`. Rejects with one line that
 * says what to do. `unshare`: the program of that name.
 */
export async function findRuntime(
  binaries: Binaries,
  dataDir: string,
  cluster: string,
  unshare = 'unshare',
): Promise<Runtime> {
  if (currentUid() !== 0) return tryOut(binaries, { prefix: [] })
  const owner = await stat(cluster).catch(() => undefined)
  // Made under another user before: it stays with that user.
  if (owner && owner.uid !== 0) return asUser(binaries, dataDir, owner.uid, owner.gid)
  // A user namespace of its own: the program sees another user id, while its files stay root's.
  const namespace: Identity = { prefix: [unshare, '--user'] }
  const permitted = await runAs(namespace, 'true', []).then(
    () => true,
    () => false,
  )
  if (permitted) return tryOut(binaries, namespace)

  const user = await findUser()
  if (!user) {
    throw new Error(
      `the embedded database can't run as root, and neither \`unshare --user\` is permitted nor is there a user ` +
        `${ordinaryUsers.join(', ')}: run Privateline as another user than root, ${otherwise}`,
    )
  }
  const runtime = await asUser(binaries, dataDir, user.uid, user.gid)
  if (owner) await giveTo(cluster, user)
  return runtime
}

async function asUser(binaries: Binaries, dataDir: string, uid: number, gid: number): Promise<Runtime> {
  const identity: Identity = { prefix: [], user: { uid, gid } }
  await runAs(identity, 'sh', ['-c', 'cd "$0"', dataDir]).catch(() => {
    throw new Error(
      `DATA_DIR: the embedded database can't run as root, and user ${uid}, as whom it would, can't enter ${dataDir}: ` +
        `choose another directory, run Privateline as another user than root, ${otherwise}`,
    )
  })
  return tryOut(await reachableBinaries(binaries, dataDir, identity), identity)
}

/** The programs may stand where only root can go, such as below /root: then a copy stands beside the data. */
async function reachableBinaries(binaries: Binaries, dataDir: string, identity: Identity): Promise<Binaries> {
  const reachable = await runAs(identity, 'test', ['-x', binaries.postgres]).then(
    () => true,
    () => false,
  )
  if (reachable) return binaries
  const { version } = await tryOut(binaries, { prefix: [] })
  const copy = binariesIn(join(dataDir, `postgres-${version}`))
  if (await isDirectory(copy.root)) return copy
  const draft = await mkdtemp(`${copy.root}.new-`)
  await cp(binaries.root, draft, { recursive: true, verbatimSymlinks: true })
  await chmod(draft, 0o755)
  // Another start may have been first; its copy is as good.
  await rename(draft, copy.root).catch(() => rm(draft, { recursive: true, force: true }))
  return copy
}

const isDirectory = (path: string) =>
  stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  )

/** Loader errors (another C library, a missing one) show up here. */
async function tryOut(binaries: Binaries, identity: Identity): Promise<Runtime> {
  const answer = await runAs(identity, binaries.postgres, ['--version']).catch((error: Error) => {
    throw new Error(
      `the embedded database can't run on this system (${error.message}): ` +
        `it needs glibc and the libraries of a usual Linux or macOS; install what is missing, ${otherwise}`,
      { cause: error },
    )
  })
  const version = /\d[\w.]*/.exec(answer)?.[0] ?? ''
  return { binaries, identity, version, major: Number.parseInt(version, 10) }
}

function currentUid(): number | undefined {
  try {
    return userInfo().uid
  } catch {
    return undefined // A user id without an entry in the list of users; root has one.
  }
}

async function findUser(): Promise<{ uid: number; gid: number } | undefined> {
  const lines = (await readFile('/etc/passwd', 'utf8').catch(() => ''))
    .split('\n')
    .map((line) => line.split(':'))
  for (const name of ordinaryUsers) {
    const line = lines.find(([user]) => user === name)
    if (line) return { uid: Number(line[2]), gid: Number(line[3]) }
  }
  return undefined
}

/** Gives a directory that we made, and all in it, to the user as whom PostgreSQL runs. */
export async function giveTo(
  directory: string,
  user: { uid: number; gid: number } | undefined,
): Promise<void> {
  if (!user) return
  await chown(directory, user.uid, user.gid)
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) await giveTo(path, user)
    else await lchown(path, user.uid, user.gid)
  }
}
