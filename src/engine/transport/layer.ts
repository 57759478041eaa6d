/** The transport layer: all listeners and flows behind the contract of transport.ts. */
import { createSecureContext, type SecureContext } from 'node:tls'
import { StreamListener, type TlsServing } from './accept.js'
import { canonicalHost, familyOf, isWildcard } from './address.js'
import { Connection } from './connection.js'
import type { ConnectionHost } from './connection.js'
import { ConnectionTable } from './connections.js'
import { silentLog } from './flow.js'
import type { SendingFlow, TransportLog } from './flow.js'
import { ListenError } from './listen-error.js'
import { LocalAddresses } from './local-address.js'
import { isNameOf, nameFor } from './own-names.js'
import { Receiver } from './receive.js'
import { StreamConnection } from './stream.js'
import { clientContext, serverContext } from './tls-options.js'
import type {
  ClientCertificates,
  Flow,
  Listener,
  ListenerSpec,
  OpenOptions,
  OutgoingTls,
  SendFailure,
  TlsMaterial,
  TransportHandlers,
  TransportLayer,
  TransportLimits,
  TransportName,
} from './transport.js'
import { UdpFlow, UdpListener } from './udp.js'
import { UdpProbes } from './udp-probe.js'
import { WebSocketConnection } from './websocket.js'

export interface TransportOptions {
  specs: readonly ListenerSpec[]
  limits: TransportLimits
  /** Needed by tls and wss listeners, and shown to servers that ask for a client's certificate. */
  tls?: TlsMaterial
  /** Whether tls and wss clients are asked for a certificate; else than `off` needs `tls.clientCa`. Default `off`. */
  clientCertificates?: ClientCertificates
  outgoingTls?: OutgoingTls
  log?: TransportLog
}

/** The contract, and what only the owner of the layer may do. */
export interface OwnedTransportLayer extends TransportLayer {
  /**
   * Renews the certificate of all tls and wss listeners for handshakes to come; connections stay.
   * @throws ListenError (`ETLS`) if it can't be used; the old one then stays in use.
   */
  updateTls(material: TlsMaterial): void
  /** How long what arrives by UDP waits before it is read, ms. To be called every 50 ms or so. */
  measureQueues(): number
}

/** Makes a layer that listens on nothing until `start`. */
export function createTransportLayer(options: TransportOptions): OwnedTransportLayer {
  return new Layer(options)
}

class Layer implements OwnedTransportLayer {
  private readonly udp: UdpListener[] = []
  private readonly streams: StreamListener[] = []
  private readonly table: ConnectionTable
  private readonly addresses = new LocalAddresses()
  private readonly log: TransportLog
  private readonly probes = new UdpProbes()
  private material: TlsMaterial | undefined
  /** Made when the first TLS connection is opened, and again after the certificate was renewed. */
  private outgoing: SecureContext | undefined
  /** There while the layer runs. */
  private host: ConnectionHost | undefined
  private counters: Receiver['stats'] = { received: 0, sent: 0, rejected: 0, dropped: 0 }
  private cameBefore = 0
  listeners: readonly Listener[] = []

  constructor(private readonly options: TransportOptions) {
    this.table = new ConnectionTable(options.limits)
    this.log = options.log ?? silentLog
    this.material = options.tls
  }

  get stats(): TransportLayer['stats'] {
    const { table } = this
    return {
      connections: table.count,
      tcpConnections: table.countOf('tcp'),
      tlsConnections: table.countOf('tls'),
      wsConnections: table.countOf('ws'),
      wssConnections: table.countOf('wss'),
      ...this.counters,
    }
  }

  async start(handlers: TransportHandlers): Promise<void> {
    if (this.host) throw new Error('the transport layer is already started')
    const { limits, specs } = this.options
    const { log, table } = this
    const receiver = new Receiver(handlers, limits, log, this)
    this.counters = receiver.stats
    const host = (this.host = { limits, table, receiver, log })
    try {
      for (const [id, spec] of specs.entries()) await this.open(host, spec, id)
    } catch (error) {
      await this.stop()
      throw error
    }
    this.listeners = [...this.udp, ...this.streams]
      .map(({ listener }) => listener)
      .sort((a, b) => a.id - b.id)
  }

  async stop(): Promise<void> {
    this.host = undefined
    const closing = [...this.streams, ...this.udp].map((listener) => listener.close())
    for (const connection of this.table.all()) connection.stop(new Error('the server stops'))
    this.streams.length = 0
    this.udp.length = 0
    this.listeners = []
    this.probes.close()
    await Promise.all([...closing, this.table.whenEmpty()])
  }

  send(flow: Flow, data: Buffer, onFailure?: SendFailure): void {
    // Every flow that anybody can have was made by this layer.
    ;(flow as SendingFlow).send(data, onFailure)
  }

  findFlow(transport: TransportName, address: string, port: number, preferred?: Listener): Flow | undefined {
    if (transport === 'udp') return this.openUdp(address, port, preferred)
    return this.table.find(transport, canonicalHost(address), port)
  }

  openFlow(
    transport: TransportName,
    address: string,
    port: number,
    { preferred, ...more }: OpenOptions = {},
  ): Flow | undefined {
    if (transport === 'udp') return this.openUdp(address, port, preferred)
    const remote = canonicalHost(address)
    const secure = transport === 'tls' || transport === 'wss'
    const known = this.table.find(transport, remote, port, secure ? more.serverName : undefined)
    if (known) return known
    const listener = this.pick(this.streams, transport, remote, preferred)?.listener
    if (!this.host || !listener) return undefined
    if (port < 1 || port > 65_535) return undefined
    if (!this.table.admit()) {
      this.log.warn({ transport, address, port }, 'no connection opened: too many are open')
      return undefined
    }
    const to = { address: remote, port, outgoing: true, ...more }
    const how = {
      localAddress: isWildcard(listener.host) ? undefined : listener.host,
      verifyPeers: this.options.outgoingTls?.verify ?? true,
      secureContext: secure ? this.outgoingContext() : undefined,
    }
    const kind = transport === 'ws' || transport === 'wss' ? WebSocketConnection : StreamConnection
    return kind.connect(this.host, listener, to, how)
  }

  localAddress(flow: Flow): { host: string; port: number } {
    const connected = flow instanceof Connection ? flow.localAddress : undefined
    return nameFor(flow.listener, canonicalHost(flow.remoteAddress), connected, this.addresses)
  }

  isLocal(host: string, port: number | undefined, transport?: TransportName): boolean {
    return this.listeners.some(
      (listener) =>
        (transport === undefined || listener.transport === transport) &&
        isNameOf(listener, host, port, this.addresses),
    )
  }

  listenerAt(transport: TransportName, host: string, port: number): Listener | undefined {
    return this.listeners.find(
      (listener) => listener.transport === transport && isNameOf(listener, host, port, this.addresses),
    )
  }

  hasTwin({ id, transport, family }: Listener): boolean {
    return this.listeners.some(
      (other) => other.transport === transport && other.family === family && other.id !== id,
    )
  }

  probe(flow: Flow): Error | undefined {
    return flow instanceof UdpFlow ? flow.probe() : undefined
  }

  vouch(flow: Flow): void {
    if (flow instanceof Connection) flow.vouched()
  }

  measureQueues(): number {
    const { received, rejected, dropped } = this.counters
    const came = received + rejected + dropped
    // Nothing came: nothing waits.
    if (came === this.cameBefore) return 0
    this.cameBefore = came
    const now = performance.now()
    return Math.max(0, ...this.udp.map((listener) => listener.measureQueue(now)))
  }

  updateTls(material: TlsMaterial): void {
    const spec = this.options.specs.find(needsTls)
    if (spec) this.secure(spec, material)
    this.material = material
    this.outgoing = undefined
    for (const listener of this.streams) listener.updateTls(material)
  }

  private async open(host: ConnectionHost, spec: ListenerSpec, id: number): Promise<void> {
    if (familyOf(spec.host) === undefined) throw new ListenError(spec, 'EHOST', 'the host is no IP address')
    if (spec.transport === 'udp') {
      this.udp.push(await UdpListener.open(spec, id, host.receiver, this.probes, host.log))
      return
    }
    const secure = needsTls(spec) ? this.secure(spec, this.material) : undefined
    this.streams.push(await StreamListener.open(host, spec, id, secure))
  }

  /** @throws ListenError if this can't be used. */
  private secure(spec: ListenerSpec, material: TlsMaterial | undefined): TlsServing {
    const clients = this.options.clientCertificates ?? 'off'
    if (!material) throw new ListenError(spec, 'ETLS', 'there is no certificate')
    if (clients !== 'off' && material.clientCa === undefined) {
      throw new ListenError(
        spec,
        'ETLS',
        'clients are asked for certificates, but no authority for them is named',
      )
    }
    try {
      createSecureContext(serverContext(material))
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error)
      throw new ListenError(spec, 'ETLS', `certificate and key can't be used: ${detail}`, error)
    }
    return { material, clients }
  }

  private outgoingContext(): SecureContext {
    return (this.outgoing ??= clientContext(this.material, this.options.outgoingTls?.trusted))
  }

  private openUdp(address: string, port: number, preferred: Listener | undefined): Flow | undefined {
    const remote = canonicalHost(address)
    // A link-local address is only good with its zone, which the canonical form has not.
    const to = address.includes('%') ? address : remote
    return this.pick(this.udp, 'udp', remote, preferred)?.flowTo(to, port)
  }

  /**
   * The listener to reach a peer from: the preferred one if it can, else one that is bound where packets to that peer
   * leave this machine, else the first of that transport and family.
   */
  private pick<T extends { listener: Listener }>(
    among: readonly T[],
    transport: TransportName,
    remote: string,
    preferred: Listener | undefined,
  ): T | undefined {
    const family = familyOf(remote)
    const able = among.filter(
      ({ listener }) => listener.transport === transport && listener.family === family,
    )
    if (able.length < 2) return able[0]
    const wanted = able.find(({ listener }) => listener === preferred)
    if (wanted) return wanted
    const facing = this.addresses.facing(remote)
    return able.find(({ listener: { host } }) => isWildcard(host) || host === facing) ?? able[0]
  }
}

function needsTls(spec: ListenerSpec): boolean {
  return spec.transport === 'tls' || spec.transport === 'wss'
}
