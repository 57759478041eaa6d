/** Literal IP addresses: one spelling for each, so that they can be compared and used as keys. */
import { isIP, isIPv4, isIPv6 } from 'node:net'

/**
 * One spelling per host: no brackets, no zone, lower case, IPv4-mapped IPv6 as IPv4, IPv6 compressed as in RFC 5952.
 * Host names are returned in lower case.
 */
export function canonicalHost(host: string): string {
  // Nearly every host that passes here is IPv4 and already canonical.
  if (isIPv4(host)) return host
  const bare = (host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host).toLowerCase()
  const address = bare.split('%', 1)[0] ?? bare
  if (!isIPv6(address)) return bare
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address)
  if (mapped?.[1] !== undefined) return mapped[1]
  const compressed = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const hexMapped = /^::ffff:([\da-f]+):([\da-f]+)$/.exec(compressed)
  if (!hexMapped) return compressed
  const bits = parseInt(hexMapped[1] ?? '', 16) * 65536 + parseInt(hexMapped[2] ?? '', 16)
  return [24, 16, 8, 0].map((shift) => Math.floor(bits / 2 ** shift) % 256).join('.')
}

/** 4 or 6; undefined if the host is no literal address. */
export function familyOf(host: string): 4 | 6 | undefined {
  const family = isIP(host)
  return family === 4 || family === 6 ? family : undefined
}

/**
 * What one party has of a canonical address: an IPv4 address, or an IPv6 network of 64 bits, within which a host may call
 * itself as it likes (RFC 4291 §2.5.1, RFC 8981).
 */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address
  const [head = '', tail] = address.split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const after = tail === '' ? 0 : tail.split(':').length
    while (groups.length + after < 8) groups.push('0')
    if (after > 0) groups.push(...tail.split(':'))
  }
  return groups.slice(0, 4).join(':')
}

/** Of a canonical address. */
export function isLoopback(address: string): boolean {
  return address === '::1' || (address.startsWith('127.') && isIPv4(address))
}

/** Of a canonical address: stands for all addresses of its family. */
export function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::'
}
