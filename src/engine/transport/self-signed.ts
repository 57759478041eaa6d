/** A certificate for installations that bring none: phones must be told to trust it. */
import { isIP } from 'node:net'
import { generate } from 'selfsigned'
import type { TlsMaterial } from './transport.js'

/**
 * Makes a self-signed certificate (EC P-256) and its key for the given names, the first being the subject.
 *
 * @param names host names and literal addresses, at least one
 * @param days validity from now
 */
export async function makeSelfSigned(names: readonly string[], days = 3650): Promise<TlsMaterial> {
  const [subject = 'localhost'] = names
  const pem = await generate([{ name: 'commonName', value: subject }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notAfterDate: new Date(Date.now() + days * 86_400_000),
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', digitalSignature: true, keyCertSign: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
      {
        name: 'subjectAltName',
        altNames: names.map((name) => (isIP(name) ? { type: 7, ip: name } : { type: 2, value: name })),
      },
    ],
  })
  return { cert: pem.cert, key: pem.private }
}
