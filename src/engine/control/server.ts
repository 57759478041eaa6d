/** The loopback port on which applications connect, and which of them gets a request. */
import { createServer, type AddressInfo, type Server } from 'node:net'
import { ControlSession, type CommandHandler, type SessionOptions } from './session.js'

/**
 * An application authenticates with its first frame. Whoever connects and says nothing may be there so often; for one
 * more the longest silent one has to go, so that they can't keep an application out.
 */
const maxStrangers = 32

export class ControlServer {
  readonly #sessions = new Set<ControlSession>()
  #server: Server | undefined
  /** One turn for each method, so that one does not push another out of step. */
  readonly #turns = new Map<string, number>()

  constructor(
    private readonly options: SessionOptions,
    private readonly handler: CommandHandler,
  ) {}

  /** Binds; rejects if the address is taken. `port` 0 lets the system choose. */
  async start(host: string, port: number): Promise<{ host: string; port: number }> {
    const server = createServer((socket) => {
      this.#makeRoom()
      const session = new ControlSession(socket, this.options, this.handler)
      this.#sessions.add(session)
      socket.once('close', () => this.#sessions.delete(session))
    })
    this.#server = server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, host, () => resolve())
    })
    const address = server.address() as AddressInfo
    return { host: address.address, port: address.port }
  }

  async stop(): Promise<void> {
    const server = this.#server
    if (!server) return
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    for (const session of this.#sessions) session.end()
    const impatient = setTimeout(() => this.#sessions.forEach((session) => session.destroy()), 500)
    await closed
    clearTimeout(impatient)
  }

  #makeRoom(): void {
    const [oldest, ...others] = [...this.#sessions].filter((session) => !session.authenticated)
    if (!oldest || others.length + 1 < maxStrangers) return
    oldest.destroy()
    // Its `close` comes later than the next connections of this turn.
    this.#sessions.delete(oldest)
  }

  get connected(): number {
    let count = 0
    for (const session of this.#sessions) if (session.authenticated) count++
    return count
  }

  /** All methods that some application takes; for Allow. Upper case. */
  get methods(): string[] {
    const methods = new Set<string>()
    for (const session of this.#sessions) {
      for (const route of session.routes) if (!route.startsWith('cdr:')) methods.add(route.toUpperCase())
    }
    return [...methods]
  }

  /** Every application that takes this event and keeps up. */
  all(event: string): ControlSession[] {
    return [...this.#sessions].filter((session) => session.takes(event))
  }

  /** The next application, round robin, that takes this method (or `cdr:…` event) and keeps up; else undefined. */
  select(method: string): ControlSession | undefined {
    const verb = method.toLowerCase()
    // RFC 3261 §7.1: methods are case-sensitive; applications ask for them in small letters.
    if (method !== method.toUpperCase() && !verb.startsWith('cdr:')) return undefined
    const takers = [...this.#sessions].filter((session) => session.takes(verb))
    if (takers.length < 2) return takers[0]
    const turn = this.#turns.get(verb) ?? 0
    this.#turns.set(verb, turn + 1)
    return takers[turn % takers.length]
  }
}
