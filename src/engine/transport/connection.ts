/**
 * What all stream connections have in common, whatever is spoken over them: life from connecting to closed, the bytes
 * that wait, the limits, and the news about opening and closing.
 */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { ConnectionTable } from './connections.js'
import { canonicalHost } from './address.js'
import { describe, reportFailure } from './flow.js'
import type { SendingFlow, TransportLog } from './flow.js'
import type { Receiver } from './receive.js'
import type { Listener, SendFailure, TransportLimits, TransportName } from './transport.js'

/** What a connection needs from the layer. */
export interface ConnectionHost {
  readonly limits: TransportLimits
  readonly table: ConnectionTable
  readonly receiver: Receiver
  readonly log: TransportLog
}

export interface Peer {
  readonly address: string
  readonly port: number
  /** We opened the connection; its place in the table is given back when it is closed. */
  readonly outgoing: boolean
  /** The name the peer's certificate is verified for; outgoing connections only. */
  readonly serverName?: string
}

/** How the layer wants outgoing connections made. */
export interface ConnectOptions {
  /** Source address; undefined leaves it to the kernel. */
  readonly localAddress: string | undefined
  /** TLS: refuse peers whose certificate isn't good for their name (or address). */
  readonly verifyPeers: boolean
  /** TLS: PEM certificates to trust besides the well-known ones. */
  readonly trusted: string | undefined
}

/** The peer at the other end of an accepted socket. */
export function acceptedPeer(socket: Socket): Peer {
  return { address: canonicalHost(socket.remoteAddress ?? ''), port: socket.remotePort ?? 0, outgoing: false }
}

/** Phones register as soon as they are connected: who says nothing for so long is none, ms. */
const firstMessageTimeoutMs = 30_000

/** How long a connection that we end has for its last bytes, ms. */
const lingerMs = 2_000

export abstract class Connection implements SendingFlow {
  readonly transport: TransportName
  readonly remoteAddress: string
  readonly remotePort: number
  readonly serverName: string | undefined
  private readonly outgoing: boolean
  tls?: { protocol: string; cipher: string }

  private socket: Socket | undefined
  /** `ending`: nothing is taken any more, what was written is still flushed. */
  private state: 'connecting' | 'open' | 'ending' | 'closed' = 'connecting'
  private announced = false
  private waiting: { data: Buffer; onFailure: SendFailure | undefined }[] = []
  private waitingBytes = 0
  private corked = false
  private deadline: NodeJS.Timeout | undefined
  /** Runs on an accepted connection until its first valid message. */
  private unproven: NodeJS.Timeout | undefined
  private reason: Error | undefined

  constructor(
    protected readonly host: ConnectionHost,
    readonly listener: Listener,
    peer: Peer,
  ) {
    this.transport = listener.transport
    this.remoteAddress = peer.address
    this.remotePort = peer.port
    this.serverName = peer.serverName
    this.outgoing = peer.outgoing
    host.table.add(this)
    if (this.outgoing) this.startDeadline(host.limits.connectTimeoutMs, 'no connection in time')
  }

  get open(): boolean {
    return this.state === 'connecting' || this.state === 'open'
  }

  /** The address of our end, once there is one. */
  get localAddress(): string | undefined {
    const address = this.socket?.localAddress
    return address === undefined ? undefined : canonicalHost(address)
  }

  send(data: Buffer, onFailure?: SendFailure): void {
    if (!this.open) {
      reportFailure(onFailure, this.reason ?? new Error('the connection is closed'), this.host.log)
    } else if (this.state === 'connecting') {
      this.waiting.push({ data, onFailure })
      this.waitingBytes += data.length
      if (this.waitingBytes > this.host.limits.maxSendQueueBytes) this.abort(new Error('too many bytes wait'))
    } else {
      this.put(data, onFailure)
    }
  }

  /** Ends in order: what was sent goes out, the peer is told, and what it still says is not listened to. */
  end(reason: Error): void {
    if (!this.open) return
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
    socket.on('end', () => {
      // Half-closed by the peer: the socket ends by itself, and nothing more can be sent.
      if (this.open) this.state = 'ending'
    })
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
      const reason = 'no message in time'
      const ms = limits.firstMessageTimeoutMs ?? firstMessageTimeoutMs
      this.unproven = setTimeout(() => this.abort(new Error(reason)), ms)
    }
    if (socket instanceof TLSSocket) {
      this.tls = { protocol: socket.getProtocol() ?? '', cipher: socket.getCipher().name }
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
    clearTimeout(this.unproven)
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
    }
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
    this.host.table.remove(this)
    if (this.outgoing) this.host.table.release()
    const reason = (this.reason ??= new Error('the connection was closed by the peer'))
    const { waiting } = this
    this.waiting = []
    for (const { onFailure } of waiting) reportFailure(onFailure, reason, this.host.log)
    this.host.log.debug({ ...describe(this), reason: reason.message }, 'connection closed')
    if (this.announced) this.host.receiver.connectionChanged(this, 'closed')
  }
}

function uncork(connection: Connection): void {
  connection.uncork()
}
