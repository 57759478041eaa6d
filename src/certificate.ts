/** The certificate for TLS and WSS: the operator's files, or a self-signed pair that is made once and kept. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from './config.js'
import { makeSelfSigned } from './engine/transport/self-signed.js'
import type { TlsMaterial } from './engine/transport/transport.js'
import { readSmallFile } from './small-file.js'
import { StartError } from './start-error.js'

/** A self-signed certificate is made anew so long before it expires, days. */
const renewalDays = 30

const dayMs = 86_400_000

/**
 * Reads the certificate as it is on disk now. Undefined if no listener needs one. Rejects with StartError if a file
 * can't be read or written; whether certificate and key fit is for whoever uses them to find out.
 */
export async function loadCertificate(
  config: Config,
  now: () => number = Date.now,
): Promise<TlsMaterial | undefined> {
  if (!config.sip.listeners.some(({ transport }) => transport === 'tls' || transport === 'wss'))
    return undefined
  const { caFile } = config.tlsClients
  // One after the other: the first that can't be used is the one that is told.
  const pair = config.tls
    ? {
        cert: await readPem('TLS_CERT', config.tls.certFile),
        key: await readPem('TLS_KEY', config.tls.keyFile),
      }
    : await selfSigned(config, now())
  return caFile === undefined ? pair : { ...pair, clientCa: await readCa(caFile) }
}

async function selfSigned({ dataDir, sip }: Config, now: number): Promise<TlsMaterial> {
  const certFile = join(dataDir, 'tls-cert.pem')
  const keyFile = join(dataDir, 'tls-key.pem')
  try {
    const [cert, key] = await Promise.all([readSmallFile(certFile), readSmallFile(keyFile)])
    if (!needsRenewal({ cert, key }, now)) return { cert, key }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw unusable('DATA_DIR', certFile, error)
  }
  const material = await makeSelfSigned(sip.domains)
  try {
    // The key comes first and both by renaming: a start that is killed in between makes a new pair the next time.
    await writeWhole(keyFile, material.key)
    await writeWhole(certFile, material.cert)
  } catch (error) {
    throw unusable('DATA_DIR', certFile, error)
  }
  return material
}

/** Only of what we have made: whoever puts a certificate of an authority there shall not lose it. */
function needsRenewal({ cert, key }: TlsMaterial, now: number): boolean {
  const certificate = new X509Certificate(cert)
  if (certificate.issuer !== certificate.subject) return false
  return (
    Date.parse(certificate.validTo) - now < renewalDays * dayMs ||
    !certificate.checkPrivateKey(createPrivateKey(key))
  )
}

/** What an operator recognises a certificate by; of the first one if the file holds a chain. */
export interface CertificateFacts {
  subject: string
  /** SHA-256, as `openssl x509 -fingerprint -sha256` shows it. */
  fingerprint: string
  /** ISO 8601. */
  expires: string
}

/** Throws if this is no pair that can be used. */
export function certificateFacts({ cert, key }: TlsMaterial): CertificateFacts {
  const certificate = new X509Certificate(cert)
  if (!certificate.checkPrivateKey(createPrivateKey(key)))
    throw new Error('the key is not that of the certificate')
  return {
    subject: certificate.subject.replaceAll('\n', ', '),
    fingerprint: certificate.fingerprint256,
    expires: new Date(certificate.validTo).toISOString(),
  }
}

async function writeWhole(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text, { mode: 0o600 })
  await rename(`${file}.new`, file)
}

/** TLS takes any text for a list of authorities, if need be an empty one, by which nobody could be let in. */
async function readCa(file: string): Promise<string> {
  const text = await readPem('TLS_CLIENT_CA', file)
  try {
    new X509Certificate(text)
  } catch (error) {
    throw unusable('TLS_CLIENT_CA', file, error)
  }
  return text
}

async function readPem(setting: string, file: string): Promise<string> {
  const text = await readSmallFile(file).catch((error: unknown) => {
    throw unusable(setting, file, error)
  })
  if (!text.includes('-----BEGIN ')) {
    throw new StartError(`${setting}: ${file} is no PEM file; it must begin with -----BEGIN`)
  }
  return text
}

function unusable(setting: string, file: string, error: unknown): StartError {
  const { code, message } = error as NodeJS.ErrnoException
  const reason = code === 'ENOENT' ? 'there is no such file' : code === 'EACCES' ? 'no permission' : message
  return new StartError(`${setting}: ${file} can't be used: ${reason}`, { cause: error })
}
