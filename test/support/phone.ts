/**
 * A raw SIP phone for wire tests: sends the bytes it is given, keeps what it receives in a queue, and waits for
 * messages without sleeping. It never answers by itself.
 */
import dgram from 'node:dgram'
import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'
import { WebSocket } from 'ws'
import { readSip, request, response } from './sip-text.js'
import type { RequestOptions, ResponseOptions, SipText } from './sip-text.js'

export type PhoneTransport = 'udp' | 'tcp' | 'tls' | 'ws' | 'wss'

export interface PhoneOptions {
  transport: PhoneTransport
  /** Where `send` sends to, and where streams connect to. */
  server: { host: string; port: number }
  /** Address to send from. Default: the loopback address of the server's family. */
  localHost?: string
  /** UDP and listening TCP: a fixed local port. */
  localPort?: number
  /** TCP only: also accept connections; `localPort` (Via, Contact) is then the listening port. */
  listen?: boolean
  /** Streams: connect at once. Default true; false makes sense with `listen`. */
  connect?: boolean
  /** TLS and WSS: certificate to trust. Without it any certificate is accepted. */
  ca?: string
  /** TLS and WSS: the phone's own certificate, PEM. */
  certificate?: { cert: string; key: string }
  /** TLS: the only version to speak. */
  tlsVersion?: 'TLSv1.2' | 'TLSv1.3'
  /** WebSocket subprotocols to offer. Default `sip`. */
  protocols?: string[]
  /** WebSocket: send binary frames. Default text. */
  binary?: boolean
}

export interface ReceivedMessage extends SipText {
  /** Where it came from. */
  readonly source: { readonly host: string; readonly port: number }
  /** Sends bytes back the way this message came. */
  answer(data: string | Buffer): void
}

/** A response's status, a request's method, or any condition. */
export type Expected = number | string | ((message: ReceivedMessage) => boolean)

export interface Phone {
  readonly transport: PhoneTransport
  readonly localHost: string
  readonly localPort: number
  /** All messages so far, in order of arrival; `expect` doesn't remove from here. */
  readonly received: readonly ReceivedMessage[]
  /** Number of CRLF keep-alive answers (pongs) received. */
  readonly pongs: number
  /** True once the server has closed the stream connection. */
  readonly closed: boolean
  /** Sends bytes to the server (or to `to`, UDP only). */
  send(data: string | Buffer, to?: { host: string; port: number }): void
  /** A request whose Via and Contact name this phone. */
  request(options: RequestOptions): string
  /** Answers a request that was received, the way it came. Returns the text that was sent. */
  reply(received: ReceivedMessage, status: number, options?: ResponseOptions): string
  /** The oldest message that matches and wasn't taken by an earlier `expect`; waits for it, 5 s by default. */
  expect(what: Expected, timeoutMs?: number): Promise<ReceivedMessage>
  /** Waits until a condition on the phone holds, looked at after every arrival and when the connection closes. */
  until(condition: (phone: Phone) => boolean, timeoutMs?: number): Promise<void>
  /** Waits until the server has closed the stream connection. */
  untilClosed(timeoutMs?: number): Promise<void>
  /** Streams: stop reading (a slow reader), or go on. */
  pause(): void
  resume(): void
  close(): Promise<void>
}

interface Waiter {
  check(): boolean
}

/** Creates a phone; for streams the connection is established (WebSocket: upgraded) when the promise resolves. */
export async function createPhone(options: PhoneOptions): Promise<Phone> {
  const { transport, server } = options
  const localHost = options.localHost ?? (net.isIPv6(server.host) ? '::1' : '127.0.0.1')
  const received: ReceivedMessage[] = []
  const queue: ReceivedMessage[] = []
  const waiters = new Set<Waiter>()
  const sockets = new Set<net.Socket>()
  let pongs = 0
  let closed = false
  let released = false

  const wake = () => {
    for (const waiter of waiters) if (waiter.check()) waiters.delete(waiter)
  }
  const take = (raw: Buffer, source: ReceivedMessage['source'], answer: (data: string | Buffer) => void) => {
    if (raw.every((byte) => byte === 13 || byte === 10)) pongs++
    else {
      const message = { ...readSip(raw), source, answer }
      received.push(message)
      queue.push(message)
    }
    wake()
  }
  const serverClosed = () => {
    closed = true
    wake()
  }
  const wait = (check: () => boolean, what: string, timeoutMs: number) =>
    new Promise<void>((resolve, reject) => {
      if (check()) return resolve()
      const timer = setTimeout(() => {
        waiters.delete(waiter)
        const log = received.map((message) => message.startLine).join(' | ')
        reject(
          new Error(
            `no ${what} within ${timeoutMs} ms; received: ${log || 'nothing'}${closed ? '; closed' : ''}`,
          ),
        )
      }, timeoutMs)
      const waiter = {
        check: () => {
          if (!check()) return false
          clearTimeout(timer)
          resolve()
          return true
        },
      }
      waiters.add(waiter)
    })

  /** Cuts a byte stream into messages by Content-Length; CRLFs between messages are pongs. */
  const read = (socket: net.Socket) => {
    sockets.add(socket)
    let buffered = Buffer.alloc(0)
    const source = { host: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 }
    const answer = (data: string | Buffer) => void socket.write(data)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (chunk: Buffer) => {
      buffered = Buffer.concat([buffered, chunk])
      for (;;) {
        if (buffered.length >= 2 && buffered[0] === 13 && buffered[1] === 10) {
          take(buffered.subarray(0, 2), source, answer)
          buffered = buffered.subarray(2)
          continue
        }
        const end = buffered.indexOf('\r\n\r\n')
        if (end < 0) return
        const head = buffered.subarray(0, end + 2).toString('latin1')
        const total = end + 4 + Number(/\r\n(?:content-length|l)[ \t]*:[ \t]*(\d+)/i.exec(head)?.[1] ?? 0)
        if (buffered.length < total) return
        take(buffered.subarray(0, total), source, answer)
        buffered = buffered.subarray(total)
      }
    })
  }

  let localPort = options.localPort ?? 0
  let send: Phone['send']
  let closeSocket: () => void
  let stream: net.Socket | undefined

  if (transport === 'udp') {
    const socket = dgram.createSocket(net.isIPv6(localHost) ? 'udp6' : 'udp4')
    socket.bind(localPort, localHost)
    await once(socket, 'listening')
    localPort = socket.address().port
    socket.on('error', () => undefined)
    socket.on('message', (raw, from) =>
      take(raw, { host: from.address, port: from.port }, (data) =>
        socket.send(data, from.port, from.address),
      ),
    )
    send = (data, to = server) => socket.send(data, to.port, to.host)
    closeSocket = () => socket.close()
  } else if (transport === 'ws' || transport === 'wss') {
    const host = net.isIPv6(server.host) ? `[${server.host}]` : server.host
    const ws = new WebSocket(`${transport}://${host}:${server.port}`, options.protocols ?? ['sip'], {
      ...tlsOf(options),
      perMessageDeflate: false,
    })
    ws.once('upgrade', (answer) => (stream = answer.socket))
    await once(ws, 'open')
    localPort = stream?.localPort ?? 0
    ws.on('error', () => undefined)
    ws.on('close', serverClosed)
    send = (data) => ws.send(data, { binary: options.binary ?? false })
    const answer = (data: string | Buffer) => send(data)
    ws.on('message', (data) => take(data as Buffer, server, answer))
    closeSocket = () => ws.terminate()
  } else {
    let listener: net.Server | undefined
    if (options.listen) {
      listener = net.createServer(read).listen(localPort, localHost)
      await once(listener, 'listening')
      localPort = (listener.address() as net.AddressInfo).port
    }
    if (options.connect !== false) {
      const address = { host: server.host, port: server.port, localAddress: localHost }
      stream = transport === 'tcp' ? net.connect(address) : tls.connect({ ...address, ...tlsOf(options) })
      stream.setNoDelay(true)
      await once(stream, transport === 'tcp' ? 'connect' : 'secureConnect')
      read(stream)
      stream.on('close', serverClosed)
      if (!options.listen) localPort = stream.localPort ?? 0
    }
    send = (data) => void stream?.write(data)
    closeSocket = () => {
      for (const socket of sockets) socket.destroy()
      listener?.close()
    }
  }

  const phone: Phone = {
    transport,
    localHost,
    localPort,
    received,
    get pongs() {
      return pongs
    },
    get closed() {
      return closed
    },
    send,
    request: (wanted) => request({ transport, host: localHost, port: localPort, ...wanted }),
    reply(message, status, how) {
      const text = response(message, status, how)
      message.answer(text)
      return text
    },
    async expect(what, timeoutMs = 5000) {
      const matches =
        typeof what === 'number'
          ? (message: ReceivedMessage) => message.status === what
          : typeof what === 'string'
            ? (message: ReceivedMessage) => message.method === what
            : what
      let found: ReceivedMessage | undefined
      const check = () => {
        const index = queue.findIndex(matches)
        if (index < 0) return false
        found = queue.splice(index, 1)[0]
        return true
      }
      await wait(check, typeof what === 'function' ? 'matching message' : String(what), timeoutMs)
      return found!
    },
    until: (condition, timeoutMs = 5000) => wait(() => condition(phone), 'fulfilled condition', timeoutMs),
    untilClosed: (timeoutMs = 5000) => wait(() => closed, 'end of the connection', timeoutMs),
    pause: () => void stream?.pause(),
    resume: () => void stream?.resume(),
    async close() {
      if (released) return
      released = true
      closeSocket()
    },
  }
  return phone
}

function tlsOf({ ca, certificate, tlsVersion }: PhoneOptions): tls.ConnectionOptions {
  return {
    ...(ca ? { ca } : { rejectUnauthorized: false }),
    ...certificate,
    ...(tlsVersion && { minVersion: tlsVersion, maxVersion: tlsVersion }),
  }
}
