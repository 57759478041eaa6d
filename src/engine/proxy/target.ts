/** A destination as the application names it: a SIP URI, and optionally the flow that reaches it. */
import { formatUri, parseUri, uriParam, withoutUriParams } from '../message/uri.js'
import type { TransportName } from '../transport/transport.js'
import type { FlowAddress } from './dialog-token.js'

export interface Target {
  /** The Request-URI for this branch: the phone's own contact. */
  uri: string
  /** Send over this flow and no other (RFC 5626 §5.3). */
  flow?: FlowAddress
}

const transports: readonly string[] = ['udp', 'tcp', 'tls', 'ws', 'wss']

/**
 * Reads `sip:user@host;flow=<address>:<port>;flow-transport=<transport>`; both parameters are ours and are taken out.
 * Undefined if the URI can't be used.
 */
export function parseTarget(text: string): Target | undefined {
  const parsed = parseUri(text)
  if (!parsed || (parsed.scheme !== 'sip' && parsed.scheme !== 'sips')) return undefined
  const flow = uriParam(parsed, 'flow')
  const transport = uriParam(parsed, 'flow-transport')?.toLowerCase() ?? 'udp'
  if (flow === undefined) return { uri: text }
  const at = parseHostPort(flow)
  if (!at || !transports.includes(transport)) return undefined
  return {
    uri: formatUri(withoutUriParams(parsed, ['flow', 'flow-transport'])),
    flow: { transport: transport as TransportName, address: at.host, port: at.port },
  }
}

/** `address:port`, IPv6 in brackets. */
function parseHostPort(text: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text)
  if (!match) return undefined
  const port = Number(match[3])
  if (port === 0 || port > 65535) return undefined
  return { host: match[1] ?? match[2] ?? '', port }
}
