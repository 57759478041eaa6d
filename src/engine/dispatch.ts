/** What happens to each message that the transports deliver: RFC 3261 §16.3-§16.5 and §17. */
import { SipRequest, SipResponse, type SipMessage } from './message/sip-message.js'
import { responseTo } from './message/response.js'
import { statelessTag } from './message/tokens.js'
import { comeBack, newcomer } from './overload/newcomer.js'
import type { Overload } from './overload/overload.js'
import { isLoop } from './proxy/forward.js'
import type { VerifiedDialog } from './proxy/dialog-token.js'
import type { RecordRouting } from './proxy/record-route.js'
import { Incoming } from './transaction/incoming.js'
import { InviteServerTransaction } from './transaction/invite-server.js'
import { serverKey, type TransactionTable } from './transaction/table.js'
import type { TransactionEnvironment } from './transaction/transaction.js'
import { replyFlow } from './transport/reply-flow.js'
import type { Flow, TransportLayer } from './transport/transport.js'

/** Where requests go that this file does not settle itself. */
export interface RequestTargets {
  /** A new request outside any dialog of ours. */
  toApplication(incoming: Incoming): void
  /** The caller's CANCEL of a request that is still with the application. */
  cancelAtApplication(incoming: Incoming, cancel: SipRequest): void
  /** A request inside a proven dialog between others; its route is already cleaned of our entries. */
  inProxiedDialog(incoming: Incoming, dialog: VerifiedDialog): void
  /** The ACK to a 2xx: it has no transaction (§13.2.2.4). */
  ackInProxiedDialog(ack: SipRequest, flow: Flow, dialog: VerifiedDialog): void
  /** A request inside a dialog of an application; false if there is no such dialog. */
  inOwnDialog(incoming: Incoming): boolean
  /** The ACK to an application's 2xx; false if none waits for it. */
  ackInOwnDialog(ack: SipRequest, flow: Flow): boolean
}

export interface DispatchStats {
  requests: number
  responses: number
  strayResponses: number
  strayAcks: number
  forgedRoutes: number
  loops: number
  overloaded: number
}

export class Dispatcher {
  readonly stats: DispatchStats = {
    requests: 0,
    responses: 0,
    strayResponses: 0,
    strayAcks: 0,
    forgedRoutes: 0,
    loops: 0,
    overloaded: 0,
  }
  /** While draining, new requests outside dialogs are sent elsewhere. */
  draining = false

  constructor(
    private readonly env: TransactionEnvironment,
    private readonly transport: TransportLayer,
    private readonly table: TransactionTable,
    private readonly routing: RecordRouting,
    private readonly targets: RequestTargets,
    private readonly overload: Overload,
    private readonly options: { maxTransactions: number; newId: () => string },
    /** A response could not be delivered, or its ACK never came. */
    private readonly onFailure: (flow: Flow, error: Error) => void,
  ) {}

  receive(message: SipMessage, flow: Flow): void {
    if (message instanceof SipRequest) this.#receiveRequest(message, flow)
    else if (message instanceof SipResponse) this.#receiveResponse(message)
  }

  #receiveResponse(response: SipResponse): void {
    this.stats.responses++
    if (!this.table.receiveResponse(response)) this.stats.strayResponses++
  }

  #receiveRequest(request: SipRequest, flow: Flow): void {
    this.stats.requests++
    if (request.method === 'ACK') return this.#receiveAck(request, flow)
    const key = serverKey(request, request.method)
    const known = this.table.server(key)
    if (known) return known.machine.receiveRetransmission()
    const unexpected = newcomer(request, flow)
    const refusal = unexpected && this.overload.refuses(unexpected, key, this.env.scheduler.now())
    if (refusal === 'stale') return
    if (refusal) return this.#turnAway(request, flow, key)
    if (!this.#hasRoomFor(request)) {
      this.stats.overloaded++
      return this.#turnAway(request, flow, key)
    }
    // §9.2, without state: it could be forged by the thousand.
    if (request.method === 'CANCEL' && !this.table.server(serverKey(request, 'INVITE'))) {
      return this.#replyStatelessly(request, flow, key, 481)
    }
    const incoming = new Incoming(
      this.env,
      this.table,
      this.transport,
      request,
      flow,
      this.options.newId(),
      this.onFailure,
    )
    if (request.method === 'CANCEL') return this.#receiveCancel(incoming)
    // §17.2.1: so that the caller stops retransmitting whatever the application takes.
    if (request.method === 'INVITE') incoming.replyTryingLater()
    if (isLoop(request, this.transport)) {
      this.stats.loops++
      incoming.reply(482)
      return
    }
    this.#route(incoming)
  }

  /** A flood of new requests may push out what is finished, but not what belongs to running calls. */
  #hasRoomFor(request: SipRequest): boolean {
    const { maxTransactions } = this.options
    if (!this.table.isFull(maxTransactions) || this.table.makeRoom()) return true
    const ofRunningCall = request.toTag !== undefined || request.method === 'CANCEL'
    return ofRunningCall && this.table.size < maxTransactions * 1.1
  }

  #route(incoming: Incoming): void {
    const { request } = incoming
    // §16.3 step 5: we proxy without understanding any extension.
    const wanted = request.values('proxy-require')
    if (wanted.length > 0 && request.method !== 'REGISTER') {
      incoming.reply(420, undefined, [['Unsupported', wanted.join(', ')]])
      return
    }
    const routed = this.routing.unroute(request)
    if (request.toTag !== undefined && request.method !== 'REGISTER') {
      if (routed.kind === 'dialog') return this.targets.inProxiedDialog(incoming, routed.dialog)
      if (this.targets.inOwnDialog(incoming)) return
      if (routed.kind === 'forged') this.stats.forgedRoutes++
      // §12.2.2: a dialog that this server knows nothing of.
      incoming.reply(481)
      return
    }
    if (this.draining) {
      incoming.reply(503, undefined, [['Retry-After', '5']])
      return
    }
    this.targets.toApplication(incoming)
  }

  #receiveAck(ack: SipRequest, flow: Flow): void {
    const entry = this.table.server(serverKey(ack, 'INVITE'))
    if (entry?.machine instanceof InviteServerTransaction && entry.machine.state !== 'accepted') {
      return entry.machine.receiveAck()
    }
    const routed = this.routing.unroute(ack)
    if (routed.kind === 'dialog') this.targets.ackInProxiedDialog(ack, flow, routed.dialog)
    else if (!this.targets.ackInOwnDialog(ack, flow)) this.stats.strayAcks++
  }

  /** §9.2 and §16.10. */
  #receiveCancel(incoming: Incoming): void {
    const invite = this.table.server(serverKey(incoming.request, 'INVITE'))
    if (!invite || invite.abandoned) return incoming.abandon()
    incoming.reply(200)
    const target = invite.incoming
    // After the final response a CANCEL has no effect.
    if (!target) return
    if (target.onCancel) target.onCancel(incoming.request)
    else this.targets.cancelAtApplication(target, incoming.request)
  }

  #turnAway(request: SipRequest, flow: Flow, key: string): void {
    this.#replyStatelessly(request, flow, key, 503, [['Retry-After', comeBack(Math.random)]])
  }

  /** No state for what can't be dealt with: copies of the request get the same To tag (§8.2.7), and that is all. */
  #replyStatelessly(
    request: SipRequest,
    flow: Flow,
    key: string,
    status: number,
    headers: readonly (readonly [string, string])[] = [],
  ): void {
    const response = responseTo(request, status, undefined, { toTag: statelessTag(key), headers })
    this.env.send(replyFlow(request, flow, this.transport), response.serialize())
  }
}
