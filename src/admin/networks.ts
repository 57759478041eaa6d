/** Networks in CIDR notation, as the deny and permit lists of desk phones have them. */
import { isIPv4, isIPv6 } from 'node:net'
import { Format } from 'typebox/format'

/**
 * True for an IPv4 or IPv6 network with a prefix length and no bits set behind it (`10.0.0.0/8`, not `10.0.0.1/8`, which
 * is more likely a slip than a network).
 */
export function isNetwork(text: string): boolean {
  const match = /^([0-9a-fA-F:.]+)\/(0|[1-9][0-9]{0,2})$/.exec(text)
  const [, address, length] = match ?? []
  if (address === undefined || length === undefined) return false
  const bits = addressBits(address)
  return bits !== undefined && Number(length) <= bits.length && !bits.slice(Number(length)).includes('1')
}

/** The address as a text of 32 or 128 zeros and ones; undefined if it is none. */
function addressBits(address: string): string | undefined {
  if (isIPv4(address)) return toBits(address.split('.').map(Number), 8)
  if (!isIPv6(address)) return undefined
  // A dotted quad may be written for the last two groups (RFC 4291 §2.2).
  const hex = address.replace(
    /(\d+)\.(\d+)\.(\d+)\.(\d+)$/,
    (_, a: string, b: string, c: string, d: string) =>
      [Number(a) * 256 + Number(b), Number(c) * 256 + Number(d)].map((group) => group.toString(16)).join(':'),
  )
  const [head = '', tail] = hex.split('::')
  const groups = (text: string) => (text === '' ? [] : text.split(':').map((group) => parseInt(group, 16)))
  if (tail === undefined) return toBits(groups(head), 16)
  const missing = 8 - groups(head).length - groups(tail).length
  return toBits([...groups(head), ...new Array<number>(missing).fill(0), ...groups(tail)], 16)
}

const toBits = (numbers: readonly number[], width: number) =>
  numbers.map((number) => number.toString(2).padStart(width, '0')).join('')

/** Makes `format: 'cidr'` known to the schemas. */
export function registerNetworkFormat(): void {
  Format.Set('cidr', isNetwork)
}
