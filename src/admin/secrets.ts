/** Random secrets of this API and what is stored of them: only a hash, which needs no salt since they have 256 random bits. */
import { createHash, randomBytes, randomInt, timingSafeEqual } from 'node:crypto'

/** A new API token. The prefix lets secret scanners find one that was published by mistake. */
export const newApiToken = () => `pl_${randomBytes(32).toString('base64url')}`

export const newSessionToken = () => randomBytes(32).toString('base64url')

/**
 * The CSRF token of a session is derived from its secret, so that a reloaded page can ask for it again and nothing more
 * has to be kept. Who knows only this one can not get back to the secret.
 */
export const csrfTokenOf = (sessionToken: string) =>
  createHash('sha256').update(`csrf:${sessionToken}`).digest('base64url')

/** SHA-256, hex: the form in which tokens are stored and looked up. */
export const hashOf = (secret: string) => createHash('sha256').update(secret).digest('hex')

/** Compares a secret with a stored hash in constant time. */
export function matches(secret: string, hash: string): boolean {
  const a = Buffer.from(hashOf(secret))
  const b = Buffer.from(hash)
  return a.length === b.length && timingSafeEqual(a, b)
}

/** Without letters and digits that look alike. */
const READABLE = 'abcdefghjkmnpqrstuvwxyz23456789'

/** A password to be read and typed once: four groups of five characters, 99 bits. */
export function readablePassword(): string {
  const group = () => Array.from({ length: 5 }, () => READABLE[randomInt(READABLE.length)]).join('')
  return Array.from({ length: 4 }, group).join('-')
}
