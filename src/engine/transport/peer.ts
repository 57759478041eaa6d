/** Where somebody was seen, and the flow that leads there again. */
import type { Flow, Listener, TransportLayer, TransportName } from './transport.js'

/** Where a peer was seen, to reach it again. */
export interface FlowAddress {
  transport: TransportName
  address: string
  port: number
}

/** Somebody at the other end of a flow. */
export interface Peer extends FlowAddress {
  /** Port at which that address takes connections, for when the stream connection is gone; absent: unknown. */
  listens?: number
  /**
   * UDP: the listener of ours that it knows, under the name by which it knows it. A phone behind a NAT hears nobody
   * else. Absent: unknown, or there is but one.
   */
  on?: { host: string; port: number }
  /** The name of the registered device that it is; absent: unknown. */
  device?: string
}

/**
 * The flow to a peer: the one it was seen at, or a new TCP connection to where it takes them. Over TLS and WebSocket a
 * phone is no server: it is reached over its own connection only.
 */
export function flowTo(peer: Peer, transport: TransportLayer, preferred?: Listener): Flow | undefined {
  const { on } = peer
  const known = on && transport.listenerAt(peer.transport, on.host, on.port)
  const live = transport.findFlow(peer.transport, peer.address, peer.port, known ?? preferred)
  if (live || peer.transport !== 'tcp' || peer.listens === undefined) return live
  return transport.openFlow('tcp', peer.address, peer.listens, preferred ? { preferred } : {})
}
