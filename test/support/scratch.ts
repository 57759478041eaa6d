import { accessSync, readFileSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'

/**
 * Where tests put databases: a database is hundreds of files, and making them on a disk takes several times as long as
 * in memory. Memory only where it's plenty (Docker gives 64 MB) and programs may lie there, as some tests need.
 */
export const scratch: string = isRoomy('/dev/shm') ? '/dev/shm' : tmpdir()

function isRoomy(directory: string): boolean {
  try {
    accessSync(directory)
    const { bavail, bsize } = statfsSync(directory)
    const mount = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .find((line) => line.split(' ')[1] === directory)
    return bavail * bsize > 2 ** 31 && mount !== undefined && !/\bnoexec\b|\bro\b/.test(mount)
  } catch {
    return false
  }
}
