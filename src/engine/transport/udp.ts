/** UDP: one socket per listener, and flows that are nothing but a peer's address on it. */
import dgram from 'node:dgram'
import { isIPv6 } from 'node:net'
import { canonicalHost, isWildcard } from './address.js'
import { reportFailure } from './flow.js'
import type { SendingFlow, TransportLog } from './flow.js'
import { ListenError } from './listen-error.js'
import { QueueGauge } from './queue-gauge.js'
import type { Receiver } from './receive.js'
import { answerStun, isStun } from './stun.js'
import type { UdpProbes } from './udp-probe.js'
import type { Listener, ListenerSpec, SendFailure } from './transport.js'

/** Asked of the kernel, which may give less: room for the datagrams that arrive while the process is busy, bytes. */
const receiveBufferBytes = 4 * 1024 * 1024

/** A datagram shorter than this can only be a keep-alive. */
const shortestMessageBytes = 4

/** The keep-alive of RFC 5626 §4.4.1 and its answer. It is meant for streams, but phones send it over UDP too. */
const ping = Buffer.from('\r\n\r\n')
const pong = Buffer.from('\r\n')

export class UdpListener {
  private readonly gauge = new QueueGauge()

  private constructor(
    readonly socket: dgram.Socket,
    readonly listener: Listener,
    readonly receiver: Receiver,
    readonly probes: UdpProbes,
    readonly log: TransportLog,
  ) {
    socket.on('message', (data, from) => this.received(data, from))
    socket.on('error', (error) => log.error({ err: error, transport: 'udp' }, 'error of a listener'))
  }

  /** Binds; rejects with a ListenError. */
  static async open(
    spec: ListenerSpec,
    id: number,
    receiver: Receiver,
    probes: UdpProbes,
    log: TransportLog,
  ): Promise<UdpListener> {
    const family = isIPv6(spec.host) ? 6 : 4
    const socket = dgram.createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      // Without it a listener on `::` would take the port of one on `0.0.0.0` as well.
      ipv6Only: family === 6,
      // Only literal addresses come here: DNS is not asked, and a datagram is sent in the same turn.
      lookup: (address, _options, done) => done(null, address, family),
    })
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('error', (error) => reject(ListenError.from(spec, error)))
        socket.bind({ address: spec.host, port: spec.port, exclusive: true }, resolve)
      })
    } catch (error) {
      socket.close()
      throw error
    }
    socket.removeAllListeners('error')
    try {
      socket.setRecvBufferSize(receiveBufferBytes)
    } catch (error) {
      log.debug({ err: error }, 'the receive buffer keeps its size')
    }
    const bound = socket.address()
    const listener: Listener = {
      id,
      transport: 'udp',
      family,
      host: canonicalHost(bound.address),
      port: bound.port,
      ...(spec.advertise && { advertise: spec.advertise }),
    }
    return new UdpListener(socket, listener, receiver, probes, log)
  }

  flowTo(address: string, port: number): UdpFlow {
    return new UdpFlow(this, address, port)
  }

  /** Sends the next mark of the gauge to itself; what a datagram has to wait in the kernel's queue, ms. */
  measureQueue(now: number): number {
    const { host, family } = this.listener
    const self = isWildcard(host) ? (family === 6 ? '::1' : '127.0.0.1') : host
    // Where that can't be sent the gauge hears nothing, and tells nothing.
    this.socket.send(this.gauge.mark(now), this.listener.port, self, () => undefined)
    return this.gauge.delay(now)
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.socket.close(() => resolve()))
  }

  private received(data: Buffer, from: dgram.RemoteInfo): void {
    if (this.gauge.receive(data, performance.now())) return
    // A link-local address is only good for an answer with its zone, so flows keep it as it came.
    const flow = new UdpFlow(
      this,
      from.family === 'IPv4' ? from.address : withoutMapping(from.address),
      from.port,
    )
    this.probes.heard(flow.remoteAddress, flow.remotePort)
    if (isKeepAlive(data)) {
      // Not more than was sent: the source may be forged.
      if (data.equals(ping)) flow.send(pong)
    } else if (isStun(data)) {
      const answer = answerStun(data, canonicalHost(from.address), from.port)
      if (answer) flow.send(answer)
    } else {
      this.receiver.datagram(data, flow)
    }
  }
}

/** Cheaper to make than to look up: compare flows by their remote address and port, not by identity. */
export class UdpFlow implements SendingFlow {
  constructor(
    private readonly udp: UdpListener,
    readonly remoteAddress: string,
    readonly remotePort: number,
  ) {}

  get transport(): 'udp' {
    return 'udp'
  }

  get listener(): Listener {
    return this.udp.listener
  }

  get open(): boolean {
    return true
  }

  send(data: Buffer, onFailure?: SendFailure): void {
    const { socket, receiver, log } = this.udp
    receiver.stats.sent++
    try {
      // Without a callback Node does less per datagram, and keeps errors to itself.
      if (!onFailure) socket.send(data, this.remotePort, this.remoteAddress)
      else {
        socket.send(data, this.remotePort, this.remoteAddress, (error) => {
          if (error) reportFailure(onFailure, error, log)
        })
      }
    } catch (error) {
      reportFailure(onFailure, error instanceof Error ? error : new Error(String(error)), log)
    }
  }

  /** As TransportLayer.probe. */
  probe(): Error | undefined {
    return this.udp.probes.ask(this.remoteAddress, this.remotePort, this.listener.host)
  }
}

/** CRLFs or NULs that phones (and servers towards phones) send to keep a NAT binding open. */
function isKeepAlive(data: Buffer): boolean {
  if (data.length < shortestMessageBytes) return true
  for (const byte of data) if (byte !== 13 && byte !== 10 && byte !== 0) return false
  return true
}

function withoutMapping(address: string): string {
  return address.startsWith('::ffff:') ? canonicalHost(address) : address
}
