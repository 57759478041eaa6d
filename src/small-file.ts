/**
 * Reads what an operator has put down for us, and is not held up by it: a pipe in its place, a file of any size, or a
 * share that hangs.
 */
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'

const maxBytes = 1024 * 1024
/** How long a file may take, ms. */
const defaultPatienceMs = 5000

/** Reads that have not ended, by file. A read that hangs can't be ended: it keeps one of node's few threads for files. */
const running = new Map<string, Promise<string>>()

/**
 * The text of a regular file of at most 1 MB; symbolic links are followed. Rejects with the system's error, or one that
 * says what is wrong with the file. Where an earlier read of the file still hangs, that one is waited for: each new one
 * would hold up another thread.
 */
export async function readSmallFile(
  file: string,
  patienceMs = defaultPatienceMs,
  read: (file: string) => Promise<string> = readRegular,
): Promise<string> {
  let work = running.get(file)
  if (!work) {
    work = read(file).finally(() => running.delete(file))
    running.set(file, work)
  }
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const refuse = (): void => reject(new Error(`it could not be read within ${patienceMs} ms`))
    timer = setTimeout(refuse, patienceMs)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}

/** Whether a read hangs now. Node's orderly exit would wait for it. */
export function someReadHangs(): boolean {
  return running.size > 0
}

async function readRegular(file: string): Promise<string> {
  // To open a pipe waits for whoever writes into it, unless one doesn't want to wait; for files it makes no difference.
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    if (!(await handle.stat()).isFile()) throw new Error('it is no regular file')
    const chunks: Buffer[] = []
    // Up to and including this position, so one byte more than allowed.
    for await (const chunk of handle.createReadStream({ end: maxBytes, autoClose: false })) {
      chunks.push(chunk as Buffer)
    }
    const bytes = Buffer.concat(chunks)
    if (bytes.length > maxBytes) throw new Error(`it is larger than ${maxBytes} bytes`)
    return bytes.toString('utf8')
  } finally {
    await handle.close()
  }
}
