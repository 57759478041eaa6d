/**
 * News of stream connections, for applications that route `cdr:connection`. An unmodified drachtio-srf passes on only
 * the three call events, with a source, a time, one free field and a message; so this travels as a `cdr:start` of the
 * source `connection`, with an empty message.
 */
import type { Flow } from '../transport/transport.js'
import { timeOfDay } from './meta.js'

export const connectionEvent = 'cdr:connection'

/** The frame for `ControlSession.send`. */
export function connectionNews(flow: Flow, state: 'open' | 'closed', reason: string | undefined): string {
  const { transport, remoteAddress: address, remotePort, tls } = flow
  // Percent-encoded, so that nothing in it can be taken for the end of the field.
  const facts = new URLSearchParams({
    state,
    transport,
    address,
    port: String(remotePort),
    ...(tls && { tls: tls.protocol, cipher: tls.cipher }),
    ...(reason !== undefined && { reason }),
  })
  return `cdr:start|connection|${timeOfDay()}|${facts.toString()}\r\n`
}
