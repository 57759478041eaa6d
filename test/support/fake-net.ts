/** What a client side sees of the world, in tests: DNS as a table, flows that only note what was sent, and a clock. */
import type { ClientEnvironment } from '../../src/engine/client/environment.js'
import { responseTo } from '../../src/engine/message/response.js'
import type { SipRequest, SipResponse } from '../../src/engine/message/sip-message.js'
import { Servers } from '../../src/engine/resolve/servers.js'
import { TransactionTable } from '../../src/engine/transaction/table.js'
import { defaultTiming } from '../../src/engine/transaction/timers.js'
import type { ClientTransactionUser } from '../../src/engine/transaction/transaction.js'
import type {
  Flow,
  Listener,
  OpenOptions,
  SendFailure,
  TransportLayer,
  TransportName,
} from '../../src/engine/transport/transport.js'
import { FakeClock } from './fake-clock.js'
import { StubDns } from './stub-dns.js'

interface Sent {
  /** `udp 192.0.2.1:5060` */
  to: string
  text: string
  fail: SendFailure | undefined
}

export class FakeNet implements ClientEnvironment {
  readonly scheduler = new FakeClock()
  readonly timing = defaultTiming
  /** Everything that was sent, retransmissions included. */
  readonly sent: Sent[] = []
  /** Each request on its way out. */
  readonly opened: (OpenOptions & { to: string })[] = []
  readonly listeners: Listener[]
  readonly transport: TransportLayer
  readonly servers: Servers
  readonly table: TransactionTable
  /** Flows that are there no more, as `udp 192.0.2.1:5060`. */
  readonly gone = new Set<string>()
  #unique = 0

  constructor(
    readonly dns = new StubDns({}),
    have: readonly TransportName[] = ['udp', 'tcp', 'tls'],
  ) {
    this.listeners = have.map((transport, id) => ({
      id,
      transport,
      family: 4,
      host: '192.0.2.99',
      port: 5060 + id,
    }))
    const flow = (transport: TransportName, address: string, port: number): Flow | undefined => {
      const listener = this.listeners.find((one) => one.transport === transport)
      const to = `${transport} ${address}:${port}`
      if (!listener || this.gone.has(to)) return undefined
      return { transport, listener, remoteAddress: address, remotePort: port, open: true }
    }
    this.transport = {
      listeners: this.listeners,
      findFlow: flow,
      openFlow: (transport: TransportName, address: string, port: number, options: OpenOptions = {}) => {
        this.opened.push({ ...options, to: `${transport} ${address}:${port}` })
        return flow(transport, address, port)
      },
      localAddress: ({ listener }: Flow) => ({ host: listener.host, port: listener.port }),
    } as unknown as TransportLayer
    this.servers = new Servers(
      this.dns,
      this.scheduler,
      () => this.listeners,
      () => 0,
    )
    this.table = new TransactionTable(this)
  }

  send(flow: Flow, data: Buffer, fail?: SendFailure): void {
    const to = `${flow.transport} ${flow.remoteAddress}:${flow.remotePort}`
    this.sent.push({ to, text: data.toString('latin1'), fail })
  }

  startClient(request: SipRequest, flow: Flow, user: ClientTransactionUser): { terminate(): void } {
    return this.table.startClient(request, flow, user)
  }

  unique(): string {
    return String(++this.#unique)
  }

  /** `METHOD transport address:port` of everything sent, retransmissions left out. */
  get log(): string[] {
    const seen = new Set<string>()
    return this.sent.flatMap(({ to, text }) => {
      if (seen.has(text)) return []
      seen.add(text)
      return [`${text.slice(0, text.indexOf(' '))} ${to}`]
    })
  }

  /** The peer answers this request. */
  answer(
    request: SipRequest,
    status: number,
    headers: readonly (readonly [string, string])[] = [],
  ): SipResponse {
    const response = responseTo(request, status, undefined, { headers, toTag: `tag${status}` })
    this.table.receiveResponse(response)
    return response
  }

  /** The last send fails. */
  failLast(error = new Error('refused')): void {
    this.sent.at(-1)?.fail?.(error)
  }
}
