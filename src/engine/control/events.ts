/** The frames in which SIP messages go up to an application. */
import { labelFor } from '../message/header-names.js'
import { SipRequest, type SipMessage } from '../message/sip-message.js'
import { withoutFlow } from '../proxy/target.js'
import type { Flow } from '../transport/transport.js'
import { messageMeta, tlsPeer } from './meta.js'

export interface SipEvent {
  /** Whether it came from the wire, or is a request that the engine itself has sent. */
  source: 'network' | 'application'
  /** What it came or went over; undefined: it could not be sent. */
  flow: Flow | undefined
  /** The handle for answers; `unsolicited` for a request that the engine itself has sent. */
  transactionId: string
  /** Absent outside dialogs. */
  dialogId?: string | undefined
  /** Our own address as the peer sees it; new requests outside dialogs only. */
  receivedOn?: { host: string; port: number }
}

/** The frame for `ControlSession.send`. */
export function sipEvent(message: SipMessage, event: SipEvent): string {
  const text = forApplication(message).text()
  const { source, flow, transactionId, dialogId = '', receivedOn } = event
  const hop = flow && { transport: flow.transport, address: flow.remoteAddress, port: flow.remotePort }
  const on = receivedOn ? `|${receivedOn.host}|${receivedOn.port}|${tlsPeer(flow)}` : ''
  return `sip|${messageMeta(source, text.length, hop)}|${transactionId}|${dialogId}${on}\r\n${text}`
}

/** Header fields with URIs that applications send requests to. */
const withTargets: ReadonlySet<string> = new Set(['contact', 'refer-to'])

/**
 * drachtio-srf knows half of the compact names, and tells some names apart by their case: it gets the usual spelling. And
 * an application may send to a URI as it got it: without the parameters by which only it may say over which flow.
 */
function forApplication(message: SipMessage): SipMessage {
  const isRequest = message instanceof SipRequest
  const plain = message.headers.every(
    ({ name, label, value }) => label === labelFor(name) && !directs(name, value),
  )
  if (plain && !(isRequest && /;flow/i.test(message.uri))) return message
  const copy = message.clone()
  if (copy instanceof SipRequest) copy.uri = withoutFlow(copy.uri)
  copy.headers = copy.headers.map(({ name, value }) => ({
    name,
    label: labelFor(name),
    value: directs(name, value) ? withoutFlow(value) : value,
  }))
  return copy
}

function directs(name: string, value: string): boolean {
  return withTargets.has(name) && /;flow/i.test(value)
}
