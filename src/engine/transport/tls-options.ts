/** TLS settings that hold for all connections, accepted and opened. */
import { isIP } from 'node:net'
import tls from 'node:tls'
import type { ConnectOptions } from './connection.js'
import type { TlsMaterial } from './transport.js'

const minVersion = 'TLSv1.2'

export function serverOptions(material: TlsMaterial): tls.SecureContextOptions {
  return { cert: material.cert, key: material.key, minVersion }
}

/** Without a host name as `serverName` the certificate must hold the literal address that is connected to. */
export function clientOptions(
  options: ConnectOptions,
  serverName: string | undefined,
): tls.ConnectionOptions {
  return {
    minVersion,
    rejectUnauthorized: options.verifyPeers,
    ...(options.trusted !== undefined && { ca: [...tls.rootCertificates, options.trusted] }),
    ...(serverName !== undefined && isIP(serverName) === 0 && { servername: serverName }),
  }
}
