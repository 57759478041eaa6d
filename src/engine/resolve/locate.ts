/** From a URI to the servers that it means, in the order in which to try them: RFC 3263 §4. */
import { familyOf } from '../transport/address.js'
import { defaultPort } from '../transport/default-ports.js'
import type { FlowAddress } from '../transport/peer.js'
import type { Listener, TransportName } from '../transport/transport.js'
import type { Answer, Dns, RecordTypes } from './dns.js'
import { readNextHop, type NextHop } from './next-hop.js'
import { offeredServices, usualServices, type Service } from './services.js'
import { inSrvOrder } from './srv-order.js'

export interface Server extends FlowAddress {
  /** The name that its certificate has to be for; absent: its address. */
  serverName?: string
}

/** What we can use, and what randomness there is. */
export interface LocateOptions {
  dns: Dns
  /** Decide which transports and address families come into question. */
  listeners: readonly Pick<Listener, 'transport' | 'family'>[]
  /** From 0 to below 1. */
  random: () => number
}

/** Most names whose addresses are looked up for one request, and most servers that are tried. */
const maxHosts = 8
const maxServers = 10

/** Which transport to take where neither the URI nor DNS says so, the first that we have (RFC 3263 §4.1). */
const usual: readonly TransportName[] = ['udp', 'tcp', 'tls']

interface Host {
  transport: TransportName
  name: string
  port: number
}

/**
 * Empty if there are none that we can reach. At once (no promise) for addresses: the common case stays in this tick.
 * A look-up that fails counts as one that finds nothing: the next best way that RFC 3263 knows is tried.
 */
export function locate(uri: string, options: LocateOptions): Server[] | Promise<Server[]> {
  const hop = readNextHop(uri)
  if (!hop) return []
  if (!hop.literal) return locateByName(hop, options)
  const transport = hop.transport ?? defaultTransport(hop, options)
  return transport ? [serverAt(hop, transport, hop.host, hop.port ?? defaultPort(transport))] : []
}

async function locateByName(hop: NextHop, options: LocateOptions): Promise<Server[]> {
  const hosts = await hostsOf(hop, options)
  const found = await Promise.all(
    hosts
      .slice(0, maxHosts)
      .map(async ({ transport, name, port }) =>
        (await addressesOf(name, transport, options)).map((address) =>
          serverAt(hop, transport, address, port),
        ),
      ),
  )
  return found.flat().slice(0, maxServers)
}

/** §4.1 and §4.2, up to the names of the servers. */
async function hostsOf(hop: NextHop, options: LocateOptions): Promise<Host[]> {
  const transport = hop.transport ?? defaultTransport(hop, options)
  if (!transport) return []
  const itself = { transport, name: hop.host, port: hop.port ?? defaultPort(transport) }
  // A port, or the machine itself (RFC 6761 §6.3), has no services in DNS.
  if (hop.port !== undefined || isLocalhost(hop.host)) return [itself]
  const found = await Promise.all(
    (await servicesOf(hop, options)).map((service) => serversOf(service, options)),
  )
  return found.every((hosts) => hosts === undefined) ? [itself] : found.flatMap((hosts) => hosts ?? [])
}

async function servicesOf(hop: NextHop, options: LocateOptions): Promise<Service[]> {
  if (hop.transport) return usualServices(hop.host, [hop.transport])
  const usable = usableTransports(hop, options)
  const { records } = await ask(options.dns, 'NAPTR', hop.host)
  const offered = offeredServices(records, usable)
  return offered.length > 0 ? offered : usualServices(hop.host, usable)
}

/** Undefined if DNS knows no such service; empty if it says that there is none (RFC 2782: target "."). */
async function serversOf(service: Service, options: LocateOptions): Promise<Host[] | undefined> {
  const { records } = await ask(options.dns, 'SRV', service.srvName)
  if (records.length === 0) return undefined
  return inSrvOrder(records, options.random)
    .filter(({ target }) => target !== '' && target !== '.')
    .map(({ target, port }) => ({ transport: service.transport, name: target, port }))
}

async function addressesOf(
  name: string,
  transport: TransportName,
  { dns, listeners }: LocateOptions,
): Promise<string[]> {
  const able = listeners.filter((listener) => listener.transport === transport)
  const families = [...new Set(able.map(({ family }) => family))]
  if (isLocalhost(name)) return families.map((family) => (family === 4 ? '127.0.0.1' : '::1'))
  const answers = await Promise.all(families.map((family) => ask(dns, family === 4 ? 'A' : 'AAAA', name)))
  const addresses = answers.flatMap(({ records }) => records)
  if (addresses.length > 0) return addresses
  const { records } = await ask(dns, 'HOST', name)
  return families.flatMap((family) => records.filter((address) => familyOf(address) === family))
}

async function ask<Type extends keyof RecordTypes>(
  dns: Dns,
  type: Type,
  name: string,
): Promise<Answer<RecordTypes[Type]>> {
  try {
    return await dns.query(type, name)
  } catch {
    return { records: [], ttl: undefined }
  }
}

function usableTransports({ secure }: NextHop, { listeners }: LocateOptions): TransportName[] {
  const have = new Set(listeners.map(({ transport }) => transport))
  const wanted: readonly TransportName[] = secure ? ['tls', 'wss'] : [...usual, 'ws', 'wss']
  return wanted.filter((transport) => have.has(transport))
}

/** §4.1: UDP for sip, TLS for sips; TCP where we have no UDP. */
function defaultTransport(hop: NextHop, options: LocateOptions): TransportName | undefined {
  const usable = usableTransports(hop, options)
  return usual.find((transport) => usable.includes(transport) && hop.secure === (transport === 'tls'))
}

function isLocalhost(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost')
}

function serverAt(hop: NextHop, transport: TransportName, address: string, port: number): Server {
  return hop.identity === undefined
    ? { transport, address, port }
    : { transport, address, port, serverName: hop.identity }
}
