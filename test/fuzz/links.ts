/** Stream connections to the engine under fuzz that are opened again whenever it closes them. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'

export class Link {
  #socket: net.Socket | undefined

  /** @param greet what comes before anything else on a new connection; resolves when it is through */
  constructor(
    private readonly address: { host: string; port: number },
    private readonly greet: (socket: net.Socket) => Promise<void> = async () => {},
  ) {}

  /** Writes the chunks one by one, each in a turn of the event loop of its own. */
  async write(chunks: readonly Buffer[]): Promise<void> {
    const socket = await this.#open()
    for (const chunk of chunks) {
      if (!socket.writable) return
      socket.write(chunk)
      await turn()
    }
  }

  close(): void {
    this.#socket?.destroy()
  }

  async #open(): Promise<net.Socket> {
    if (this.#socket?.writable) return this.#socket
    const socket = (this.#socket = net.connect(this.address))
    socket.setNoDelay(true)
    socket.on('error', () => {})
    await Promise.race([once(socket, 'connect'), once(socket, 'close')])
    await Promise.race([this.greet(socket), once(socket, 'close')])
    socket.resume()
    return socket
  }
}

/** The handshake of RFC 6455 §4.1, by hand, since what follows is not always a frame. */
export async function upgrade(socket: net.Socket): Promise<void> {
  socket.write(
    [
      'GET / HTTP/1.1',
      'Host: localhost',
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Protocol: sip',
      '\r\n',
    ].join('\r\n'),
  )
  await once(socket, 'data')
}

/** One masked frame of a client (RFC 6455 §5.2). */
export function webSocketFrame(payload: Buffer, opcode: number, final = true): Buffer {
  const { length } = payload
  const first = (final ? 0x80 : 0) | opcode
  const mask = Buffer.from([1, 2, 3, 4])
  let head: Buffer
  if (length < 126) head = Buffer.from([first, 0x80 | length])
  else if (length < 65_536) head = Buffer.from([first, 0x80 | 126, length >> 8, length & 0xff])
  else {
    head = Buffer.alloc(10)
    head[0] = first
    head[1] = 0x80 | 127
    head.writeBigUInt64BE(BigInt(length), 2)
  }
  return Buffer.concat([head, mask, payload.map((byte, index) => byte ^ (mask[index % 4] ?? 0))])
}
