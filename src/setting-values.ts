/**
 * Reading one setting's text: each function takes what the operator wrote and gives the value, or throws NotAllowed
 * with what would have been right. Pure: nothing here reads the environment or a file.
 */
import { isIP, isIPv6 } from 'node:net'

/** The text is not a legal value; `allowed` says, in plain words, what is. */
export class NotAllowed extends Error {
  override readonly name = 'NotAllowed'
  constructor(readonly allowed: string) {
    super(allowed)
  }
}

export interface HostPort {
  /** IPv6 without brackets. */
  host: string
  port: number
}

const hostName =
  /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/i

/** The items of a comma separated list, trimmed; empty items are left out. */
export function items(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

/** A host without brackets, or undefined if this is neither a host name nor an address. */
export function host(text: string): string | undefined {
  if (text.startsWith('[') && text.endsWith(']')) {
    const inner = text.slice(1, -1)
    return isIPv6(inner) ? inner : undefined
  }
  // Four numbers and dots look like a host name too: 300.1.1.1 is a mistyped address, never a name.
  if (isIP(text) === 0 && (!hostName.test(text) || /^[\d.]+$/.test(text))) return undefined
  return text
}

/** `host:port`, an IPv6 address in brackets; undefined if it is anything else. */
export function hostPort(text: string): HostPort | undefined {
  const colon = text.lastIndexOf(':')
  const name = host(text.slice(0, colon))
  const port = text.slice(colon + 1)
  // Without brackets nobody can tell where an IPv6 address ends and its port begins.
  if (colon < 1 || name === undefined || (isIPv6(name) && !text.startsWith('['))) return undefined
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65535) return undefined
  return { host: name, port: Number(port) }
}

/** `host:port` as it is written in a setting. */
export function formatHostPort(address: HostPort): string {
  return `${isIPv6(address.host) ? `[${address.host}]` : address.host}:${address.port}`
}

const portHelp = '(port 0: any free one)'

/** One address to listen on; a host name is looked up when listening. */
export function address(text: string): HostPort {
  const parsed = hostPort(text)
  if (!parsed) throw new NotAllowed(`host:port, such as 127.0.0.1:8080 or [::1]:8080 ${portHelp}`)
  return parsed
}

/** Literal addresses to listen on: none if the text is `off`. The SIP engine binds addresses, never names. */
export function addresses(text: string): HostPort[] {
  if (text.toLowerCase() === 'off') return []
  const parsed = items(text).map(hostPort)
  const good = parsed.filter((entry): entry is HostPort => entry !== undefined && isIP(entry.host) !== 0)
  if (good.length === 0 || good.length < parsed.length) {
    throw new NotAllowed(
      `IP address:port, such as 0.0.0.0:5060 or [::]:5060 ${portHelp}, several separated by commas, or off`,
    )
  }
  return good
}

/** A comma separated list of IP addresses and networks, perhaps empty, as written. */
export function networks(text: string): string[] {
  const all = items(text)
  if (!all.every(isAddressOrNetwork)) {
    throw new NotAllowed('IP addresses or networks, such as 127.0.0.1 or 10.0.0.0/8, separated by commas')
  }
  return all
}

/** A network of everybody (prefix length 0) is none: whoever wants it can't have meant it. */
function isAddressOrNetwork(text: string): boolean {
  const [, ip = '', prefix] = /^([^/]+)(?:\/([1-9]\d{0,2}))?$/.exec(text) ?? []
  const bits = { 0: 0, 4: 32, 6: 128 }[isIP(ip)] ?? 0
  return bits > 0 && Number(prefix ?? bits) <= bits && !ip.includes('%')
}

/** Whole numbers from `min` to `max`. */
export function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN
    if (!(value >= min && value <= max)) throw new NotAllowed(`a whole number from ${min} to ${max}`)
    return value
  }
}

export function boolean(text: string): boolean {
  if (text !== 'true' && text !== 'false') throw new NotAllowed('true or false')
  return text === 'true'
}

/** Any text that fits `pattern`. */
export function text(pattern: RegExp, allowed: string): (text: string) => string {
  return (value) => {
    if (!pattern.test(value)) throw new NotAllowed(allowed)
    return value
  }
}

/** One word of a list, whatever its case. */
export function oneOf<const T extends string>(words: readonly T[]): (text: string) => T {
  return (value) => {
    const word = words.find((candidate) => candidate.toLowerCase() === value.toLowerCase())
    if (word === undefined) throw new NotAllowed(`one of ${words.join(', ')}`)
    return word
  }
}

/** A comma separated list of different words, in the order given, at least one. */
export function someOf<const T extends string>(words: readonly T[]): (text: string) => T[] {
  return (value) => {
    const chosen = items(value).map((item) => words.find((word) => word.toLowerCase() === item.toLowerCase()))
    const good = chosen.filter((word) => word !== undefined)
    if (good.length === 0 || good.length < chosen.length || new Set(good).size < good.length) {
      throw new NotAllowed(`a comma separated list of ${words.join(', ')}, each once`)
    }
    return good
  }
}

/** Domains in lower case, each once; IPv6 without brackets. */
export function domains(text: string): string[] {
  const parsed = items(text).map((item) => host(item.toLowerCase()))
  const good = parsed.filter((name) => name !== undefined)
  if (good.length === 0 || good.length < parsed.length) {
    throw new NotAllowed('host names or IP addresses, separated by commas, without a port')
  }
  return [...new Set(good)]
}

/** A setting that may be left empty. */
export function optional<T>(parse: (text: string) => T): (text: string) => T | undefined {
  return (value) => (value === '' ? undefined : parse(value))
}
