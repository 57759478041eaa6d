/** SIP over WebSocket (RFC 7118): one message per WebSocket message, subprotocol `sip`. */
import http from 'node:http'
import type net from 'node:net'
import { isUtf8 } from 'node:buffer'
import { WebSocket, WebSocketServer } from 'ws'
import type { RawData } from 'ws'
import { formatHostPort } from '../message/host.js'
import { acceptedRemote, Connection } from './connection.js'
import type { ConnectionHost, ConnectOptions, Remote } from './connection.js'
import type { AcceptedPlace } from './connections.js'
import { clientOptions } from './tls-options.js'
import type { Listener, TransportLimits } from './transport.js'
import { UnfinishedFrames } from './unfinished-frames.js'

const subprotocol = 'sip'
/** Close codes of RFC 6455 §7.4.1. */
const goingAway = 1001

const ping = '\r\n\r\n'
const pong = Buffer.from('\r\n')

export class WebSocketConnection extends Connection {
  /** Text until the peer shows that it wants binary frames: browsers want text. */
  private binary = false
  private readonly frames = new UnfinishedFrames()

  private constructor(
    host: ConnectionHost,
    listener: Listener,
    remote: Remote,
    private readonly ws: WebSocket,
  ) {
    super(host, listener, remote)
    ws.on('message', (data, isBinary) => this.read(data, isBinary))
    // Where the peer has broken the protocol, ws tells it so in a close frame, which still has to go out.
    ws.on('error', (error) => this.end(error))
  }

  /** For a socket that was upgraded. */
  static accept(
    host: ConnectionHost,
    listener: Listener,
    ws: WebSocket,
    socket: net.Socket,
    place: AcceptedPlace | undefined,
  ): WebSocketConnection {
    const connection = new WebSocketConnection(host, listener, acceptedRemote(socket, place), ws)
    connection.adopt(socket)
    connection.established()
    return connection
  }

  /** Begins to connect; whether it works is learned by sending, or from the handlers. */
  static connect(
    host: ConnectionHost,
    listener: Listener,
    remote: Remote,
    options: ConnectOptions,
  ): WebSocketConnection {
    const { localAddress } = options
    const authority = formatHostPort(remote.address, remote.port)
    const ws = new WebSocket(`${listener.transport}://${authority}`, subprotocol, {
      ...(listener.transport === 'wss' && clientOptions(options, remote.serverName)),
      ...(localAddress !== undefined && { localAddress }),
      ...(remote.serverName !== undefined && {
        headers: { Host: formatHostPort(remote.serverName, remote.port) },
      }),
      ...frameOptions(host.limits),
    })
    const connection = new WebSocketConnection(host, listener, remote, ws)
    ws.once('upgrade', (answer) => connection.adopt(answer.socket))
    ws.once('open', () => connection.established())
    return connection
  }

  protected override write(data: Buffer, done?: (error?: Error | null) => void): void {
    // A text frame must be UTF-8 (RFC 6455 §5.6); a message with a binary body is not.
    this.ws.send(data, { binary: this.binary || !isUtf8(data) }, done)
  }

  protected override sayGoodbye(): void {
    this.ws.close(goingAway)
  }

  protected override giveUp(): void {
    this.ws.terminate()
  }

  protected override adopt(socket: net.Socket): void {
    super.adopt(socket)
    // Before ws sees the bytes and tells of what they complete.
    socket.prependListener('data', (chunk: Buffer) => this.arrived(chunk))
  }

  private arrived(chunk: Buffer): void {
    if (!this.open) return
    const completed = this.frames.push(chunk)
    this.unfinished(this.frames.bytes)
    if (this.frames.bytes === 0) this.stopDeadline()
    else if (completed || !this.hasDeadline) {
      this.startDeadline(this.host.limits.partialMessageTimeoutMs, 'a message was not completed in time')
    }
  }

  private read(data: RawData, isBinary: boolean): void {
    if (!this.open || !Buffer.isBuffer(data)) return
    this.binary = isBinary
    // The keep-alives of RFC 5626 have no place in RFC 7118, but libraries for browsers send them.
    if (data.length <= ping.length && /^[\r\n]*$/.test(data.toString('latin1'))) {
      if (data.length === ping.length) this.send(pong)
      return
    }
    if (this.host.receiver.datagram(data, this)) this.proven()
  }
}

/**
 * An HTTP server that doesn't listen: it is given sockets by emitting `connection`, and gives them back upgraded.
 * Anything but an upgrade to SIP is refused.
 */
export function createUpgrader(
  host: ConnectionHost,
  upgraded: (ws: WebSocket, socket: net.Socket) => void,
): http.Server {
  const sockets = new WebSocketServer({
    noServer: true,
    // Whatever else is offered, and first (RFC 7118 §4.1).
    handleProtocols: () => subprotocol,
    ...frameOptions(host.limits),
  })
  const server = http.createServer((_request, answer) => {
    answer.writeHead(426, { Upgrade: 'websocket', Connection: 'close', 'Content-Type': 'text/plain' })
    answer.end('This port speaks SIP over WebSocket (RFC 7118).\n')
  })
  server.on('upgrade', (request, socket, head) => {
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
    if (!offered.includes(subprotocol)) {
      socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
      return
    }
    sockets.handleUpgrade(request, socket, head, (ws) => upgraded(ws, request.socket))
  })
  return server
}

/** Somewhat more than a message may have, so that one that is slightly too large is answered with 513. */
function frameOptions(limits: TransportLimits): { maxPayload: number; perMessageDeflate: false } {
  return { maxPayload: limits.maxMessageBytes + 65_536, perMessageDeflate: false }
}
