/** The fields that drachtio's frames carry beside a SIP message. */
import type { FlowAddress } from '../transport/peer.js'
import type { Flow, TlsDetails } from '../transport/transport.js'

/** `HH:MM:SS.uuuuuu`, UTC. */
export function timeOfDay(): string {
  return `${new Date().toISOString().slice(11, 23)}000`
}

/** `<source>|<bytes>|<protocol>|<address>|<port>|<time>`: how every frame with a message begins. */
export function messageMeta(
  source: 'network' | 'application',
  bytes: number,
  hop: FlowAddress | undefined,
): string {
  return `${source}|${bytes}|${hop?.transport ?? ''}|${hop?.address ?? ''}|${hop?.port ?? ''}|${timeOfDay()}`
}

/**
 * How the flow is encrypted and the good certificate that the peer has shown, for the field that drachtio-srf gives as
 * `req.sessionToken`: `tls=<version>;cipher=<name>`, and then, if there is such a certificate,
 * `;sha256=<hexadecimal with colons>;subject=<percent-encoded>`; empty without TLS.
 */
export function tlsPeer(flow: Flow | undefined): string {
  const peer = flow?.tls?.peer
  const shown = peer ? `;sha256=${peer.fingerprint};subject=${encodeURIComponent(peer.subject)}` : ''
  return tlsCipher(flow?.tls) + shown
}

/** `tls=<version>;cipher=<name>`; empty without TLS. */
export function tlsCipher(tls: TlsDetails | undefined): string {
  return tls ? `tls=${tls.protocol};cipher=${tls.cipher}` : ''
}
