/** Unguessable identifiers (RFC 3261 §19.3). */
import { createHmac, randomBytes, randomFillSync } from 'node:crypto'

/** One call into the system's generator serves many tokens; every byte is used once. */
const pool = Buffer.alloc(8192)
let used = pool.length

/** `bytes` random bytes in hexadecimal. */
export function randomToken(bytes: number): string {
  if (used + bytes > pool.length) {
    randomFillSync(pool)
    used = 0
  }
  const token = pool.toString('hex', used, used + bytes)
  used += bytes
  return token
}

/** From or To tag, 64 random bits (§19.3 asks for 32). */
export function newTag(): string {
  return randomToken(8)
}

const key = randomBytes(32)

/** The same tag for the same text as long as the process lives: for responses of a stateless UAS (§8.2.7). */
export function statelessTag(text: string): string {
  return createHmac('sha1', key).update(text, 'latin1').digest('hex').slice(0, 16)
}
