/**
 * The typed facade of drachtio-srf: with edge-request.ts the only file that touches the library, and the only one that
 * knows what its types leave out. It also bounds in time what the library may leave open for ever.
 */
import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import Srf from 'drachtio-srf'
import { hangUpEvent, parseHostports, tellHangUp, type HangUp } from './edge-fields.js'
import {
  SrfEdgeRequest,
  type EdgeRequest,
  type SrfClient,
  type SrfRequest,
  type SrfResponse,
} from './edge-request.js'
import { connectionEvent, readConnectionNews, type ConnectionNews } from './connection-news.js'
import { joinWrites } from './joined-writes.js'

/** Where an edge listens for its applications. */
export interface EdgeAddress {
  host: string
  port: number
  secret: string
}

export interface Edge {
  readonly connected: boolean
  /** Addresses at which the edge is reached by phones, as it told them when we connected. */
  readonly addresses: readonly { host: string; port: number }[]
  /** Closes the connection after everything that was written to it. */
  close(): Promise<void>
}

export interface EdgeOptions extends EdgeAddress {
  log: Logger
  methods: readonly string[]
  handler: (request: EdgeRequest) => void
  /** Told of each BYE within the calls that the edge proxied, also before a restart; absent: the edge is not asked to. */
  onHangUp?: (bye: HangUp) => void
  /** Told of connections over TCP, TLS and WebSocket, by the embedded engine; absent: it is not asked to. */
  onConnection?: (news: ConnectionNews) => void
  /** How long the first connection may take, ms. */
  connectTimeoutMs?: number
}

/** The parts of drachtio-srf that its types do not tell. */
interface SrfLike {
  app: {
    client: SrfClient
    use(method: string, handler: (request: SrfRequest, response: SrfResponse) => void): void
  }
  connect(options: object): void
  on(event: string, listener: (...args: never[]) => void): void
}

/** Resolves once the edge has accepted us. From then on a lost connection is built up again by itself. */
export async function connectEdge(options: EdgeOptions): Promise<Edge> {
  const { log } = options
  const srf = new Srf() as unknown as SrfLike
  const proxies = new Set<(error: Error) => void>()
  const guarded = new WeakSet<Socket>()
  let connected = false
  let closed = false
  /** Whether the edge understands `drop`; drachtio-server would close the connection. */
  let canDrop = false
  let addresses: { host: string; port: number }[] = []

  for (const method of options.methods)
    srf.app.use(method.toLowerCase(), (request, response) =>
      options.handler(new SrfEdgeRequest(request, response, proxies, canDrop)),
    )

  const { onHangUp, onConnection } = options
  if (onHangUp) srf.on(hangUpEvent, () => {})
  if (onConnection) srf.on(connectionEvent, () => {})

  const client = () => srf.app.client
  const edge: Edge = {
    get connected() {
      return connected
    },
    get addresses() {
      return addresses
    },
    async close() {
      closed = true
      connected = false
      // srf.disconnect() throws without a connection, and leaves its timer.
      const { wp, mapServer } = client()
      wp.closing = true
      if (wp.reconnectVars.retryTimer) clearTimeout(wp.reconnectVars.retryTimer)
      await Promise.all([...mapServer.keys()].map(endSocket))
    },
  }

  return new Promise((resolve, reject) => {
    const giveUp = (error: Error) => {
      clearTimeout(deadline)
      if (!connected) void edge.close()
      reject(error)
    }
    const deadline = setTimeout(
      () => giveUp(new Error(`edge ${options.host}:${options.port} does not answer`)),
      options.connectTimeoutMs ?? 10_000,
    )

    srf.on('connect', (error: Error | null, hostports?: string, version?: string) => {
      if (closed) {
        for (const socket of client().mapServer.keys()) socket.destroy()
        return
      }
      if (error) {
        log.error({ edge: address(options) }, `edge refuses this application: ${error.message}`)
        giveUp(new Error(`edge ${address(options)} refuses this application: ${error.message}`))
        return
      }
      for (const socket of client().mapServer.keys()) if (!guarded.has(socket)) guard(socket)
      addresses = parseHostports(hostports ?? '')
      canDrop = version?.includes('privateline') ?? false
      connected = true
      clearTimeout(deadline)
      log.info({ edge: address(options), addresses: hostports }, 'connected to the edge')
      resolve(edge)
    })
    srf.on('close', () => {
      if (connected && !closed) log.error({ edge: address(options) }, 'connection to the edge lost')
      connected = false
      // srf forgets what waited on that connection, and would never settle it.
      for (const fail of proxies) fail(new Error('connection to the edge lost'))
    })
    srf.on('error', (error: Error) =>
      log.debug({ edge: address(options), err: error }, 'edge connection error'),
    )
    srf.connect({
      host: options.host,
      port: options.port,
      secret: options.secret,
      // Without a maximum its back-off grows for ever.
      reconnect: { retryMaxDelay: 2000 },
    })
    // They come in the guise of another event; to route that one as well would bring every answer to a call.
    if (onHangUp) client().cdrHandlers.set('stop', (...event) => tellHangUp(event, onHangUp))
    if (onConnection)
      client().cdrHandlers.set('start', (...event) => {
        const news = readConnectionNews(event)
        if (news) onConnection(news)
      })
  })

  function guard(socket: Socket): void {
    guarded.add(socket)
    // srf forgets this when it reconnects; without it Nagle's algorithm holds answers back.
    socket.setNoDelay(true)
    joinWrites(socket)
    // srf throws out of its data listener at a frame that it can't read, which would end the process.
    for (const listener of socket.listeners('data') as ((chunk: Buffer) => void)[]) {
      socket.off('data', listener)
      socket.on('data', (chunk: Buffer) => {
        try {
          listener.call(socket, chunk)
        } catch (error) {
          log.error({ err: error }, 'unreadable frame from the edge: connecting anew')
          socket.destroy()
        }
      })
    }
  }
}

function endSocket(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const deadline = setTimeout(() => socket.destroy(), 1000)
    socket.once('close', () => {
      clearTimeout(deadline)
      resolve()
    })
    socket.end()
  })
}

function address({ host, port }: EdgeAddress): string {
  return `${host}:${port}`
}
