/**
 * A listener for streams. Every accepted socket passes one gate, whatever is spoken over it later: limits on
 * connections, and a time by which TLS and WebSocket must have shaken hands.
 */
import type http from 'node:http'
import net from 'node:net'
import tls from 'node:tls'
import { formatHostPort } from '../message/host.js'
import { canonicalHost } from './address.js'
import type { ConnectionHost } from './connection.js'
import type { AcceptedPlace } from './connections.js'
import { ListenError } from './listen-error.js'
import { StreamConnection } from './stream.js'
import { serverContext, serverOptions } from './tls-options.js'
import type { ClientCertificates, Listener, ListenerSpec, TlsMaterial } from './transport.js'
import { createUpgrader, WebSocketConnection } from './websocket.js'

/**
 * The kernel looks after silent peers: those that have vanished are found within minutes, and NATs keep in mind the
 * phones that send no keep-alives of their own. Below the few minutes after which most NATs forget (RFC 5382 REQ-5 has
 * two hours, which few keep to).
 */
const keepAlive = { keepAlive: true, keepAliveInitialDelay: 120_000 }

/**
 * Without a free descriptor a connection that waits can't be accepted, and each turn of the event loop says so again.
 * The pause between two such lines, ms.
 */
const noDescriptorPauseMs = 60_000

/** What tls and wss listeners need. */
export interface TlsServing {
  readonly material: TlsMaterial
  readonly clients: ClientCertificates
}

/** An accepted socket, and its place among the connections. */
interface Guest {
  readonly socket: net.Socket
  readonly timer: NodeJS.Timeout
  readonly place: AcceptedPlace
}

export class StreamListener {
  /** Accepted sockets that are no SIP connection yet, by peer: TLS and HTTP hand back another object than they got. */
  private readonly shakingHands = new Map<string, Guest>()
  private readonly tlsServer: tls.Server | undefined
  private readonly httpServer: http.Server | undefined
  private noDescriptorSince = -Infinity

  private constructor(
    private readonly host: ConnectionHost,
    readonly listener: Listener,
    private readonly server: net.Server,
    secure: TlsServing | undefined,
  ) {
    const { transport } = listener
    if (transport === 'ws' || transport === 'wss') {
      this.httpServer = createUpgrader(host, (ws, socket) => {
        WebSocketConnection.accept(host, listener, ws, socket, this.handsShaken(socket))
      })
    }
    if (secure) {
      // Neither this server nor the HTTP server listens: they are given the sockets that passed the gate.
      this.tlsServer = tls.createServer(serverOptions(secure.material, secure.clients), (socket) =>
        this.spoken(socket),
      )
      this.tlsServer.on('tlsClientError', (error, socket) => {
        host.log.debug(
          { transport, remote: socket.remoteAddress, reason: error.message },
          'TLS handshake failed',
        )
        socket.destroy()
      })
    }
    server.on('connection', (socket) => this.accepted(socket))
    server.on('error', (error) => this.failed(error))
  }

  /** Binds; rejects with a ListenError. `secure` is there for tls and wss. */
  static async open(
    host: ConnectionHost,
    spec: ListenerSpec,
    id: number,
    secure: TlsServing | undefined,
  ): Promise<StreamListener> {
    const server = net.createServer({ noDelay: true, allowHalfOpen: true, ...keepAlive })
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => reject(ListenError.from(spec, error)))
      // Without ipv6Only a listener on `::` would take the port of one on `0.0.0.0` as well.
      server.listen({ host: spec.host, port: spec.port, ipv6Only: true, exclusive: true }, resolve)
    })
    server.removeAllListeners('error')
    const bound = server.address() as net.AddressInfo
    const listener: Listener = {
      id,
      transport: spec.transport,
      family: net.isIPv6(spec.host) ? 6 : 4,
      host: canonicalHost(bound.address),
      port: bound.port,
      ...(spec.advertise && { advertise: spec.advertise }),
    }
    return new StreamListener(host, listener, server, secure)
  }

  /** Handshakes from now on use this certificate; connections that exist are not touched. */
  updateTls(material: TlsMaterial): void {
    this.tlsServer?.setSecureContext(serverContext(material))
  }

  /** Accepts no more. Resolves when the connections it had accepted are closed too, which is the layer's to do. */
  close(): Promise<void> {
    for (const { socket } of this.shakingHands.values()) socket.destroy()
    return new Promise((resolve) => this.server.close(() => resolve()))
  }

  private failed(error: NodeJS.ErrnoException): void {
    const { transport } = this.listener
    if (error.code === 'EMFILE' || error.code === 'ENFILE') {
      const now = performance.now()
      if (now - this.noDescriptorSince < noDescriptorPauseMs) return
      this.noDescriptorSince = now
    }
    this.host.log.error({ err: error, transport }, 'error of a listener')
  }

  private accepted(socket: net.Socket): void {
    const { host } = this
    const source = canonicalHost(socket.remoteAddress ?? '')
    const place = source === '' ? undefined : host.table.accept(source, () => socket.destroy())
    if (!place) {
      host.log.debug({ transport: this.listener.transport, source }, 'connection refused: too many')
      socket.destroy()
      return
    }
    const key = peerKey(socket)
    const timer = setTimeout(() => socket.destroy(), host.limits.connectTimeoutMs)
    this.shakingHands.set(key, { socket, timer, place })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearTimeout(timer)
      if (this.shakingHands.get(key)?.socket === socket) this.shakingHands.delete(key)
      place.release()
    })
    if (this.tlsServer) this.tlsServer.emit('connection', socket)
    else this.spoken(socket)
  }

  /** The plain or decrypted bytes begin. */
  private spoken(socket: net.Socket): void {
    socket.on('error', () => undefined)
    if (this.httpServer) {
      this.httpServer.emit('connection', socket)
    } else {
      StreamConnection.accept(this.host, this.listener, socket, this.handsShaken(socket))
    }
  }

  /** What begins now is a SIP connection; gives its place. */
  private handsShaken(socket: net.Socket): AcceptedPlace | undefined {
    const key = peerKey(socket)
    const guest = this.shakingHands.get(key)
    clearTimeout(guest?.timer)
    this.shakingHands.delete(key)
    return guest?.place
  }
}

function peerKey(socket: net.Socket): string {
  return formatHostPort(socket.remoteAddress ?? '', socket.remotePort)
}
