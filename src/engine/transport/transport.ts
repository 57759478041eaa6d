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
  /**
   * Streams: the peer has closed its side and takes only the answers to what it has asked before; `open` is false.
   */
  readonly answersOnly?: boolean
  /** TLS and WSS only, once hands are shaken. */
  readonly tls?: TlsDetails
}

export interface TlsDetails {
  /** `TLSv1.2` or `TLSv1.3`. */
  readonly protocol: string
  readonly cipher: string
  /** Whom an authority that we trust has vouched for; absent where the peer has shown no (good) certificate. */
  readonly peer?: PeerCertificate
}

export interface PeerCertificate {
  /** `CN=phone 12, O=Example`; one line. */
  readonly subject: string
  /** SHA-256, hexadecimal with colons. */
  readonly fingerprint: string
}

/** Called once if the bytes could not be handed to the network (refused, reset, unreachable, closed). */
export type SendFailure = (error: Error) => void

/** Nothing could be sent since no connection came about: refused, unreachable, no answer in time. */
export class NotConnected extends Error {
  /** That of the cause, such as ECONNREFUSED. */
  readonly code: string | undefined

  constructor(cause: NodeJS.ErrnoException) {
    super(cause.message, { cause })
    this.code = cause.code
  }
}

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
  /**
   * A stream connection has opened (accepted or connected) or closed, by the peer's side at least; `reason`: why, for
   * people.
   */
  onConnection?(flow: Flow, state: 'open' | 'closed', reason?: string): void
}

export interface TransportLimits {
  /** Largest message in bytes, headers and body together; above: 513 and, on streams, the connection is closed. */
  maxMessageBytes: number
  /** Most header lines in one message; above: 400. */
  maxHeaders: number
  /** Most stream connections, over all listeners; further ones take the place of a stranger, see `vouch`, or are closed. */
  maxConnections: number
  /** Most stream connections from one source address. */
  maxConnectionsPerSource: number
  /** A stream connection without any traffic for this long is closed, ms. */
  idleTimeoutMs: number
  /**
   * The same for accepted ones of strangers, see `vouch`: more than timer C, or a call that rings would lose its caller.
   * Default 240,000.
   */
  strangerIdleTimeoutMs?: number
  /** A stream message that is not complete after this long closes the connection, ms. */
  partialMessageTimeoutMs: number
  /**
   * An accepted stream connection that has brought no valid message after this long is closed, ms; keep-alives don't
   * count. Default 30,000.
   */
  firstMessageTimeoutMs?: number
  /**
   * How long a stream connection that the peer has half-closed is kept for the answers that it waits for, ms. Default
   * 32,000, when timer F has ended (RFC 3261 §17.1.2.2).
   */
  halfClosedTimeoutMs?: number
  /** Time to establish an outgoing stream connection, ms. */
  connectTimeoutMs: number
  /** Most bytes waiting to be written to one connection; above, the connection is closed (slow reader). */
  maxSendQueueBytes: number
  /** How long a connection counts for its source after it has ended without a valid message, ms. Default 10,000. */
  fruitlessMs?: number
  /** How long a peer may take no more than a moderate queue of ours without reading it, ms. Default 32,000. */
  slowReaderTimeoutMs?: number
  /** Most bytes of unfinished messages over all connections; above, the longest unfinished one is closed. Default 64 MiB. */
  maxUnfinishedBytes?: number
}

export interface TlsMaterial {
  /** PEM text. */
  cert: string
  key: string
  /** Certificates of the authorities that vouch for clients, where client certificates are asked for. */
  clientCa?: string
}

/**
 * Whether clients are asked for a certificate: `request` also lets those in who show none, or one that none of our
 * authorities has signed (many phones have one from their maker), and takes them for what they are: unknown.
 */
export type ClientCertificates = 'off' | 'request' | 'require'

/** How we behave as a TLS client. */
export interface OutgoingTls {
  /** Refuse servers whose certificate isn't good for their name. Default true. */
  verify?: boolean
  /** PEM certificates to trust besides the well-known authorities. */
  trusted?: string
}

export interface OpenOptions {
  /** The listener to send from, if its transport and address family fit. */
  preferred?: Listener
  /** The TLS server name to verify, and the Host of WebSocket. */
  serverName?: string
  /** Streams: time to connect, ms, where it is to be less than the layer's limit. */
  connectTimeoutMs?: number
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
   * and address family exists.
   */
  openFlow(transport: TransportName, address: string, port: number, options?: OpenOptions): Flow | undefined
  /**
   * The address and port that a peer behind `flow` shall use to reach us: the advertised one, else the bound one, else
   * (wildcard) the local address that faces `flow.remoteAddress`. IPv6 without brackets.
   */
  localAddress(flow: Flow): { host: string; port: number }
  /** The listener of that transport which is known under host:port, bound or advertised; see `isLocal`. */
  listenerAt(transport: TransportName, host: string, port: number): Listener | undefined
  /** True if there are others of its transport and family: it then matters which of them a peer knows. */
  hasTwin(listener: Listener): boolean
  /**
   * What is known of a UDP peer that doesn't answer: an error if its machine has refused a datagram lately. Where
   * nothing is known it is asked, and a later call may tell. Undefined for streams, which report failures themselves.
   */
  probe(flow: Flow): Error | undefined
  /**
   * The application has accepted something that came over this flow. Accepted stream connections of which that is not
   * known may be silent for `strangerIdleTimeoutMs` only, and are closed in favour of others when `maxConnections` is
   * reached.
   */
  vouch(flow: Flow): void
  /** True if host:port (host a literal address or `localhost`) is one of our listeners, bound or advertised. */
  isLocal(host: string, port: number | undefined, transport?: TransportName): boolean
  readonly stats: TransportStats
}

export interface TransportStats {
  /** All stream connections, those that still shake hands included. */
  connections: number
  /** Of these, the ones that speak SIP, accepted and opened. */
  tcpConnections: number
  tlsConnections: number
  wsConnections: number
  wssConnections: number
  /** Valid messages. */
  received: number
  /** Everything handed to a socket. */
  sent: number
  rejected: number
  dropped: number
}
