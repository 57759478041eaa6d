/** Under which addresses our listeners are known: to a certain peer, and to anybody. */
import { canonicalHost, isLoopback, isWildcard } from './address.js'
import { defaultPort } from './default-ports.js'
import type { LocalAddresses } from './local-address.js'
import type { Listener } from './transport.js'

/**
 * The address and port for a peer to reach the listener.
 *
 * @param remote canonical address of the peer
 * @param connected local end of the connection to it, if there is one: what the peer has reached us by
 */
export function nameFor(
  listener: Listener,
  remote: string,
  connected: string | undefined,
  addresses: LocalAddresses,
): { host: string; port: number } {
  const { advertise } = listener
  if (advertise) return { host: advertise.host, port: advertise.port ?? listener.port }
  const host = isWildcard(listener.host) ? (connected ?? addresses.facing(remote)) : listener.host
  return { host, port: listener.port }
}

/** True if that host (address or name) and port, absent for the default one, lead to the listener. */
export function isNameOf(
  listener: Listener,
  host: string,
  port: number | undefined,
  addresses: LocalAddresses,
): boolean {
  const wanted = canonicalHost(host)
  const wantedPort = port ?? defaultPort(listener.transport)
  const { advertise } = listener
  if (
    advertise &&
    canonicalHost(advertise.host) === wanted &&
    (advertise.port ?? listener.port) === wantedPort
  ) {
    return true
  }
  if (listener.port !== wantedPort) return false
  const wildcard = isWildcard(listener.host)
  if (wanted === 'localhost') return wildcard || isLoopback(listener.host)
  if (!wildcard) return wanted === listener.host
  const family = wanted.includes(':') ? 6 : 4
  return family === listener.family && (wanted === listener.host || addresses.isOwn(wanted))
}
