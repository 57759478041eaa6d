/**
 * Nonces that need no memory: each carries when and by whom it was made, and a keyed hash over it.
 *
 *   4 bytes  when it was made, seconds
 *   8 bytes  boot id: random, of one start of one node
 *   6 bytes  serial number within that boot; the place of its count in nonce-counts.ts
 *  15 bytes  HMAC-SHA-256 over these and the realm, truncated
 *
 * The serial tells how many challenges a node has given, which is no secret.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'

export type NonceCheck = { serial: number; ageSeconds: number } | 'stale' | 'invalid'

export interface Nonces {
  /** A fresh nonce, 44 characters of base64url. */
  issue(): string
  /** `stale`: ours, but expired or of another start or node, so its uses can't be counted here. `invalid`: not ours. */
  check(nonce: string): NonceCheck
}

const HEAD = 18
const MAC = 15
const LENGTH = ((HEAD + MAC) / 3) * 4

export function createNonces(options: {
  /** Shared by all nodes, kept in the database. */
  secret: Buffer
  realm: string
  lifetimeSeconds: number
  now: () => number
  random: (bytes: number) => Buffer
}): Nonces {
  const { secret, realm, lifetimeSeconds, now } = options
  const boot = options.random(8)
  let serial = 0

  const mac = (head: Buffer) =>
    createHmac('sha256', secret).update(head).update(realm).digest().subarray(0, MAC)

  return {
    issue() {
      const bytes = Buffer.allocUnsafe(HEAD)
      bytes.writeUInt32BE(Math.floor(now() / 1000) >>> 0, 0)
      boot.copy(bytes, 4)
      bytes.writeUIntBE(++serial, 12, 6)
      return Buffer.concat([bytes, mac(bytes)]).toString('base64url')
    },

    check(nonce) {
      if (nonce.length !== LENGTH) return 'invalid'
      const bytes = Buffer.from(nonce, 'base64url')
      if (bytes.length !== HEAD + MAC) return 'invalid'
      const head = bytes.subarray(0, HEAD)
      if (!timingSafeEqual(mac(head), bytes.subarray(HEAD))) return 'invalid'
      const ageSeconds = Math.floor(now() / 1000) - head.readUInt32BE(0)
      if (ageSeconds >= lifetimeSeconds || !head.subarray(4, 12).equals(boot)) return 'stale'
      return { serial: head.readUIntBE(12, 6), ageSeconds }
    },
  }
}
