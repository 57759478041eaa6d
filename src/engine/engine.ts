/** The embedded SIP edge: wires transports, transactions, proxy and control port together. */
import { Applications } from './control/applications.js'
import { DialogTable } from './dialog/table.js'
import { Dispatcher, type DispatchStats } from './dispatch.js'
import { formatHostPort } from './message/host.js'
import { randomToken } from './message/tokens.js'
import { hasCredentials } from './overload/newcomer.js'
import { Overload, tickMs, type OverloadLimits, type OverloadStats } from './overload/overload.js'
import type { ProxyEnvironment } from './proxy/client.js'
import { Devices } from './proxy/devices.js'
import { DialogTokens } from './proxy/dialog-token.js'
import { forwardAck, forwardInDialog } from './proxy/in-dialog.js'
import { RecordRouting } from './proxy/record-route.js'
import type { Dns } from './resolve/dns.js'
import { Servers } from './resolve/servers.js'
import { SystemDns } from './resolve/system-dns.js'
import { TransactionTable } from './transaction/table.js'
import { TimerWheel, defaultTiming, type Scheduler, type Timing } from './transaction/timers.js'
import type { TransactionEnvironment } from './transaction/transaction.js'
import type { TransportLog } from './transport/flow.js'
import { createTransportLayer } from './transport/layer.js'
import type {
  ClientCertificates,
  Listener,
  ListenerSpec,
  OutgoingTls,
  TlsMaterial,
  TransportLayer,
  TransportLimits,
} from './transport/transport.js'

export interface EngineLimits extends TransportLimits {
  /** Most transactions at once, finished ones that still absorb retransmissions included; above: 503. */
  maxTransactions: number
  /** Most branches of one request. */
  maxForks: number
  /** Most dialogs of applications at once; above, responses that would make one are turned into 503. Default 100,000. */
  maxDialogs?: number
  /** How long an application may take for its first reaction to a request, ms; then 503. */
  applicationTimeoutMs: number
  /** When new requests are turned away; see overload/overload.ts for the defaults. */
  overload?: Partial<OverloadLimits>
}

export interface EngineOptions {
  listeners: readonly ListenerSpec[]
  /** Where applications connect; port 0 lets the system choose. */
  control: { host: string; port: number; secret: string }
  limits: EngineLimits
  /** At least 32 bytes, kept over restarts: calls in progress depend on it. */
  recordRouteKey: Buffer
  /** Needed by tls and wss listeners. */
  tls?: TlsMaterial
  /** Whether tls and wss clients are asked for a certificate (of `tls.clientCa`). Default `off`. */
  clientCertificates?: ClientCertificates
  outgoingTls?: OutgoingTls
  log?: TransportLog
  /** For tests. */
  timing?: Timing
  scheduler?: Scheduler
  dns?: Dns
}

export interface EngineAddresses {
  listeners: readonly Listener[]
  control: { host: string; port: number }
}

export interface EngineStats extends DispatchStats {
  transactions: number
  unanswered: number
  /** Of the applications; the proxy keeps none. */
  dialogs: number
  applications: number
  transport: TransportLayer['stats']
  overload: OverloadStats
}

export interface Engine {
  /** Binds everything; rejects with the transport layer's error if an address can't be had. */
  start(): Promise<EngineAddresses>
  /**
   * Renews the certificate for TLS handshakes to come; connections stay.
   * @throws ListenError (`ETLS`) if it can't be used; the old one then stays in use.
   */
  updateTls(material: TlsMaterial): void
  /** Takes no new calls, waits up to `ms` for unanswered requests, of either side, to get their answer. */
  drain(ms: number): Promise<void>
  /** Closes everything. */
  stop(): Promise<void>
  stats(): EngineStats
}

/** Time for the last answers and CANCELs to leave, ms. */
const goodbyeMs = 100

/** Some 2 kB each. */
const defaultMaxDialogs = 100_000

/** Unsent bytes towards an application above which it gets no new requests; largest frame that it may send. */
const maxControlQueueBytes = 8 * 1024 * 1024
const maxFrameBytes = 1024 * 1024
/** Time for an application to authenticate once it is connected, ms. */
const authenticateMs = 10_000

export function createEngine(options: EngineOptions): Engine {
  const { limits, log } = options
  const wheel = options.scheduler ?? new TimerWheel((error) => log?.error({ err: error }, 'a timer failed'))
  const transport = createTransportLayer({
    specs: options.listeners,
    limits,
    ...(options.tls ? { tls: options.tls } : {}),
    ...(options.clientCertificates ? { clientCertificates: options.clientCertificates } : {}),
    ...(options.outgoingTls ? { outgoingTls: options.outgoingTls } : {}),
    ...(log ? { log } : {}),
  })
  const environment: TransactionEnvironment = {
    scheduler: wheel,
    timing: options.timing ?? defaultTiming,
    send: (flow, data, onFailure) => transport.send(flow, data, onFailure),
    probe: (flow) => transport.probe(flow),
  }
  const table = new TransactionTable(environment)
  const devices = new Devices(options.recordRouteKey)
  const recordRouting = new RecordRouting(transport, new DialogTokens(options.recordRouteKey), devices)
  const proxyEnvironment: ProxyEnvironment = {
    ...environment,
    transport,
    recordRouting,
    devices,
    servers: new Servers(options.dns ?? new SystemDns(), wheel, () => transport.listeners),
    maxForks: limits.maxForks,
    startClient: (request, flow, user) => table.startClient(request, flow, user),
    unique: () => randomToken(10),
  }
  const dialogs = new DialogTable(limits.maxDialogs ?? defaultMaxDialogs)
  const applications = new Applications(proxyEnvironment, dialogs, {
    secret: options.control.secret,
    hostports: () => hostports(transport),
    maxFrameBytes,
    maxQueueBytes: maxControlQueueBytes,
    authenticateMs,
    timeoutMs: limits.applicationTimeoutMs,
    onError: (error) => log?.error({ err: error }, 'a command of the application failed'),
  })
  const overload = new Overload(limits.overload ?? {}, Math.random, {
    begun: (stats) => log?.warn(stats, 'overload: new requests are turned away'),
    over: (seconds, refused) => log?.warn({ seconds, refused }, 'the overload is over'),
  })
  let watch: NodeJS.Timeout | undefined
  const boot = randomToken(4)
  let sequence = 0
  const dispatcher = new Dispatcher(
    environment,
    transport,
    table,
    recordRouting,
    {
      toApplication: (incoming) => {
        applications.deliver(incoming)
        if (incoming.finalStatus !== 0) return
        const { request } = incoming
        const place = overload.enter(request.method, hasCredentials(request), wheel.now())
        incoming.onReaction = () => place.leave(wheel.now())
      },
      cancelAtApplication: (incoming, cancel) => applications.cancel(incoming, cancel),
      inProxiedDialog: (incoming, dialog) => {
        const { request } = incoming
        if (request.method === 'BYE') applications.records.stop(request, 'normal-release', true)
        forwardInDialog(proxyEnvironment, incoming, dialog)
      },
      ackInProxiedDialog: (ack, flow, dialog) => forwardAck(proxyEnvironment, ack, flow, dialog),
      inOwnDialog: (incoming) => {
        const dialog = dialogs.find(incoming.request)
        if (!dialog) return applications.deliverLater(incoming)
        applications.deliverWithin(incoming, dialog)
        return true
      },
      ackInOwnDialog: (ack, flow) => applications.deliverAck(ack, flow),
    },
    overload,
    { maxTransactions: limits.maxTransactions, newId: () => `${boot}-${(++sequence).toString(36)}` },
    (flow, error) =>
      log?.debug({ to: `${flow.remoteAddress}:${flow.remotePort}`, err: error }, 'response not delivered'),
  )

  return {
    async start() {
      await transport.start({
        onMessage: (message, flow) => dispatcher.receive(message, flow),
        onRejected: () => {},
        onConnection: (flow, state, reason) => {
          applications.connectionChanged(flow, state, reason)
          if (state !== 'closed') return
          table.connectionLost(flow)
          applications.connectionClosed(flow)
        },
        onDropped: (flow, reason) =>
          log?.debug({ from: `${flow.remoteAddress}:${flow.remotePort}`, reason }, 'dropped'),
      })
      try {
        const address = await applications.server.start(options.control.host, options.control.port)
        watch = setInterval(() => overload.tick(wheel.now(), transport.measureQueues()), tickMs)
        return { listeners: transport.listeners, control: address }
      } catch (error) {
        await transport.stop()
        throw error
      }
    },
    updateTls: (material) => transport.updateTls(material),
    async drain(ms) {
      dispatcher.draining = true
      const deadline = Date.now() + ms
      const isBusy = (): boolean => table.unanswered > 0 || applications.ringing
      while (isBusy() && Date.now() < deadline) await pause(20)
      if (!isBusy()) return
      // Nobody shall ring for a call that this server can no longer connect.
      table.abort()
      applications.abort()
      await pause(goodbyeMs)
    },
    async stop() {
      clearInterval(watch)
      dialogs.clear()
      table.clear()
      await Promise.all([applications.server.stop(), transport.stop()])
      if (wheel instanceof TimerWheel) wheel.stop()
    },
    stats: () => ({
      ...dispatcher.stats,
      transactions: table.size,
      unanswered: table.unanswered,
      dialogs: dialogs.size,
      applications: applications.server.connected,
      transport: transport.stats,
      overload: overload.stats,
    }),
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** drachtio's form: `udp/192.0.2.1:5060,tcp/192.0.2.1:5060`; what peers see, and what is bound. */
function hostports(transport: TransportLayer): { advertised: string; local: string } {
  const text = (listener: Listener, host: string, port: number): string =>
    `${listener.transport}/${formatHostPort(host, port)}`
  return {
    advertised: transport.listeners
      .map((listener) =>
        text(listener, listener.advertise?.host ?? listener.host, listener.advertise?.port ?? listener.port),
      )
      .join(','),
    local: transport.listeners.map((listener) => text(listener, listener.host, listener.port)).join(','),
  }
}
