/** SIP over TCP and TLS (RFC 3261 §18.3): messages cut out of a stream of bytes, and its keep-alives. */
import net from 'node:net'
import tls from 'node:tls'
import { SipRequest } from '../message/sip-message.js'
import { StreamFramer, type FramerEvent } from '../message/stream-framer.js'
import { acceptedRemote, Connection } from './connection.js'
import type { ConnectionHost, ConnectOptions, Remote } from './connection.js'
import type { AcceptedPlace } from './connections.js'
import { clientOptions } from './tls-options.js'
import type { Listener } from './transport.js'

/** The answer to a keep-alive (RFC 5626 §4.4.1). */
const pong = Buffer.from('\r\n')

export class StreamConnection extends Connection {
  private readonly framer: StreamFramer

  private constructor(
    host: ConnectionHost,
    listener: Listener,
    remote: Remote,
    private readonly stream: net.Socket,
  ) {
    super(host, listener, remote)
    this.framer = new StreamFramer(host.limits)
    this.adopt(stream)
    stream.on('data', (chunk: Buffer) => this.read(chunk))
  }

  /** For a socket that is connected and, with TLS, has shaken hands. */
  static accept(
    host: ConnectionHost,
    listener: Listener,
    socket: net.Socket,
    place: AcceptedPlace | undefined,
  ): StreamConnection {
    const connection = new StreamConnection(host, listener, acceptedRemote(socket, place), socket)
    connection.established()
    return connection
  }

  /** Begins to connect; whether it works is learned by sending, or from the handlers. */
  static connect(
    host: ConnectionHost,
    listener: Listener,
    remote: Remote,
    options: ConnectOptions,
  ): StreamConnection {
    const { localAddress } = options
    const to = {
      host: remote.address,
      port: remote.port,
      noDelay: true,
      ...(localAddress !== undefined && { localAddress }),
    }
    const secure = listener.transport === 'tls'
    const socket = secure
      ? tls.connect({ ...to, ...clientOptions(options, remote.serverName) })
      : net.connect(to)
    const connection = new StreamConnection(host, listener, remote, socket)
    socket.once(secure ? 'secureConnect' : 'connect', () => connection.established())
    return connection
  }

  protected override write(data: Buffer, done?: (error?: Error | null) => void): void {
    this.stream.write(data, done)
  }

  protected override sayGoodbye(): void {
    this.stream.end()
  }

  protected override giveUp(): void {
    this.stream.destroy()
  }

  protected override peerEnded(): void {
    // A connection of our own has a socket that ends by itself; what was accepted is kept open for answers.
    if (this.stream.allowHalfOpen) this.halfClosed()
    else super.peerEnded()
  }

  private read(chunk: Buffer): void {
    // After our goodbye the peer's bytes are read and thrown away: unread ones would turn it into a reset, and the
    // last answer might be lost with it.
    if (!this.open) return
    const events = this.framer.push(chunk)
    for (const event of events) {
      if (event.kind === 'message') this.proven()
      if (waitsForAnswer(event)) this.asked()
      if (event.kind === 'ping') this.send(pong)
      else if (event.kind === 'close') this.end(new Error(event.reason))
      else this.host.receiver.deliver(event, this)
      if (!this.open) return
    }
    this.unfinished(this.framer.keptBytes)
    if (!this.framer.incomplete) this.stopDeadline()
    else if (events.length > 0 || !this.hasDeadline) {
      this.startDeadline(this.host.limits.partialMessageTimeoutMs, 'a message was not completed in time')
    }
  }
}

function waitsForAnswer(event: FramerEvent): boolean {
  if (event.kind !== 'message') return event.kind === 'reject'
  return event.message instanceof SipRequest && event.message.method !== 'ACK'
}
