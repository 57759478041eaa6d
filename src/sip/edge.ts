/**
 * The typed facade of drachtio-srf: the only file that touches the library, and the only one that knows what its
 * types leave out. It also bounds in time what the library may leave open for ever.
 */
import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import Srf from 'drachtio-srf'
import type { SipTransport } from '../store/types.js'
import {
  cipherOf,
  hangUpEvent,
  parseHostports,
  proxyResponse,
  tellHangUp,
  transportOf,
  type HangUp,
  type ProxyCallback,
  type ProxyResponse,
  type ProxyResult,
} from './edge-fields.js'
import { connectionEvent, readConnectionNews, type ConnectionNews } from './connection-news.js'
import { splitValues } from './header-values.js'
import { joinWrites } from './joined-writes.js'
import type { ReplyHeaders } from './reply.js'

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

/** One request from the network. */
export interface EdgeRequest {
  readonly method: string
  readonly uri: string
  readonly callId: string
  readonly source: { address: string; port: number; transport: SipTransport }
  /** Version and cipher of TLS; undefined without, or where the edge does not tell. */
  readonly cipher: string | undefined
  /** Our listener, as phones know it, where the edge tells it. */
  readonly receivedOn: { host: string; port: number } | undefined
  /** True once the caller has sent CANCEL; the edge has then answered. */
  readonly cancelled: boolean
  /** True once there is nothing left to answer: a final response was sent, or the edge has taken the request over. */
  readonly settled: boolean
  /** The value of a header; several lines of one name are joined by commas. Undefined if there is none. */
  header(name: string): string | undefined
  /** The single values of a comma separated header. */
  headerValues(name: string): string[]
  /** Empty if there is none. */
  readonly body: string
  /** Answers. Later calls than the first final answer do nothing. */
  reply(status: number, reason?: string, headers?: ReplyHeaders): void
  /** Lets the edge proxy the request. Rejects if it refuses, goes away, or does not report the end in time. */
  proxy(targets: readonly string[], options: ProxyOptions): Promise<ProxyResult>
  /** Leaves the request unanswered. */
  drop(): void
}

export interface ProxyOptions {
  /** Replace those of the request; an empty value removes (embedded engine only). */
  headers: Record<string, string>
  /** Stay in the path of the dialog by Record-Route. */
  recordRoute: boolean
  /** Milliseconds without any response after which a target is given up. */
  provisionalTimeoutMs?: number
  /** Milliseconds after which the edge ends the search with 480. */
  finalTimeoutMs?: number
  /** Milliseconds after which the edge must have reported the end. */
  deadlineMs: number
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
interface SrfClient {
  mapServer: Map<Socket, { pendingNetworkInvites: Map<string, unknown> }>
  wp: {
    closing?: boolean
    reconnectVars: { retryTimer: NodeJS.Timeout | null }
    send(socket: Socket, text: string): void
  }
  /** Who gets the events `cdr:<name>`. */
  cdrHandlers: Map<string, (...event: unknown[]) => void>
  proxy(request: SrfRequest, options: object, callback: ProxyCallback): void
}
interface SrfRequest {
  method: string
  uri: string
  msg: { headers: Record<string, string | undefined>; body?: string }
  source_address: string
  source_port: number
  protocol?: string
  receivedOn?: string
  sessionToken?: string
  stackTxnId: string
  socket: Socket
  agent: SrfClient
  on(event: 'cancel', listener: () => void): void
}
interface SrfResponse {
  readonly finalResponseSent: boolean
  send(status: number, reason: string | undefined, options: { headers: Record<string, string> }): void
}
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

class SrfEdgeRequest implements EdgeRequest {
  readonly source: EdgeRequest['source']
  cancelled = false
  #takenOver = false

  constructor(
    private readonly request: SrfRequest,
    private readonly response: SrfResponse,
    private readonly proxies: Set<(error: Error) => void>,
    private readonly canDrop: boolean,
  ) {
    this.source = {
      // The embedded engine writes IPv6 without brackets, as sockets do; others may not.
      address: request.source_address.replace(/^\[|\]$/g, ''),
      port: request.source_port,
      transport: transportOf(request.protocol, this.header('via')),
    }
    if (request.method === 'INVITE') request.on('cancel', () => (this.cancelled = true))
  }

  get method() {
    return this.request.method
  }
  get uri() {
    return this.request.uri
  }
  get callId() {
    return this.header('call-id') ?? ''
  }
  get body() {
    return this.request.msg.body ?? ''
  }
  get cipher() {
    return cipherOf(this.request.sessionToken)
  }
  get receivedOn() {
    // Written without brackets, so that only the last colon is sure.
    const [, host, port] = /^\[?(.+?)\]?:(\d+)$/.exec(this.request.receivedOn ?? '') ?? []
    return host === undefined ? undefined : { host, port: Number(port) }
  }
  get settled() {
    return this.#takenOver || this.cancelled || this.response.finalResponseSent
  }

  header(name: string): string | undefined {
    const { headers } = this.request.msg
    const wanted = name.toLowerCase()
    let key: string | undefined = wanted
    // srf keeps the case of names that begin with X- or P-.
    if (!Object.hasOwn(headers, key)) {
      if (!/^[xp]-|^diversion$/.test(wanted)) return undefined
      key = Object.keys(headers).find((candidate) => candidate.toLowerCase() === wanted)
    }
    const value = key === undefined ? undefined : headers[key]
    return value?.includes('\n') ? value.replace(/\r?\n[ \t]+/g, ' ').trim() : value?.trim()
  }

  headerValues(name: string): string[] {
    const value = this.header(name)
    return value === undefined ? [] : splitValues(value)
  }

  reply(status: number, reason?: string, headers: ReplyHeaders = {}): void {
    if (this.settled) return
    const lines: Record<string, string> = {}
    // srf joins values of one name by commas, which challenges do not survive (RFC 3261 §7.3.1): several lines
    // travel in one value.
    for (const [name, value] of Object.entries(headers))
      lines[name] = typeof value === 'string' ? oneLine(value) : value.map(oneLine).join(`\r\n${name}: `)
    this.response.send(status, reason, { headers: lines })
  }

  drop(): void {
    this.#takenOver = true
    // srf would keep the INVITE for ever.
    const state = this.request.agent.mapServer.get(this.request.socket)
    state?.pendingNetworkInvites.delete(this.callId)
    if (state && this.canDrop)
      this.request.agent.wp.send(this.request.socket, `drop|${this.request.stackTxnId}`)
  }

  proxy(targets: readonly string[], options: ProxyOptions): Promise<ProxyResult> {
    const { request, proxies } = this
    const { agent, socket } = request
    if (!agent.mapServer.has(socket)) return Promise.reject(new Error('connection to the edge lost'))
    const headers = Object.fromEntries(
      Object.entries(options.headers).map(([name, value]) => [name, oneLine(value)]),
    )
    return new Promise((resolve, reject) => {
      const responses: ProxyResponse[] = []
      const end = () => {
        clearTimeout(deadline)
        proxies.delete(fail)
      }
      const fail = (error: Error) => {
        end()
        reject(error)
      }
      const deadline = setTimeout(
        () => fail(new Error('the edge did not report the end of a proxied request')),
        options.deadlineMs,
      )
      deadline.unref()
      proxies.add(fail)
      // Not request.proxy(): that one rejects with strings, mixes up the addresses of the answers, and parses them all.
      agent.proxy(
        request,
        {
          stackTxnId: request.stackTxnId,
          destination: [...targets],
          headers,
          remainInDialog: options.recordRoute,
          fullResponse: true,
          followRedirects: false,
          simultaneous: true,
          provisionalTimeout: duration(options.provisionalTimeoutMs),
          finalTimeout: duration(options.finalTimeoutMs),
        },
        (token, message, meta) => {
          if (token[0] !== 'OK' && /unknown transaction/i.test(token[1] ?? '')) {
            // The caller's CANCEL was faster, and the edge has answered it.
            end()
            this.cancelled = true
            resolve({ connected: false, responses })
          } else if (token[0] !== 'OK') {
            this.#takenOver = false
            fail(new Error(`the edge does not proxy: ${token[1] ?? token[0]}`))
          } else if (token[1] === 'done') {
            end()
            const connected = responses.some(({ status }) => status >= 200 && status < 300)
            const rangAt = Number(token[2])
            resolve({ connected, responses, ...(rangAt > 0 && { rangAt }) })
          } else responses.push(proxyResponse(token, message ?? '', meta))
        },
      )
      this.#takenOver = true
    })
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

function oneLine(value: string): string {
  return value.replace(/[\r\n]+/g, ' ')
}

function duration(milliseconds: number | undefined): string {
  return milliseconds === undefined ? '' : `${milliseconds}ms`
}

function address({ host, port }: EdgeAddress): string {
  return `${host}:${port}`
}
