/** A request as the edge gives it: the side of the facade (edge.ts) that the steps of the chain see. */
import type { Socket } from 'node:net'
import type { SipTransport } from '../store/types.js'
import {
  cipherOf,
  proxyResponse,
  transportOf,
  type ProxyCallback,
  type ProxyResponse,
  type ProxyResult,
} from './edge-fields.js'
import { splitValues } from './header-values.js'
import type { ReplyHeaders } from './reply.js'

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

/** The parts of drachtio-srf that its types do not tell. */
export interface SrfClient {
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
export interface SrfRequest {
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
export interface SrfResponse {
  readonly finalResponseSent: boolean
  send(status: number, reason: string | undefined, options: { headers: Record<string, string> }): void
}
export class SrfEdgeRequest implements EdgeRequest {
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

function oneLine(value: string): string {
  return value.replace(/[\r\n]+/g, ' ')
}

function duration(milliseconds: number | undefined): string {
  return milliseconds === undefined ? '' : `${milliseconds}ms`
}
