import { createHash } from 'node:crypto'
import type { PasswordHashes } from '../store/types.js'

/** What is kept of an account's password: H(username:realm:password) in UTF-8 (RFC 7616 §3.4.2), hex. */
export function digestHashes(username: string, realm: string, password: string): PasswordHashes {
  const secret = `${username}:${realm}:${password}`
  return {
    ha1Md5: createHash('md5').update(secret).digest('hex'),
    ha1Sha256: createHash('sha256').update(secret).digest('hex'),
  }
}
