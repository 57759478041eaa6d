import type { TransportName } from './transport.js'

const ports: Record<TransportName, number> = { udp: 5060, tcp: 5060, tls: 5061, ws: 80, wss: 443 }

/** The port that a URI or Via without one means (RFC 3261 §19.1.2, §18.2.2; RFC 7118 §5.2.1 with the ports of RFC 6455). */
export function defaultPort(transport: TransportName): number {
  return ports[transport]
}
