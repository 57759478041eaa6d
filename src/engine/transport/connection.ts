/**
 * What all stream connections have in common, whatever is spoken over them: life from connecting to closed, the bytes
 * that wait, the limits, and the news about opening and closing.
 */
import type { Socket } from 'node:net'
import { TLSSocket, type SecureContext } from 'node:tls'
import type { AcceptedPlace, ConnectionTable } from './connections.js'
import { canonicalHost } from './address.js'
import { describe, reportFailure } from './flow.js'
import type { SendingFlow, TransportLog } from './flow.js'
import type { Receiver } from './receive.js'
import { tlsDetails } from './tls-options.js'
import { NotConnected, type Listener, type SendFailure, type TlsDetails } from './transport.js'
import type { TransportLimits, TransportName } from './transport.js'

/** What a connection needs from the layer. */
export interface ConnectionHost {
  readonly limits: TransportLimits
  readonly table: ConnectionTable
  readonly receiver: Receiver
  readonly log: TransportLog
}

/** The other end of a connection. */
export interface Remote {
  readonly address: string
  readonly port: number
  /** We opened the connection; its place in the table is given back when it is closed. */
  readonly outgoing: boolean
  /** The name the peer's certificate is verified for; outgoing connections only. */
  readonly serverName?: string
  /** Outgoing connections: time to connect, ms; default: the limit of the layer. */
  readonly connectTimeoutMs?: number
  /** Of an accepted connection. */
  readonly place?: AcceptedPlace
}

/** How the layer wants outgoing connections made. */
export interface ConnectOptions {
  /** Source address; undefined leaves it to the kernel. */
  readonly localAddress: string | undefined
  /** TLS: refuse peers whose certificate isn't good for their name (or address). */
  readonly verifyPeers: boolean
  /** TLS: whom to trust, and our own certificate; undefined for other transports. */
  readonly secureContext: SecureContext | undefined
}

/** The peer at the other end of an accepted socket. */
export function acceptedRemote(socket: Socket, place: AcceptedPlace | undefined): Remote {
  const address = canonicalHost(socket.remoteAddress ?? '')
  return { address, port: socket.remotePort ?? 0, outgoing: false, ...(place && { place }) }
}

/** Phones register as soon as they are connected: who says nothing for so long is none, ms. */
const firstMessageTimeoutMs = 30_000

/** Who has brought nothing that was accepted is soon forgotten: see TransportLimits, ms. */
const strangerIdleTimeoutMs = 240_000

/** When a client that half-closes its connection waits for no answer any more: timer F, ms. */
const halfClosedTimeoutMs = 32_000

/**
 * A peer that leaves so much unread is not listened to until it has read it: who asks and never reads must not fill our
 * memory with answers. After a while it is given up (64*T1, when nobody waits for those answers any more).
 */
const holdBackBytes = 128 * 1024
const slowReaderTimeoutMs = 32_000

/** How long a connection that we end has for its last bytes, ms. */
const lingerMs = 2_000

export abstract class Connection implements SendingFlow {
  readonly transport: TransportName
  readonly remoteAddress: string
  readonly remotePort: number
  readonly serverName: string | undefined
  private readonly outgoing: boolean
  tls?: TlsDetails

  private socket: Socket | undefined
  /**
   * `answering`: the peer has closed its side, and gets the answers that it waits for.
   * `ending`: nothing is taken any more, what was written is still flushed.
   */
  private state: 'connecting' | 'open' | 'answering' | 'ending' | 'closed' = 'connecting'
  private announced = false
  private waiting: { data: Buffer; onFailure: SendFailure | undefined }[] = []
  private waitingBytes = 0
  private corked = false
  private deadline: NodeJS.Timeout | undefined
  /** Runs on an accepted connection until its first valid message. */
  private unproven: NodeJS.Timeout | undefined
  private readonly place: AcceptedPlace | undefined
  /** Runs while the peer is held back. */
  private heldBack: NodeJS.Timeout | undefined
  private reason: Error | undefined
  /** Requests of the peer that have no final answer yet: what keeps a half-closed connection alive. */
  private unanswered = 0

  constructor(
    protected readonly host: ConnectionHost,
    readonly listener: Listener,
    remote: Remote,
  ) {
    this.transport = listener.transport
    this.remoteAddress = remote.address
    this.remotePort = remote.port
    this.serverName = remote.serverName
    this.outgoing = remote.outgoing
    this.place = remote.place
    host.table.add(this)
    if (this.outgoing) {
      this.startDeadline(remote.connectTimeoutMs ?? host.limits.connectTimeoutMs, 'no connection in time')
    }
  }

  get open(): boolean {
    return this.state === 'connecting' || this.state === 'open'
  }

  get answersOnly(): boolean {
    return this.state === 'answering'
  }

  /** The address of our end, once there is one. */
  get localAddress(): string | undefined {
    const address = this.socket?.localAddress
    return address === undefined ? undefined : canonicalHost(address)
  }

  send(data: Buffer, onFailure?: SendFailure): void {
    if (!this.open && !this.answersOnly) {
      reportFailure(onFailure, this.reason ?? new Error('the connection is closed'), this.host.log)
    } else if (this.state === 'connecting') {
      this.waiting.push({ data, onFailure })
      this.waitingBytes += data.length
      if (this.waitingBytes > this.host.limits.maxSendQueueBytes) this.abort(new Error('too many bytes wait'))
    } else {
      this.put(data, onFailure)
      if (this.unanswered > 0 && isFinalAnswer(data)) {
        this.unanswered--
        if (this.answersOnly && this.unanswered === 0) this.end(closedByPeer())
      }
    }
  }

  /** Ends in order: what was sent goes out, the peer is told, and what it still says is not listened to. */
  end(reason: Error): void {
    if (!this.open && !this.answersOnly) return
    if (this.state === 'connecting') return this.abort(reason)
    this.reason ??= reason
    this.state = 'ending'
    this.uncork()
    this.startDeadline(lingerMs, reason.message)
    this.sayGoodbye()
  }

  /** Ends in order, but doesn't wait for the peer to end as well. */
  stop(reason: Error): void {
    this.end(reason)
    this.socket?.destroySoon()
  }

  /** Ends at once; what waits fails with this error. */
  abort(error: Error): void {
    if (this.state === 'closed') return
    this.reason ??= error
    this.state = 'ending'
    if (this.socket) this.socket.destroy(error)
    else {
      this.giveUp()
      this.closed()
    }
  }

  /** Puts one message on the established connection. */
  protected abstract write(data: Buffer, done?: (error?: Error | null) => void): void
  /** Flushes and closes the established connection, as its protocol wants it. */
  protected abstract sayGoodbye(): void
  /** Ends an attempt to connect for which no socket was adopted. */
  protected abstract giveUp(): void

  /** A socket is there, connected or not: its end is ours. */
  protected adopt(socket: Socket): void {
    this.socket = socket
    socket.on('end', () => this.peerEnded())
    socket.on('error', (error) => (this.reason ??= error))
    socket.on('close', () => this.closed())
    socket.on('timeout', () => this.abort(new Error('idle for too long')))
  }

  /** Messages can flow now; sends those that waited. */
  protected established(): void {
    const socket = this.socket
    if (this.state !== 'connecting' || !socket) return
    this.state = 'open'
    this.stopDeadline()
    const { limits } = this.host
    socket.setTimeout(limits.idleTimeoutMs)
    if (!this.outgoing) {
      const patience = limits.strangerIdleTimeoutMs ?? strangerIdleTimeoutMs
      socket.setTimeout(Math.min(patience, limits.idleTimeoutMs))
      const reason = 'no message in time'
      const ms = limits.firstMessageTimeoutMs ?? firstMessageTimeoutMs
      this.unproven = setTimeout(() => this.abort(new Error(reason)), ms)
    }
    if (socket instanceof TLSSocket) {
      this.tls = tlsDetails(socket)
      const { peer } = this.tls
      if (peer) this.host.log.debug({ ...describe(this), ...peer }, 'the peer has shown a good certificate')
    }
    this.announced = true
    this.host.receiver.connectionChanged(this, 'open')
    const { waiting } = this
    this.waiting = []
    this.waitingBytes = 0
    for (const { data, onFailure } of waiting) this.send(data, onFailure)
  }

  /** A valid message has come: somebody who speaks SIP is there, and only the idle time-out applies from now on. */
  protected proven(): void {
    if (this.unproven === undefined) return
    clearTimeout(this.unproven)
    this.unproven = undefined
    this.place?.proven()
  }

  /** As TransportLayer.vouch. */
  vouched(): void {
    this.place?.vouched()
    const { idleTimeoutMs } = this.host.limits
    if (this.socket?.timeout !== idleTimeoutMs) this.socket?.setTimeout(idleTimeoutMs)
  }

  /** So many bytes of an unfinished message are kept. */
  protected unfinished(bytes: number): void {
    this.host.table.unfinished.note(this, bytes)
  }

  /** The peer has asked something, and waits for the answer. */
  protected asked(): void {
    this.unanswered++
  }

  /** The peer has closed its side. Here: the socket ends by itself, and nothing more can be sent. */
  protected peerEnded(): void {
    if (this.open) this.state = 'ending'
  }

  /**
   * The peer has closed its side of a connection that we may keep open: it gets its answers, for a bounded time, and
   * then we close too. To all others the connection is gone, since nobody can be asked anything over it.
   */
  protected halfClosed(): void {
    if (this.state !== 'open') return
    if (this.unanswered === 0) return this.end(closedByPeer())
    this.state = 'answering'
    const { halfClosedTimeoutMs: ms = halfClosedTimeoutMs } = this.host.limits
    this.startDeadline(ms, 'closed by the peer, and not answered in time')
    this.announceClosed()
  }

  /** Something must have happened within this time, or the connection is aborted. Replaces an earlier deadline. */
  protected startDeadline(ms: number, reason: string): void {
    clearTimeout(this.deadline)
    this.deadline = setTimeout(() => this.abort(new Error(reason)), ms)
  }

  protected get hasDeadline(): boolean {
    return this.deadline !== undefined
  }

  protected stopDeadline(): void {
    clearTimeout(this.deadline)
    this.deadline = undefined
  }

  private put(data: Buffer, onFailure: SendFailure | undefined): void {
    const { socket } = this
    if (!socket) return
    // Messages of one turn of the event loop share a write: half the cost of a busy connection is system calls.
    if (!this.corked) {
      this.corked = true
      socket.cork()
      setImmediate(uncork, this)
    }
    this.host.receiver.stats.sent++
    if (!onFailure) this.write(data)
    else {
      const { log } = this.host
      this.write(data, (error) => {
        if (error) reportFailure(onFailure, this.reason ?? error, log)
      })
    }
    if (socket.writableLength > this.host.limits.maxSendQueueBytes) {
      this.host.log.warn(describe(this), 'connection closed: the peer reads too slowly')
      this.abort(new Error('the peer reads too slowly'))
    } else if (socket.writableLength > holdBackBytes && this.heldBack === undefined) {
      this.holdBack(socket)
    }
  }

  private holdBack(socket: Socket): void {
    const { slowReaderTimeoutMs: ms = slowReaderTimeoutMs } = this.host.limits
    this.heldBack = setTimeout(() => {
      this.host.log.warn(describe(this), 'connection closed: the peer reads too slowly')
      this.abort(new Error('the peer reads too slowly'))
    }, ms)
    socket.pause()
    socket.once('drain', () => {
      clearTimeout(this.heldBack)
      this.heldBack = undefined
      socket.resume()
    })
  }

  /** The turn is over: what was put together goes out. */
  uncork(): void {
    if (!this.corked) return
    this.corked = false
    this.socket?.uncork()
  }

  private closed(): void {
    if (this.state === 'closed') return
    this.state = 'closed'
    this.stopDeadline()
    clearTimeout(this.unproven)
    clearTimeout(this.heldBack)
    this.unfinished(0)
    this.host.table.remove(this)
    if (this.outgoing) this.host.table.release()
    const reason = (this.reason ??= closedByPeer())
    const { waiting } = this
    this.waiting = []
    for (const { onFailure } of waiting) reportFailure(onFailure, new NotConnected(reason), this.host.log)
    this.host.log.debug({ ...describe(this), reason: reason.message }, 'connection closed')
    this.announceClosed()
  }

  private announceClosed(): void {
    if (!this.announced) return
    this.announced = false
    this.host.receiver.connectionChanged(this, 'closed', (this.reason ?? closedByPeer()).message)
  }
}

function closedByPeer(): Error {
  return new Error('the connection was closed by the peer')
}

/** A response of 200 or above. */
function isFinalAnswer(data: Buffer): boolean {
  return (data[8] ?? 0) >= 0x32 && data.toString('latin1', 0, 8) === 'SIP/2.0 '
}

function uncork(connection: Connection): void {
  connection.uncork()
}
