import { access, constants, mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Makes DATA_DIR if it isn't there. Rejects with one line that says why it can't be written to. */
export async function makeDataDirectory(dataDir: string): Promise<void> {
  try {
    await makeDirectory(dataDir)
    await access(dataDir, constants.W_OK | constants.X_OK)
  } catch (error) {
    // `EROFS: read-only file system, mkdir '/…'`
    const [reason] = (error as Error).message.split(', ')
    throw new Error(`DATA_DIR: ${dataDir} can't be written to (${reason})`, { cause: error })
  }
}

/**
 * Makes a directory and those above it that are missing. Node's recursive mkdir never ends below /proc, and reports a
 * read-only file system as a missing directory.
 */
async function makeDirectory(path: string): Promise<void> {
  const exists = (directory: string) =>
    access(directory).then(
      () => true,
      () => false,
    )
  if (await exists(path)) return
  if (!(await exists(dirname(path)))) await makeDirectory(dirname(path))
  // Others may pass through but not look around: PostgreSQL may have to run as another user.
  await mkdir(path, { mode: 0o711 }).catch((error: NodeJS.ErrnoException) => {
    // Another start may have been first.
    if (error.code !== 'EEXIST') throw error
  })
}
