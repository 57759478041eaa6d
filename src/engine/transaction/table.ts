/** Where a message finds its transaction: RFC 3261 §17.1.3 (responses) and §17.2.3 (requests). */
import type { SipRequest, SipResponse } from '../message/sip-message.js'
import { headerParam } from '../message/name-addr.js'
import type { ClientMachine } from './client-machine.js'
import { InviteClientTransaction } from './invite-client.js'
import { NonInviteClientTransaction } from './non-invite-client.js'
import type { ServerEntry } from './server-entry.js'
import type { ClientTransactionUser, TransactionEnvironment } from './transaction.js'
import { isReliable, type Flow } from '../transport/transport.js'

/** How many of the oldest are looked at to make room, which bounds the work for one request. */
const makeRoomStep = 64

/**
 * Most bytes kept for repetitions, over all server transactions. An answer repeats what its request has in Via, From, To
 * and Call-ID: usually some 500 bytes, but a stranger may make it 30,000 of each that it sends.
 */
const defaultMaxKeptBytes = 256 * 1024 * 1024

export class TransactionTable {
  readonly #servers = new Map<string, ServerEntry>()
  readonly #clients = new Map<string, ClientMachine>()
  /** Client transactions by stream connection, to end them with it. */
  readonly #byConnection = new Map<Flow, Set<ClientMachine>>()

  #keptBytes = 0

  constructor(
    private readonly env: TransactionEnvironment,
    private readonly maxKeptBytes = defaultMaxKeptBytes,
  ) {}

  get size(): number {
    return this.#servers.size + this.#clients.size
  }

  /** Requests that still wait for their final answer. */
  get unanswered(): number {
    let count = 0
    for (const entry of this.#servers.values()) if (entry.incoming) count++
    return count
  }

  server(key: string): ServerEntry | undefined {
    return this.#servers.get(key)
  }

  addServer(key: string, entry: ServerEntry): void {
    this.#servers.set(key, entry)
  }

  /** Counts what a server transaction keeps from now on until it is removed. */
  keep(entry: ServerEntry, bytes: number): void {
    this.#keptBytes += bytes - entry.keptBytes
    entry.keptBytes = bytes
  }

  removeServer(key: string): void {
    this.#keptBytes -= this.#servers.get(key)?.keptBytes ?? 0
    this.#servers.delete(key)
  }

  /** Whether one more must wait for room to be made. */
  isFull(maxTransactions: number): boolean {
    return this.size >= maxTransactions || this.#keptBytes >= this.maxKeptBytes
  }

  /**
   * Forgets the oldest finished server transactions, which only wait for repetitions, in favour of new ones. False if
   * there were none among those looked at; the next call looks at others.
   */
  makeRoom(): boolean {
    const before = this.#servers.size
    let looked = 0
    for (const [key, entry] of this.#servers) {
      if (!entry.incoming) entry.machine.terminate()
      else {
        // To the end: calls that ring for minutes may not hide what is finished behind them.
        this.#servers.delete(key)
        this.#servers.set(key, entry)
      }
      if (++looked === makeRoomStep) break
    }
    return this.#servers.size < before
  }

  /** Gives up, each in its own order, what still waits for an answer; for the shutdown. */
  abort(): void {
    for (const { incoming } of [...this.#servers.values()]) {
      if (incoming?.onAbort) incoming.onAbort()
      else incoming?.reply(503, undefined, [['Retry-After', '5']])
    }
  }

  startClient(request: SipRequest, flow: Flow, user: ClientTransactionUser): ClientMachine {
    const key = clientKey(request.via.branch, request.method)
    const removing: ClientTransactionUser = {
      onResponse: (response) => user.onResponse(response),
      onTimeout: () => user.onTimeout(),
      onTransportError: (error) => user.onTransportError(error),
      onTerminated: () => {
        this.#clients.delete(key)
        this.#unbind(flow, machine)
        user.onTerminated()
      },
    }
    const machine: ClientMachine =
      request.method === 'INVITE'
        ? new InviteClientTransaction(this.env, flow, request, removing)
        : new NonInviteClientTransaction(this.env, flow, request, removing)
    this.#clients.set(key, machine)
    if (isReliable(flow.transport)) this.#bind(flow, machine)
    machine.start()
    return machine
  }

  /** A stream connection has closed: what was sent over it and has had no reaction yet will get none. */
  connectionLost(flow: Flow): void {
    for (const machine of [...(this.#byConnection.get(flow) ?? [])]) machine.connectionLost()
  }

  #bind(flow: Flow, machine: ClientMachine): void {
    const bound = this.#byConnection.get(flow)
    if (bound) bound.add(machine)
    else this.#byConnection.set(flow, new Set([machine]))
  }

  #unbind(flow: Flow, machine: ClientMachine): void {
    const bound = this.#byConnection.get(flow)
    if (bound?.delete(machine) && bound.size === 0) this.#byConnection.delete(flow)
  }

  /** False if no transaction of ours waits for it: such a response is dropped (RFC 6026 §8.2). */
  receiveResponse(response: SipResponse): boolean {
    const machine = this.#clients.get(clientKey(response.via.branch, response.cseq.method))
    if (!machine) return false
    machine.receive(response)
    return true
  }

  /** Ends all machines without a word; for the shutdown. */
  clear(): void {
    for (const machine of [...this.#clients.values()]) machine.terminate()
    for (const entry of [...this.#servers.values()]) entry.machine.terminate()
  }
}

function clientKey(branch: string | undefined, method: string): string {
  return `${method} ${branch ?? ''}`
}

/**
 * The key under which a request, its retransmissions and its ACK or CANCEL are found (§17.2.3). `method` is INVITE for
 * the look-up of the INVITE that an ACK or a CANCEL means.
 */
export function serverKey(request: SipRequest, method: string): string {
  const { via } = request
  // Joined, not concatenated: V8 would keep the parts, and with them the text of the Via, as long as the key.
  if (via.hasMagicCookie) return [method, via.host, via.port ?? '', via.branch ?? ''].join(' ')
  // A client of RFC 2543 has no unique branch: the identity of the request is spread over its header fields.
  return [
    method,
    request.uri,
    request.callId,
    request.cseq.seq,
    request.fromTag ?? '',
    // An ACK carries the To tag of the response, its INVITE does not: left out for both.
    method === 'INVITE' ? '' : (headerParam(request.get('to') ?? '', 'tag') ?? ''),
    `${via.transport} ${via.host}:${via.port ?? ''} ${via.branch ?? ''}`,
  ].join(' ')
}
