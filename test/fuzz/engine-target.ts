/**
 * The running engine, with an application and peers, as a target: inputs come over real sockets, and after each round
 * it has to be alive, to answer ordinary requests, and to have nothing left of what was broken.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type net from 'node:net'
import { createEngine, type Engine } from '../../src/engine/engine.js'
import { frame, FrameReader } from '../../src/engine/control/frames.js'
import { TimerWheel } from '../../src/engine/transaction/timers.js'
import type { TransportLog } from '../../src/engine/transport/flow.js'
import { callerSide, inDialog, invite } from '../support/call.js'
import { secret, testLimits } from '../support/edge.js'
import { createPhone, type Phone } from '../support/phone.js'
import { newCallId, param } from '../support/sip-text.js'
import { newApplication } from '../support/srf.js'
import { FuzzApplication } from './application.js'
import { seedFrame, seedMessage, type DialogValues, type Values } from './corpus.js'
import { asError, Find } from './find.js'
import { cut, type Random } from './random.js'
import { Link, upgrade, webSocketFrame } from './links.js'
import { mutate } from './mutate.js'
import { Peer } from './peer.js'

export interface Input {
  readonly way: 'udp' | 'tcp' | 'ws' | 'control'
  readonly bytes: Buffer
  /** Where a stream is cut into writes. */
  readonly cuts: readonly number[]
}

/** What inputs refer to, and is another in each run: the peer, the call, the hostile application's last request. */
export type Surroundings = Readonly<Record<string, string>>

/** The engine's clock runs so much faster than ours: its transactions are over in a sixth of a second. */
const haste = 200
const applicationTimeoutMs = 20_000
/** An ordinary request has to be answered within this, ms. */
const answerMs = 5000
/** Nothing may be left after this: many times what any timer of a transaction takes, ms. */
const quietMs = 10_000
const transports = ['udp', 'tcp', 'ws'] as const

export class EngineTarget {
  /** What has gone wrong since it was looked at last: errors that the engine has caught, and such that nobody has. */
  readonly failures: string[] = []
  #dialog: DialogValues | undefined
  /** What the hostile application has seen last. */
  #transactionId = ''
  #dialogId = ''

  private constructor(
    private readonly engine: Engine,
    private readonly application: FuzzApplication,
    private readonly phones: readonly Phone[],
    private readonly peer: Peer,
    private readonly links: Record<'tcp' | 'ws' | 'control', Link>,
    private readonly disconnect: () => void,
    private readonly wheel: TimerWheel,
  ) {}

  static async start(random: Random): Promise<EngineTarget> {
    const report: { to?: EngineTarget } = {}
    const log: TransportLog = {
      debug() {},
      warn() {},
      error: (details, text) => report.to?.failures.push(`${text}: ${describe(details)}`),
    }
    const wheel = new TimerWheel((error) => log.error({ err: error }, 'a timer failed'))
    const engine = createEngine({
      listeners: transports.map((transport) => ({ transport, host: '127.0.0.1', port: 0 })),
      control: { host: '127.0.0.1', port: 0, secret },
      limits: {
        ...testLimits,
        partialMessageTimeoutMs: 200,
        applicationTimeoutMs,
        connectTimeoutMs: 200,
        overload: { delayMs: Infinity },
      },
      recordRouteKey: randomBytes(32),
      scheduler: {
        now: () => wheel.now() * haste,
        after: (delayMs, run) => wheel.after(delayMs / haste, run),
      },
      log,
      // Nobody outside is asked for the names that come of it.
      dns: { query: async () => ({ records: [], ttl: 60 }) },
    })
    const { listeners, control } = await engine.start()
    const at = (transport: string): { host: string; port: number } => {
      const port = listeners.find((listener) => listener.transport === transport)?.port ?? 0
      return { host: '127.0.0.1', port }
    }
    const app = newApplication()
    app.on('error', () => {})
    const connected = new Promise<void>((resolve) => app.on('connect', () => resolve()))
    app.connect({ ...control, secret })
    await connected
    const peer = await Peer.open(random, at('udp'))
    const phones = await Promise.all(
      transports.map((transport) => createPhone({ transport, server: at(transport) })),
    )
    const target: EngineTarget = new EngineTarget(
      engine,
      new FuzzApplication(app, peer.hostport),
      phones,
      peer,
      {
        tcp: new Link(at('tcp')),
        ws: new Link(at('ws'), upgrade),
        control: new Link(control, (socket) => target.#authenticate(socket)),
      },
      () => app.disconnect(),
      wheel,
    )
    report.to = target
    // The application asks for one method after the other.
    while ((await target.#askOptions(phones[0])) !== 200)
      await new Promise((resolve) => setImmediate(resolve))
    return target
  }

  /** Something to send, made from the corpus. */
  makeInput(random: Random): Input {
    const way = random.pick(['udp', 'udp', 'tcp', 'tcp', 'ws', 'control'] as const)
    let bytes: Buffer
    if (way === 'control') {
      const text = seedFrame(random, this.#transactionId, this.#dialogId, this.peer.hostport)
      bytes = Buffer.from(text, 'latin1')
      if (random.chance(0.6)) bytes = mutate(random, bytes, this.#message(random, 'udp'))
      bytes = Buffer.from(frame(bytes.toString('latin1')), 'latin1')
      if (random.chance(0.1)) bytes = mutate(random, bytes, bytes)
    } else {
      bytes = this.#message(random, way)
      if (way === 'ws') bytes = webSocketFrame(bytes, random.pick([1, 2]))
      if (way === 'ws' && random.chance(0.2)) bytes = mutate(random, bytes, bytes)
    }
    return { way, bytes, cuts: way === 'udp' ? [] : random.cuts(bytes.length, 6) }
  }

  async send({ way, bytes, cuts }: Input): Promise<void> {
    if (way === 'udp') this.peer.send(bytes)
    else await this.links[way].write(cut(bytes, cuts))
  }

  get surroundings(): Surroundings {
    return { peer: this.peer.hostport, ...this.#dialog }
  }

  /** A call that broken messages can refer to; the application has answered it. */
  async makeCall(): Promise<void> {
    const phone = this.phones[0]
    if (!phone) return
    const callId = newCallId()
    phone.send(invite(phone, { uri: 'sip:answer@localhost', callId }))
    const answer = await phone.expect(
      (message) => message.header('call-id') === callId && message.status !== 100,
      answerMs,
    )
    if (answer.status !== 200) throw new Find(`a call is answered with ${answer.startLine}`)
    const side = callerSide(answer)
    phone.send(inDialog(phone, 'ACK', side))
    this.#dialog = {
      callId,
      fromTag: param(side.from, 'tag') ?? '',
      toTag: param(side.to, 'tag') ?? '',
      target: side.target,
      route: side.routes.map((route) => `Route: ${route}\n`).join(''),
    }
  }

  /** @throws Find unless everything is in order: ordinary requests are answered, and nothing is left. */
  async check(): Promise<void> {
    for (const phone of this.phones) {
      if (phone.closed) throw new Find(`the connection of a well-behaved ${phone.transport} phone was closed`)
      const status = await this.#askOptions(phone)
      if (status !== 200) throw new Find(`an OPTIONS over ${phone.transport} is answered with ${status}`)
    }
    // Its requests are then answered for it.
    this.links.control.close()
    const deadline = Date.now() + quietMs
    for (;;) {
      // Again and again: what was sent last may still be on its way.
      this.peer.hangUp()
      await this.application.hangUp()
      await new Promise((resolve) => setTimeout(resolve, 20))
      const { transactions, unanswered, dialogs } = this.engine.stats()
      if (transactions === 0 && unanswered === 0 && dialogs === 0) break
      if (Date.now() > deadline) throw new Find(`left: ${transactions} transactions, ${dialogs} dialogs`)
    }
    const [failure] = this.failures
    if (failure !== undefined) throw new Find(failure)
  }

  async stop(): Promise<void> {
    for (const link of Object.values(this.links)) link.close()
    for (const phone of this.phones) await phone.close()
    this.disconnect()
    await this.engine.stop()
    this.wheel.stop()
    this.peer.close()
  }

  /** The status of the answer to an ordinary request; 0 if there is none. */
  async #askOptions(phone: Phone | undefined): Promise<number> {
    if (!phone) return 0
    const callId = newCallId()
    phone.send(phone.request({ method: 'OPTIONS', uri: 'sip:options@localhost', callId }))
    try {
      const answer = await phone.expect((message) => message.header('call-id') === callId, answerMs)
      return answer.status ?? 0
    } catch {
      return 0
    }
  }

  #message(random: Random, transport: string): Buffer {
    const bytes = seedMessage(random, this.#values(random, transport))
    if (random.chance(0.15)) return bytes
    return mutate(random, bytes, seedMessage(random, this.#values(random, transport)))
  }

  #values(random: Random, transport: string): Values {
    const madeUp = {
      callId: `${random.word()}@fuzz`,
      fromTag: random.word(),
      toTag: random.word(),
      target: `sip:app@127.0.0.1`,
      route: '',
    }
    return {
      ...(this.#dialog && random.chance(0.7) ? this.#dialog : madeUp),
      transport: transport.toUpperCase(),
      sentBy: this.peer.hostport,
      branch: random.word(),
      cseq: String(2 + random.below(50)),
    }
  }

  /** A second application on the control port, which then sends anything. */
  async #authenticate(socket: net.Socket): Promise<void> {
    const reader = new FrameReader(1e6)
    socket.on('data', (bytes) => {
      for (const text of reader.push(bytes)) this.#noteIds(text)
    })
    socket.write(frame(`a|authenticate|${secret}`) + frame('b|route|info'))
    await once(socket, 'data')
  }

  /** `id|sip|source|bytes|protocol|address|port|time|transaction|dialog|…`, or the same in the answer to a command. */
  #noteIds(text: string): void {
    const fields = text.slice(0, text.indexOf('\r\n')).split('|')
    const at = fields.findIndex((field) => /^\d\d:\d\d:\d\d/.test(field))
    if (at === -1) return
    this.#transactionId = fields[at + 1] || this.#transactionId
    this.#dialogId = fields[at + 2] || this.#dialogId
  }
}

function describe(details: unknown): string {
  const error = typeof details === 'object' && details !== null && 'err' in details ? details.err : details
  const { stack, message } = asError(error)
  return stack ?? message
}
