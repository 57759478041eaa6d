/**
 * drachtio-srf as a server uses it, typed: the library's own types leave much of its public API out (and name some of
 * it wrongly), so tests see it through these interfaces.
 */
import type { Socket } from 'node:net'
import Srf from 'drachtio-srf'

export type Headers = Record<string, string>

export interface Aor {
  name?: string
  uri: string
  params: Record<string, string | null>
}

export interface Message {
  type: 'request' | 'response'
  headers: Headers
  body: string
  raw: string
  payload: { type: string | null; content?: string }[]
  callingNumber: string
  callingName: string
  calledNumber: string
  get(name: string): string | undefined
  has(name: string): boolean
  getParsedHeader(name: 'from' | 'to'): Aor
  getParsedHeader(name: 'contact'): Aor[]
  getParsedHeader(name: 'cseq'): { seq: number; method: string }
}

/** Where a message came from, as the edge told the application. */
export interface Origin {
  source: 'network' | 'application'
  source_address: string
  source_port: number
  protocol: string
  stackTime: string
  stackTxnId: string
  stackDialogId: string
}

export interface AppRequest extends Message, Origin {
  method: string
  uri: string
  isNewInvite: boolean
  receivedOn?: string
  server: { address: string; hostport: string }
  socket: Socket
  res: AppResponse
  srf: App
  cancel(callback?: (error: Error | null, cancel?: AppRequest) => void): void
  cancel(options: { headers: Headers }, callback?: (error: Error | null, cancel?: AppRequest) => void): void
  proxy(options: ProxyOptions): Promise<ProxyResult>
  proxy(options: ProxyOptions, callback: (error: unknown, result: ProxyResult) => void): this
  on(event: 'response', listener: (response: AppResponse, ack: Ack) => void): this
  on(event: 'cancel', listener: (cancel: Message) => void): this
  on(event: 'update', listener: (req: AppRequest, res: AppResponse) => void): this
  on(event: 'authenticate', listener: (retry: AppRequest) => void): this
}

export interface AppResponse extends Message, Origin {
  status: number
  reason: string
  statusCode: number
  finalResponseSent: boolean
  req: AppRequest
  send(status: number, options?: Sending, callback?: Sent, onPrack?: (prack: AppRequest) => void): void
  send(
    status: number,
    reason: string,
    options?: Sending,
    callback?: Sent,
    onPrack?: (prack: AppRequest) => void,
  ): void
  send(status: number, callback: Sent): void
  end(): void
  set(name: string, value: string): void
  on(event: 'end' | 'finish', listener: () => void): this
}

type Ack = (options?: { body?: string }) => void
type Sent = (error: unknown, sent: Message) => void
interface Sending {
  headers?: Headers
  body?: string
}

export interface ProxyOptions {
  destination?: string | string[]
  remainInDialog?: boolean
  recordRoute?: boolean
  followRedirects?: boolean
  forking?: 'simultaneous' | 'sequential'
  provisionalTimeout?: string
  finalTimeout?: string
  headers?: Headers
}

export interface ProxyResult {
  connected: boolean
  finalStatus?: number
  finalResponse?: { status: number; msg: Message }
  responses: { address: string; port: number; msgs: { time: string; status: number; msg: Message }[] }[]
}

export type Handler = (req: AppRequest, res: AppResponse, next: (error?: unknown) => void) => void

export interface RequestToSend {
  method: string
  headers?: Headers
  body?: string
  proxy?: string
  auth?: UacOptions['auth']
}

export interface Credentials {
  username: string
  password: string
}

export interface UacOptions {
  uri?: string
  method?: 'INVITE' | 'SUBSCRIBE'
  headers?: Headers
  localSdp?: string
  proxy?: string
  noAck?: boolean
  callingNumber?: string
  callingName?: string
  calledNumber?: string
  followRedirects?: boolean
  keepUriOnRedirect?: boolean
  dialogStateEmitter?: NodeJS.EventEmitter
  auth?:
    | Credentials
    | ((
        req: AppRequest,
        res: AppResponse,
        done: (error: Error | null, username?: string, password?: string) => void,
      ) => void)
}

export interface Progress {
  cbRequest?(error: Error | null, sent: AppRequest): void
  cbProvisional?(response: AppResponse): void
  cbFinalizedUac?(uac: Dialog): void
}

export interface UasOptions {
  localSdp?: string | (() => string | Promise<string>)
  body?: string | (() => string | Promise<string>)
  headers?: Headers
  dialogStateEmitter?: NodeJS.EventEmitter
}

export interface B2buaOptions extends Omit<UacOptions, 'method'> {
  responseHeaders?: Headers | ((response: AppResponse | undefined, headers: Headers) => Headers)
  localSdpA?: string | ((sdp: string, response: AppResponse) => string | Promise<string>)
  localSdpB?: string | ((sdp: string) => string | Promise<string>)
  proxyRequestHeaders?: string[]
  proxyResponseHeaders?: string[]
  passFailure?: boolean
  passProvisionalResponses?: boolean
}

/** What createUAC gives for a call without an offer with `noAck`: the callee's offer, and how to answer it. */
export interface Offered {
  sdp: string
  ack(localSdp: string): Promise<Dialog>
  destroy(): Promise<void>
}

export interface Dialog {
  id: string
  type: 'uac' | 'uas'
  dialogType: string
  sip: { callId: string; localTag: string; remoteTag: string }
  local: { uri: string; sdp: string; contact: string }
  remote: { uri: string; sdp: string }
  onHold: boolean
  connected: boolean
  other: Dialog
  req: AppRequest
  res: AppResponse
  subscriptions: string[]
  destroy(options?: { headers?: Headers; auth?: Credentials }): Promise<AppRequest>
  modify(sdp: string, options?: { headers?: Headers }): Promise<string>
  modify(options: { noAck: true }): Promise<{ readonly sdp: string; readonly ack: (sdp: string) => void }>
  request(options: {
    method: string
    headers?: Headers
    body?: string
    auth?: Credentials
  }): Promise<AppResponse>
  on(
    event:
      'info' | 'notify' | 'refer' | 'message' | 'options' | 'update' | 'modify' | 'publish' | 'subscribe',
    listener: (req: AppRequest, res: AppResponse) => void,
  ): this
  on(event: 'ack' | 'hold' | 'unhold' | 'refresh', listener: (req: AppRequest) => void): this
  on(event: 'destroy' | 'unsubscribe', listener: (req: AppRequest, reason: string) => void): this
}

export interface App {
  locals: Record<string, unknown>
  idle: boolean
  use(...handlers: (Handler | Handler[])[]): void
  use(method: string, ...handlers: (Handler | Handler[])[]): void
  register(...handlers: Handler[]): void
  invite(...handlers: Handler[]): void
  options(...handlers: Handler[]): void
  message(...handlers: Handler[]): void
  subscribe(...handlers: Handler[]): void
  notify(...handlers: Handler[]): void
  publish(...handlers: Handler[]): void
  info(...handlers: Handler[]): void
  refer(...handlers: Handler[]): void
  update(...handlers: Handler[]): void
  prack(...handlers: Handler[]): void
  bye(...handlers: Handler[]): void
  connect(
    options: { host: string; port: number; secret: string; enablePing?: boolean; pingInterval?: number },
    callback?: Connected,
  ): void
  disconnect(socket?: Socket): void
  endSession(message: { socket: Socket }): void
  set(name: string, value: unknown): void
  get(name: string): unknown
  createUAS(req: AppRequest, res: AppResponse, options: UasOptions): Promise<Dialog>
  createUAS(
    req: AppRequest,
    res: AppResponse,
    options: UasOptions,
    callback: (error: unknown, dialog: Dialog) => void,
  ): this
  createUAC(uri: string, options: UacOptions & { noAck: true }): Promise<Offered>
  createUAC(uri: string, options: UacOptions, progress?: Progress): Promise<Dialog>
  createUAC(options: UacOptions & { uri: string }, progress?: Progress): Promise<Dialog>
  createUAC(
    uri: string,
    options: UacOptions,
    progress: Progress,
    callback: (error: unknown, dialog: Dialog) => void,
  ): this
  createB2BUA(
    req: AppRequest,
    res: AppResponse,
    uri: string,
    options?: B2buaOptions,
    progress?: Progress,
  ): Promise<{ uas: Dialog; uac: Dialog }>
  proxyRequest(
    req: AppRequest,
    destination: string | string[] | undefined,
    options?: ProxyOptions,
  ): Promise<ProxyResult>
  proxyRequest(
    req: AppRequest,
    destination: string | string[],
    options: ProxyOptions,
    callback: (error: unknown, result: ProxyResult) => void,
  ): this
  request(uri: string, options: RequestToSend): Promise<AppRequest>
  request(
    uri: string,
    options: RequestToSend,
    callback: (error: Error | null, sent: AppRequest) => void,
  ): this
  findDialogById(id: string): Dialog | undefined
  findDialogByCallIDAndFromTag(callId: string, tag: string): Dialog | undefined
  unregisterForMessages(method: string): void
  reregisterForMessages(method: string): void
  on(event: 'connect', listener: Connected): this
  on(event: 'error' | 'close' | 'reconnecting', listener: (about: unknown) => void): this
  on(event: 'cdr:attempt', listener: (source: string, time: string, message: Message) => void): this
  on(
    event: 'cdr:start' | 'cdr:stop',
    listener: (source: string, time: string, roleOrReason: string, message: Message) => void,
  ): this
  once(event: 'connect', listener: Connected): this
  once(event: 'close', listener: () => void): this
}

type Connected = (error: Error | null, hostports: string, version: string, local: string) => void

/** A new application, not connected yet. */
export function newApplication(tags?: string | string[]): App {
  return new (Srf as unknown as new (tags?: string | string[]) => App)(tags)
}

/** The error of a call that failed: `status` and `reason` of the final response. */
export interface SipError extends Error {
  status: number
  reason: string
  res: AppResponse
}

export function isSipError(error: unknown): error is SipError {
  return error instanceof (Srf as unknown as { SipError: new () => Error }).SipError
}

interface Internals {
  app: {
    client: {
      mapServer: Map<Socket, { pendingRequests: Map<string, () => void> }>
      wp: { send(socket: Socket, text: string): string }
    }
  }
}

/** Waits until the edge has taken what the application has told it so far, such as the methods that it wants. */
export async function settled(app: App): Promise<void> {
  const { client } = (app as unknown as Internals).app
  for (const [socket, { pendingRequests }] of client.mapServer) {
    const id = client.wp.send(socket, 'ping')
    await new Promise<void>((resolve) => pendingRequests.set(id, resolve))
  }
}

/** The connection to the edge. */
export function controlSocket(app: App): Socket {
  const [socket] = (app as unknown as Internals).app.client.mapServer.keys()
  if (!socket) throw new Error('not connected')
  return socket
}
