/** The certificate for TLS and WSS: the operator's files, or a self-signed pair that is made once and kept. */
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from './config.js'
import { makeSelfSigned } from './engine/transport/self-signed.js'
import type { TlsMaterial } from './engine/transport/transport.js'
import { StartError } from './start-error.js'

/** Undefined if no listener needs one. Rejects with StartError if a file can't be read or written. */
export async function loadCertificate(config: Config): Promise<TlsMaterial | undefined> {
  if (!config.sip.listeners.some(({ transport }) => transport === 'tls' || transport === 'wss'))
    return undefined
  if (config.tls) {
    // One after the other: the first that can't be used is the one that is told.
    const cert = await readPem('TLS_CERT', config.tls.certFile)
    return { cert, key: await readPem('TLS_KEY', config.tls.keyFile) }
  }
  const certFile = join(config.dataDir, 'tls-cert.pem')
  const keyFile = join(config.dataDir, 'tls-key.pem')
  try {
    const [cert, key] = await Promise.all([readFile(certFile, 'utf8'), readFile(keyFile, 'utf8')])
    return { cert, key }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw unusable('DATA_DIR', certFile, error)
  }
  const material = await makeSelfSigned(config.sip.domains)
  try {
    // The key comes first and both by renaming: a start that is killed in between makes a new pair the next time.
    await writeWhole(keyFile, material.key)
    await writeWhole(certFile, material.cert)
  } catch (error) {
    throw unusable('DATA_DIR', certFile, error)
  }
  return material
}

async function writeWhole(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text, { mode: 0o600 })
  await rename(`${file}.new`, file)
}

async function readPem(setting: string, file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
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
