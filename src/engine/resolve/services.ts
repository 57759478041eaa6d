/** SIP's services in DNS: which transports a domain offers (RFC 3263 §4.1, RFC 7118 §5.3), and their SRV names. */
import type { TransportName } from '../transport/transport.js'
import type { NaptrRecord } from './dns.js'

/** A transport, and the name whose SRV records tell its servers. */
export interface Service {
  transport: TransportName
  srvName: string
}

/** Most services of one domain that are followed. */
const maxServices = 3

/** `SIP+D2S` and `SIPS+D2S` (SCTP) are not among them: nobody here speaks it. */
const naptrServices: Record<string, TransportName | undefined> = {
  'SIP+D2U': 'udp',
  'SIP+D2T': 'tcp',
  'SIPS+D2T': 'tls',
  'SIP+D2W': 'ws',
  'SIPS+D2W': 'wss',
}

const srvPrefixes: Record<TransportName, string | undefined> = {
  udp: '_sip._udp',
  tcp: '_sip._tcp',
  tls: '_sips._tcp',
  // RFC 7118 gives WebSocket none: without NAPTR it is the domain itself, at the port of HTTP.
  ws: undefined,
  wss: undefined,
}

/** Those transports of a domain that we can use and its NAPTR records offer, the best first. */
export function offeredServices(
  records: readonly NaptrRecord[],
  usable: readonly TransportName[],
): Service[] {
  return [...records]
    .sort((a, b) => a.order - b.order || a.preference - b.preference)
    .flatMap(({ flags, service, replacement }) => {
      const transport = naptrServices[service.toUpperCase()]
      if (!transport || !usable.includes(transport)) return []
      return flags.toLowerCase() === 's' && replacement !== '' ? [{ transport, srvName: replacement }] : []
    })
    .slice(0, maxServices)
}

/** The services to ask for where a domain has no NAPTR records, or the transport is given. */
export function usualServices(domain: string, transports: readonly TransportName[]): Service[] {
  return transports.flatMap((transport) => {
    const prefix = srvPrefixes[transport]
    return prefix === undefined ? [] : [{ transport, srvName: `${prefix}.${domain}` }]
  })
}
