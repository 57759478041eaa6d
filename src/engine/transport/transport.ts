/**
 * What the rest of the engine knows of the transport layer (RFC 3261 §18): listeners, flows, and one way to send.
 */
import type { SipMessage } from '../message/sip-message.js'

export type TransportName = 'udp' | 'tcp' | 'tls' | 'ws' | 'wss'

/** Delivery is guaranteed and messages are framed by the transport: no retransmission needed (§17.1.1.1). */
export function isReliable(transport: TransportName): boolean {
  return transport !== 'udp'
}

/** What to listen on. `port` 0 lets the system choose. */
export interface ListenerSpec {
  transport: TransportName
  host: string
  port: number
  /** Address (and port) that peers shall use instead of the bound one: container, NAT, several interfaces. */
  advertise?: { host: string; port?: number }
}

/** A bound listener. */
export interface Listener {
  readonly id: number
  readonly transport: TransportName
  /** 4 or 6. */
  readonly family: 4 | 6
  /** The bound address (may be a wildcard) and the real port. */
  readonly host: string
  readonly port: number
  readonly advertise?: { host: string; port?: number }
}

/**
 * A flow (RFC 5626 §3): one UDP five-tuple, or one stream connection. Everything that is received names the flow it
 * came over; everything that is sent names the flow to use.
 */
export interface Flow {
  readonly transport: TransportName
  readonly listener: Listener
  readonly remoteAddress: string
  readonly remotePort: number
  /** False once a stream connection is gone; UDP flows are always open. */
  readonly open: boolean
  /** Streams only: TLS details for the session log; undefined elsewhere. */
  readonly tls?: { protocol: string; cipher: string }
}

/** Called once if the bytes could not be handed to the network (refused, reset, unreachable, closed). */
export type SendFailure = (error: Error) => void

export interface TransportHandlers {
  /** A complete, syntactically valid message. `flow` is where it came from. Must not throw. */
  onMessage(message: SipMessage, flow: Flow): void
  /**
   * A request that can't be parsed but can be answered (Via, From, To, Call-ID and CSeq were readable): the transport
   * has already sent the error response statelessly; this is for counting and logging only.
   */
  onRejected(flow: Flow, status: number, reason: string): void
  /** Bytes that could neither be parsed nor answered. */
  onDropped(flow: Flow, reason: string): void
  /** A stream connection has opened (accepted or connected) or closed. */
  onConnection?(flow: Flow, state: 'open' | 'closed'): void
}

export interface TransportLimits {
  /** Largest message in bytes, headers and body together; above: 513 and, on streams, the connection is closed. */
  maxMessageBytes: number
  /** Most header lines in one message; above: 400. */
  maxHeaders: number
  /** Most stream connections, over all listeners; further ones are closed at once. */
  maxConnections: number
  /** Most stream connections from one source address. */
  maxConnectionsPerSource: number
  /** A stream connection without any traffic for this long is closed, ms. */
  idleTimeoutMs: number
  /** A stream message that is not complete after this long closes the connection, ms. */
  partialMessageTimeoutMs: number
  /**
   * An accepted stream connection that has brought no valid message after this long is closed, ms; keep-alives don't
   * count. Default 30,000.
   */
  firstMessageTimeoutMs?: number
  /** Time to establish an outgoing stream connection, ms. */
  connectTimeoutMs: number
  /** Most bytes waiting to be written to one connection; above, the connection is closed (slow reader). */
  maxSendQueueBytes: number
}

export interface TlsMaterial {
  /** PEM text. */
  cert: string
  key: string
}

export interface TransportLayer {
  readonly listeners: readonly Listener[]
  /** Binds all listeners. Rejects with an Error that names transport, host and port if one can't be bound. */
  start(handlers: TransportHandlers): Promise<void>
  /** Stops accepting new connections and datagrams, closes everything. */
  stop(): Promise<void>
  /**
   * Sends bytes over a flow. A failure is reported through `onFailure`, asynchronously, at most once; never throws.
   */
  send(flow: Flow, data: Buffer, onFailure?: SendFailure): void
  /**
   * An existing flow to that very peer address and port: a live stream connection, or the UDP listener's flow.
   * `preferred` is used for UDP if transport and family fit.
   */
  findFlow(transport: TransportName, address: string, port: number, preferred?: Listener): Flow | undefined
  /**
   * A flow to that peer: an existing connection is reused, else a stream connection is opened (bytes sent meanwhile
   * wait for it). `preferred` is used for UDP if transport and family fit. Undefined if no listener of that transport
   * and address family exists. `serverName` is the TLS server name to verify and the Host of WebSocket.
   */
  openFlow(
    transport: TransportName,
    address: string,
    port: number,
    options?: { preferred?: Listener; serverName?: string },
  ): Flow | undefined
  /**
   * The address and port that a peer behind `flow` shall use to reach us: the advertised one, else the bound one, else
   * (wildcard) the local address that faces `flow.remoteAddress`. IPv6 without brackets.
   */
  localAddress(flow: Flow): { host: string; port: number }
  /** True if host:port (host a literal address or `localhost`) is one of our listeners, bound or advertised. */
  isLocal(host: string, port: number | undefined, transport?: TransportName): boolean
  readonly stats: { connections: number; received: number; sent: number; rejected: number; dropped: number }
}
