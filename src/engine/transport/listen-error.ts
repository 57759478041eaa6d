/** Why a listener could not be bound, in words an operator can act on. */
import { formatHostPort } from '../message/host.js'
import type { ListenerSpec, TransportName } from './transport.js'

const explanations: Record<string, string> = {
  EADDRINUSE: 'the port is taken by another program',
  EACCES: 'no permission to use this port',
  EADDRNOTAVAIL: 'this machine has no such address',
  EAFNOSUPPORT: 'this machine has no such address family',
}

/** `start` rejects with this; the fields let the caller name the setting to change. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
  /** System error code (`EADDRINUSE`), `EHOST` (host is no literal address) or `ETLS` (certificate or key). */
  readonly code: string
  readonly transport: TransportName
  readonly host: string
  readonly port: number

  constructor(spec: ListenerSpec, code: string, detail: string, cause?: unknown) {
    super(`${spec.transport}:${formatHostPort(spec.host, spec.port)} can't be opened: ${detail}`, { cause })
    this.code = code
    this.transport = spec.transport
    this.host = spec.host
    this.port = spec.port
  }

  /** From the error of `bind` or `listen`. */
  static from(spec: ListenerSpec, error: Error): ListenError {
    const code = 'code' in error && typeof error.code === 'string' ? error.code : 'EUNKNOWN'
    const explanation = explanations[code]
    return new ListenError(spec, code, explanation ? `${explanation} (${code})` : error.message, error)
  }
}
