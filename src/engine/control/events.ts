/** The frames in which SIP messages go up to an application. */
import { labelFor } from '../message/header-names.js'
import type { SipMessage } from '../message/sip-message.js'
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

/** drachtio-srf knows half of the compact names, and tells some names apart by their case: it gets the usual spelling. */
function forApplication(message: SipMessage): SipMessage {
  if (message.headers.every(({ name, label }) => label === labelFor(name))) return message
  const copy = message.clone()
  copy.headers = copy.headers.map((header) => ({ ...header, label: labelFor(header.name) }))
  return copy
}
