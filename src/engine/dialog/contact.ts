/** Our own address as peers shall see it, in what an application sends. */
import { splitList } from '../message/comma-list.js'
import { formatHostPort } from '../message/host.js'
import { parseNameAddr } from '../message/name-addr.js'
import type { SipMessage } from '../message/sip-message.js'
import { formatUri, parseUri, withoutUriParams } from '../message/uri.js'
import type { Flow, TransportLayer } from '../transport/transport.js'

/** Header fields in which an application may write `localhost` for the address that it can't know. */
const ofNewRequests: ReadonlySet<string> = new Set(['from', 'to', 'p-asserted-identity'])
/** From and To stay as the other side knows them, in a response (RFC 3261 §8.2.6.2) and within a dialog (§12.2.1.1). */
const ofOthers: ReadonlySet<string> = new Set(['p-asserted-identity'])

/**
 * Puts the address that the peer behind `flow` reaches us by in the place of `localhost`, as drachtio-server does. A
 * Contact that names another listener of ours is put right as well: the application may have it from an earlier flow.
 */
export function nameOurselves(message: SipMessage, transport: TransportLayer, flow: Flow): void {
  const named = message.kind === 'request' && message.toTag === undefined ? ofNewRequests : ofOthers
  for (const header of message.headers) {
    if (header.name === 'contact') {
      const contacts = splitList(header.value)
      header.value = contacts.map((contact) => ourContact(contact, transport, flow)).join(', ')
      continue
    }
    if (!named.has(header.name) || !/localhost/i.test(header.value)) continue
    const { host, port } = transport.localAddress(flow)
    header.value = header.value.replace(
      /(\bsips?:(?:[^@<>;,\s]*@)?)localhost(?::\d+)?(?=[;?>,\s]|$)/gi,
      (_, before: string) => before + formatHostPort(host, port),
    )
  }
}

/** The same value, or one that names the way that this flow has come or goes; user and parameters stay. */
function ourContact(value: string, transport: TransportLayer, flow: Flow): string {
  const text = parseNameAddr(value)?.uri
  const uri = text === undefined ? undefined : parseUri(text)
  if (text === undefined || !uri || (uri.scheme !== 'sip' && uri.scheme !== 'sips')) return value
  if (uri.host !== 'localhost' && !transport.isLocal(uri.host, uri.port)) return value
  const { params } = withoutUriParams(uri, ['transport'])
  const name = contactTransport(uri.scheme, flow)
  const ours = formatUri({
    ...uri,
    ...transport.localAddress(flow),
    params: name === undefined ? params : [...params, { name: 'transport', value: name }],
  })
  const at = value.lastIndexOf(text)
  const after = value.slice(at + text.length)
  // Without <> the new parameter would be the header's.
  return value.includes('<') ? value.slice(0, at) + ours + after : `<${ours}>${after}`
}

/** The transport parameter of a URI of ours; none where it is the default. RFC 3261 §26.2.2: not `tls` with sips. */
function contactTransport(scheme: string, flow: Flow): string | undefined {
  if (scheme === 'sip') return flow.transport === 'udp' ? undefined : flow.transport
  return flow.transport === 'wss' ? 'ws' : undefined
}
