/**
 * The embedded engine's news of connections (docs/decisions/control-extensions.md), as drachtio-srf hands them on: it
 * passes on no events but drachtio's own, so they travel as one of these, with their facts in its one free field.
 */
import { transportOf } from './edge-fields.js'
import type { SipTransport } from '../store/types.js'

/** A connection of a phone over TCP, TLS or WebSocket has opened or closed. */
export interface ConnectionNews {
  state: 'open' | 'closed'
  transport: SipTransport
  /** IPv6 without brackets. */
  address: string
  port: number
  /** Version and cipher of TLS; undefined without. */
  cipher?: string
  /** Why it was closed. */
  reason?: string
}

/** What an application routes to get them, and what their source field then says. */
export const connectionEvent = 'cdr:connection'
export const connectionSource = 'connection'

/** Undefined if the event is about something else. */
export function readConnectionNews(event: unknown[]): ConnectionNews | undefined {
  const [source, , facts] = event
  if (source !== connectionSource || typeof facts !== 'string') return undefined
  const fields = new URLSearchParams(facts)
  const [address, port] = [fields.get('address'), Number(fields.get('port'))]
  const state = fields.get('state')
  if (address === null || (state !== 'open' && state !== 'closed')) return undefined
  const [version, cipher] = [fields.get('tls'), fields.get('cipher')]
  const reason = fields.get('reason')
  return {
    state,
    transport: transportOf(fields.get('transport') ?? undefined, undefined),
    address,
    port,
    ...(version !== null && { cipher: [version, cipher].join(' ').trim() }),
    ...(reason !== null && { reason }),
  }
}
