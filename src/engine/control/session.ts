/** One connected application: authentication, the methods it wants, and frames to it, written once a tick. */
import { timingSafeEqual, createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { FrameReader, frame } from './frames.js'

/** Commands of an authenticated application. `ref` is the id that the answer names. */
export interface CommandHandler {
  respond(session: ControlSession, ref: string, transactionId: string, text: string): void
  request(session: ControlSession, ref: string, fields: readonly string[], text: string): void
  proxy(session: ControlSession, ref: string, fields: readonly string[], text: string): void
  drop(session: ControlSession, ref: string, transactionId: string): void
  closed(session: ControlSession): void
}

export interface SessionOptions {
  secret: string
  /** `proto/host:port` list for the answer to authenticate: what peers see, and what is bound. */
  hostports(): { advertised: string; local: string }
  maxFrameBytes: number
  /** Above this many unsent bytes the application counts as too slow for new requests. */
  maxQueueBytes: number
  /** Within this time a connection must have authenticated, ms. */
  authenticateMs: number
  /** Told of errors of ours; the caller's request is then answered by the time-out for applications. */
  onError(error: unknown): void
}

/** Writes closer together than this are joined, ms. */
const busyMs = 0.3

/**
 * drachtio-srf asks for v0.8.2 or newer before it sends pings. The suffix tells an application that it may use what
 * drachtio-server lacks: headers removed by an empty value, the `;flow=` parameter of targets, and `drop`.
 */
const protocolVersion = 'v0.9.10-privateline'

export class ControlSession {
  readonly routes = new Set<string>()
  authenticated = false
  readonly #reader: FrameReader
  #outgoing = ''
  #flushing = false
  #flushedAt = 0
  #ended = false
  #ids = 0

  constructor(
    private readonly socket: Socket,
    private readonly options: SessionOptions,
    private readonly handler: CommandHandler,
  ) {
    this.#reader = new FrameReader(options.maxFrameBytes)
    socket.setNoDelay(true)
    socket.on('data', (bytes: Buffer) => this.#receive(bytes))
    socket.on('error', () => socket.destroy())
    const stranger = setTimeout(() => {
      if (!this.authenticated) socket.destroy()
    }, options.authenticateMs)
    socket.on('close', () => {
      clearTimeout(stranger)
      this.authenticated = false
      this.routes.clear()
      handler.closed(this)
    })
  }

  /** Wants this method now, and keeps up with what it gets. */
  takes(method: string): boolean {
    return this.routes.has(method) && this.keepsUp
  }

  get keepsUp(): boolean {
    return this.socket.writableLength < this.options.maxQueueBytes
  }

  /** Sends `<fresh id>|<text>`; latin1 text. */
  send(text: string): void {
    this.#ids++
    this.#write(frame(`e${this.#ids.toString(36)}|${text}`))
  }

  /** Answers the command `ref`. */
  answer(ref: string, text: string): void {
    this.send(`response|${ref}|${text}`)
  }

  /** Sends what is queued, then closes. */
  end(): void {
    this.#ended = true
    this.#flush()
    this.socket.end()
  }

  destroy(): void {
    this.socket.destroy()
  }

  #write(text: string): void {
    this.#outgoing += text
    if (this.#flushing) return
    this.#flushing = true
    // Everything that one turn of the event loop brought goes out in one write; under load, that of a millisecond:
    // each write wakes the other side, which costs more than the message.
    if (performance.now() - this.#flushedAt > busyMs) setImmediate(() => this.#flush())
    else setTimeout(() => this.#flush(), 1)
  }

  #flush(): void {
    this.#flushing = false
    this.#flushedAt = performance.now()
    const text = this.#outgoing
    this.#outgoing = ''
    if (text !== '' && !this.socket.destroyed) this.socket.write(text, 'latin1')
    // New requests are kept away from it already; this is what was said within its dialogs. It has stopped reading.
    if (this.socket.writableLength > 2 * this.options.maxQueueBytes) this.socket.destroy()
  }

  #receive(bytes: Buffer): void {
    if (this.#ended) return
    let frames: string[]
    try {
      frames = this.#reader.push(bytes)
    } catch {
      // Framing is lost: there is no way to go on in step.
      this.socket.destroy()
      return
    }
    for (const text of frames) if (!this.#ended) this.#guardedCommand(text)
  }

  /** An error of ours in one command must not cost the application its connection, nor anybody else's call. */
  #guardedCommand(text: string): void {
    try {
      this.#command(text)
    } catch (error) {
      this.options.onError(error)
      this.answer(text.slice(0, text.indexOf('|')), 'NOK|internal error')
    }
  }

  #command(text: string): void {
    const lineEnd = text.indexOf('\r\n')
    const fields = (lineEnd < 0 ? text : text.slice(0, lineEnd)).split('|')
    const message = lineEnd < 0 ? '' : text.slice(lineEnd + 2)
    const [ref = '', verb = ''] = fields
    if (verb === 'authenticate') return this.#authenticate(ref, fields)
    // drachtio-server serves applications that never authenticated; this edge does not.
    if (!this.authenticated) {
      this.answer(ref, 'NO|not authenticated')
      return this.end()
    }
    switch (verb) {
      case 'route':
        this.routes.add((fields[2] ?? '').toLowerCase())
        return this.answer(ref, 'OK')
      case 'remove_route':
        this.routes.delete((fields[2] ?? '').toLowerCase())
        return this.answer(ref, 'OK')
      case 'ping':
        return this.answer(ref, 'OK|pong')
      case 'proxy':
        return this.handler.proxy(this, ref, fields.slice(2), message)
      case 'drop':
        return this.handler.drop(this, ref, fields[2] ?? '')
      case 'sip':
        if (message.startsWith('SIP/2.0 ')) {
          return this.handler.respond(this, ref, fields[2] ?? '', message)
        }
        return this.handler.request(this, ref, fields.slice(2), message)
      default:
        this.answer(ref, `NO|unknown command ${verb}`)
        this.end()
    }
  }

  #authenticate(ref: string, fields: readonly string[]): void {
    if (!sameSecret(fields[2] ?? '', this.options.secret)) {
      this.answer(ref, 'NO|incorrect secret')
      return this.end()
    }
    this.authenticated = true
    const { advertised, local } = this.options.hostports()
    this.answer(ref, `OK|${advertised}|${protocolVersion}|${local}`)
  }
}

function sameSecret(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text, 'latin1').digest()
  return timingSafeEqual(digest(given), digest(expected))
}
