/** Passwords of administrators: scrypt, with its parameters in the stored text so that they can be raised later. */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'

interface Parameters {
  N: number
  r: number
  p: number
}

/** One of OWASP's equivalent settings; the one with little memory (16 MB), since it runs beside a telephone exchange. */
const CURRENT: Parameters = { N: 2 ** 14, r: 8, p: 5 }
const KEY_BYTES = 32

/** The hash to store: `scrypt$N$r$p$salt$key`. Cheaper `parameters` are for tests that have other things to prove. */
export async function hashPassword(password: string, parameters = CURRENT): Promise<string> {
  const salt = randomBytes(16)
  return format(parameters, salt, await derive(password, salt, parameters, KEY_BYTES))
}

/** Compares in constant time. Rejects if `stored` is not a hash that hashPassword made. */
export async function verifyPassword(password: string, stored: string): Promise<boolean> {
  const [scheme, N, r, p, salt, key] = stored.split('$')
  if (scheme !== 'scrypt' || !salt || !key) throw new Error('A stored password hash has an unknown form')
  const expected = Buffer.from(key, 'base64')
  const parameters = { N: Number(N), r: Number(r), p: Number(p) }
  return timingSafeEqual(
    await derive(password, Buffer.from(salt, 'base64'), parameters, expected.length),
    expected,
  )
}

/** The hash of no password: verifying against it takes as long as against a real one, so unknown names do not show. */
export const HASH_OF_NOBODY = format(CURRENT, Buffer.alloc(16), Buffer.alloc(KEY_BYTES))

function derive(password: string, salt: Buffer, parameters: Parameters, bytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // Node's default limit is exactly what these parameters need without its own overhead.
    const maxmem = 256 * parameters.N * parameters.r
    scrypt(password, salt, bytes, { ...parameters, maxmem }, (error, key) =>
      error ? reject(error) : resolve(key),
    )
  })
}

function format({ N, r, p }: Parameters, salt: Buffer, key: Buffer): string {
  return ['scrypt', N, r, p, salt.toString('base64'), key.toString('base64')].join('$')
}
