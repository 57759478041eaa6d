/** TLS settings that hold for all connections, accepted and opened, and what a connection tells of its TLS. */
import { isIP } from 'node:net'
import tls from 'node:tls'
import type { ConnectOptions } from './connection.js'
import type { ClientCertificates, TlsDetails, TlsMaterial } from './transport.js'

/** RFC 8996 forbids what came before. */
const minVersion = 'TLSv1.2'

/** What a renewed certificate may change while the server runs. */
export function serverContext({ cert, key, clientCa }: TlsMaterial): tls.SecureContextOptions {
  return { cert, key, minVersion, ...(clientCa !== undefined && { ca: clientCa }) }
}

export function serverOptions(material: TlsMaterial, clients: ClientCertificates): tls.TlsOptions {
  return {
    ...serverContext(material),
    requestCert: clients !== 'off',
    rejectUnauthorized: clients === 'require',
    // The peer's last word may come before our last answer.
    allowHalfOpen: true,
  }
}

/**
 * For all connections that we open, since reading the well-known authorities takes some milliseconds: our own
 * certificate is shown to servers that ask for one.
 */
export function clientContext(
  material: TlsMaterial | undefined,
  trusted: string | undefined,
): tls.SecureContext {
  return tls.createSecureContext({
    minVersion,
    ...(material && { cert: material.cert, key: material.key }),
    ...(trusted !== undefined && { ca: [...tls.rootCertificates, trusted] }),
  })
}

/** Without a host name as `serverName` the certificate must hold the literal address that is connected to. */
export function clientOptions(
  { secureContext, verifyPeers }: ConnectOptions,
  serverName: string | undefined,
): tls.ConnectionOptions {
  return {
    ...(secureContext && { secureContext }),
    rejectUnauthorized: verifyPeers,
    ...(serverName !== undefined && isIP(serverName) === 0 && { servername: serverName }),
  }
}

/** Of a connection that has shaken hands. */
export function tlsDetails(socket: tls.TLSSocket): TlsDetails {
  const details = { protocol: socket.getProtocol() ?? '', cipher: socket.getCipher().name }
  const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined
  if (!certificate) return details
  const subject = certificate.subject.replaceAll('\n', ', ')
  return { ...details, peer: { subject, fingerprint: certificate.fingerprint256 } }
}
