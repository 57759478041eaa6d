/**
 * An edge whose every frame is written by the test: the server side of drachtio's control protocol (fact sheet:
 * docs of drachtio), for what the real engine does not do at will, such as vanishing or answering nonsense.
 */
import net from 'node:net'
import { once } from 'node:events'
import { request as sipRequest, type RequestOptions } from '../support/sip-text.js'

export interface AppFrame {
  id: string
  fields: string[]
  /** Start line, headers and body of the SIP message, if there is one. */
  message: string
}

export class FakeEdge {
  readonly #server = net.createServer((socket) => this.#accept(socket))
  readonly frames: AppFrame[] = []
  /** Chunks as the network delivered them: shows what was written together. */
  chunks = 0
  connections = 0
  secret = 'secret'
  hostports = 'udp/192.0.2.1:5060,tcp/[2001:db8::1]:5070'
  #socket: net.Socket | undefined
  #wake: (() => void)[] = []
  #transactions = 0

  async start(): Promise<{ host: string; port: number; secret: string }> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return { host: '127.0.0.1', port: (this.#server.address() as net.AddressInfo).port, secret: 'secret' }
  }

  async stop(): Promise<void> {
    this.#socket?.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  /** Ends the connection, as an edge that crashes does. */
  vanish(): void {
    this.#socket?.destroy()
  }

  #accept(socket: net.Socket): void {
    this.#socket = socket
    this.connections++
    let data = Buffer.alloc(0)
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      this.chunks++
      data = Buffer.concat([data, chunk])
      for (;;) {
        const hash = data.indexOf('#')
        const size = Number(data.subarray(0, Math.max(hash, 0)).toString())
        if (hash < 0 || data.length < hash + 1 + size) break
        this.#take(data.subarray(hash + 1, hash + 1 + size).toString())
        data = data.subarray(hash + 1 + size)
      }
    })
  }

  #take(frame: string): void {
    const end = frame.indexOf('\r\n')
    const [id = '', ...fields] = (end < 0 ? frame : frame.slice(0, end)).split('|')
    this.frames.push({ id, fields, message: end < 0 ? '' : frame.slice(end + 2) })
    if (fields[0] === 'authenticate')
      this.write(
        fields[1] === this.secret
          ? `response|${id}|OK|${this.hostports}|v0.9.10|${this.hostports}`
          : `response|${id}|NO|incorrect secret`,
      )
    if (fields[0] === 'route') this.write(`response|${id}|OK`)
    for (const wake of this.#wake.splice(0)) wake()
  }

  /** Sends one frame; the message id is made up. */
  write(frame: string): void {
    this.raw(`${Buffer.byteLength(frame) + 2}#x|${frame}`)
  }

  raw(bytes: string): void {
    this.#socket?.write(bytes)
  }

  /** A request from the network. Resolves to its transaction id. */
  request(
    options: RequestOptions | string,
    source = { protocol: 'udp', address: '192.0.2.7', port: 5062 },
  ): string {
    const text = typeof options === 'string' ? options : sipRequest(options)
    const transaction = `t${++this.#transactions}`
    const { protocol, address, port } = source
    this.write(
      `sip|network|${text.length}|${protocol}|${address}|${port}|12:00:00.000000|${transaction}||192.0.2.1|5060|\r\n${text}`,
    )
    return transaction
  }

  /** Waits for a frame of the application. */
  async expect(what: (frame: AppFrame) => boolean): Promise<AppFrame> {
    const deadline = Date.now() + 5000
    for (;;) {
      const found = this.frames.findIndex(what)
      const [frame] = found < 0 ? [] : this.frames.splice(found, 1)
      if (frame) return frame
      if (Date.now() > deadline) throw new Error(`no such frame; there are ${JSON.stringify(this.frames)}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 5000)
        this.#wake.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }

  /** The answer to a request of the network. */
  async answer(transaction: string): Promise<string> {
    return (await this.expect(({ fields }) => fields[0] === 'sip' && fields[1] === transaction)).message
  }

  async proxied(transaction: string): Promise<AppFrame> {
    return this.expect(({ fields }) => fields[0] === 'proxy' && fields[1] === transaction)
  }

  /** Reports a final answer of a target. `more`: further fields. */
  continue(proxy: AppFrame, status: number, address: string, port: number, more = ''): void {
    this.write(
      `response|${proxy.id}|OK|network|20|udp|${address}|${port}|12:00:00.000000|||continue${more}\r\nSIP/2.0 ${status} X\r\n\r\n`,
    )
  }

  done(proxy: AppFrame, more = ''): void {
    this.write(`response|${proxy.id}|OK|done${more}`)
  }
}
