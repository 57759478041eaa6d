/** Our own address as peers shall see it, in what an application sends. */
import { formatHostPort } from '../message/host.js'
import type { SipMessage } from '../message/sip-message.js'
import type { Flow, TransportLayer } from '../transport/transport.js'

/** The Contact value for the peer behind `flow`: `<sip:host:port;transport=tcp>`. */
export function ownContact(transport: TransportLayer, flow: Flow): string {
  const { host, port } = transport.localAddress(flow)
  const param = flow.transport === 'udp' ? '' : `;transport=${flow.transport}`
  return `<sip:${formatHostPort(host, port)}${param}>`
}

/** Header fields in which an application may write `localhost` for the address that it can't know. */
const named = new Set(['contact', 'from', 'to', 'p-asserted-identity'])

/** Puts the address that the peer behind `flow` reaches us by in the place of `localhost`, as drachtio-server does. */
export function nameOurselves(message: SipMessage, transport: TransportLayer, flow: Flow): void {
  for (const header of message.headers) {
    if (!named.has(header.name) || !/localhost/i.test(header.value)) continue
    const { host, port } = transport.localAddress(flow)
    header.value = header.value.replace(
      /(\bsips?:(?:[^@<>;,\s]*@)?)localhost(?::\d+)?(?=[;?>,\s]|$)/gi,
      (_, before: string) => before + formatHostPort(host, port),
    )
  }
}
