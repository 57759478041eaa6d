/**
 * SIP_ADVERTISE: the address that phones shall use instead of the one a listener is bound to (bind is not advertise).
 */
import { isIP } from 'node:net'
import type { ListenerSpec, TransportName } from './engine/transport/transport.js'
import { formatHostPort, host, hostPort, items, NotAllowed } from './setting-values.js'

interface Target {
  host: string
  port?: number
}

interface Entry {
  /** As it was written, for messages. */
  source: string
  /** Absent: for every listener that the address fits. */
  transport?: TransportName
  /** `host:port` of one listener as it stands in its setting; absent: every listener of the transport. */
  bound?: string
  target: Target
}

const transports: readonly TransportName[] = ['udp', 'tcp', 'tls', 'ws', 'wss']

/** Good to listen on, but nobody can send to them. */
const wildcards: ReadonlySet<string> = new Set(['0.0.0.0', '::'])

const help =
  'an address without port, or listener=address[:port] pairs separated by commas, ' +
  'where listener is udp, tcp, tls, ws, wss, or one of its addresses such as udp:0.0.0.0:5060'

/** Reads the setting. Throws NotAllowed. */
export function parseAdvertise(text: string): Entry[] {
  return items(text).map(parseEntry)
}

function parseEntry(source: string): Entry {
  const equals = source.indexOf('=')
  if (equals === -1) {
    const name = host(source)
    if (name === undefined || wildcards.has(name)) throw new NotAllowed(help)
    return { source, target: { host: name } }
  }
  const [transportText = '', ...rest] = source.slice(0, equals).trim().split(':')
  const transport = transports.find((name) => name === transportText.toLowerCase())
  const target = parseTarget(source.slice(equals + 1).trim())
  if (!transport || !target) throw new NotAllowed(help)
  if (rest.length === 0) return { source, transport, target }
  const bound = hostPort(rest.join(':'))
  if (!bound) throw new NotAllowed(help)
  return { source, transport, bound: formatHostPort(bound), target }
}

function parseTarget(text: string): Target | undefined {
  const name = host(text)
  const target: Target | undefined = name === undefined ? hostPort(text) : { host: name }
  if (!target || target.port === 0 || wildcards.has(target.host)) return undefined
  return target
}

/**
 * Gives each listener the address it advertises: the pair that names its own address, else the pair of its transport,
 * else the plain address of its address family (a host name fits both families).
 * Throws NotAllowed for an entry that fits no listener or is given twice: it would be a wish that nobody grants.
 */
export function advertise(listeners: readonly ListenerSpec[], entries: readonly Entry[]): ListenerSpec[] {
  for (const [index, entry] of entries.entries()) {
    if (!listeners.some((listener) => rank(entry, listener) > 0)) {
      throw new NotAllowed(
        `entries that each fit a listener ("${entry.source}" fits none of those switched on)`,
      )
    }
    const twin = entries.slice(0, index).find((other) => sameScope(other, entry))
    if (twin)
      throw new NotAllowed(`one address for each listener ("${twin.source}" and "${entry.source}" compete)`)
  }
  return listeners.map((listener) => {
    let best: Entry | undefined
    for (const entry of entries) {
      if (rank(entry, listener) > (best ? rank(best, listener) : 0)) best = entry
    }
    return best ? { ...listener, advertise: best.target } : { ...listener }
  })
}

/** How closely an entry names this listener; 0: not at all. */
function rank(entry: Entry, listener: ListenerSpec): number {
  if (entry.transport !== undefined) {
    if (entry.transport !== listener.transport) return 0
    if (entry.bound === undefined) return 2
    return entry.bound === formatHostPort(listener) ? 3 : 0
  }
  const wanted = isIP(entry.target.host)
  const bound = isIP(listener.host)
  return wanted === 0 || bound === 0 || wanted === bound ? 1 : 0
}

function sameScope(a: Entry, b: Entry): boolean {
  if (a.transport !== undefined || b.transport !== undefined) {
    return a.transport === b.transport && a.bound === b.bound
  }
  const [familyA, familyB] = [isIP(a.target.host), isIP(b.target.host)]
  return familyA === familyB || familyA === 0 || familyB === 0
}
