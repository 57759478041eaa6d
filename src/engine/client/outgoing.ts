/** A request on its way to its next hop (RFC 3261 §8.1.2, §18.1.1; RFC 3263 §4.3 for the way from server to server). */
import { parseNameAddr } from '../message/name-addr.js'
import type { SipRequest, SipResponse } from '../message/sip-message.js'
import { nextHop } from '../proxy/next-hop.js'
import type { Timer } from '../transaction/timers.js'
import { flowTo, type FlowAddress, type Peer } from '../transport/peer.js'
import { isReliable, type Flow, type Listener } from '../transport/transport.js'
import { Attempt, type CancelHeaders } from './attempt.js'
import type { ClientEnvironment } from './environment.js'
import { pushVia } from './own-via.js'

/** What is to be sent, and where to. */
export interface OutgoingRequest {
  /**
   * All but Via. Its topmost Route, else its Request-URI, names the next hop (RFC 3261 §8.1.2), unless `nextHop` does.
   * It stays as it is: copies are sent.
   */
  request: SipRequest
  /** Sent over this flow and nowhere else (RFC 5626 §5.3). */
  flow?: Peer
  /**
   * A URI to send to instead of the topmost Route or the Request-URI: an outbound proxy, or the strict router that
   * stands in the Request-URI while Route has entries left (§12.2.1.1).
   */
  nextHop?: string
  /** Which listener to prefer, e.g. that of the caller. */
  preferred?: Listener
  /** The branch parameter of the Via, a new one at each call: each attempt is a transaction of its own. */
  branch(): string
  /** Last changes to a copy that may go out over this flow, before its Via: Contact, Record-Route, Path. */
  finish?(request: SipRequest, flow: Flow): void
}

/** Any of it may be called before `start` returns. */
export interface OutgoingUser {
  /** An attempt leaves: the request as sent and the flow it takes. Called again for each fail-over. */
  onSent?(request: SipRequest, flow: Flow): void
  /**
   * Responses of the server that was settled on; a 503 that leads to the next server is not shown unless it was the
   * last. After the final response only repeated 2xx to INVITE, and those of other forks (RFC 6026 §7.2).
   */
  onResponse(response: SipResponse): void
  /**
   * No response at all: 408 (silence), 503 (unreachable, unresolvable), 430 (the flow is gone, RFC 5626 §5.3.1), 513
   * (too large), 487 (cancelled before it left, or nothing came of a CANCEL). Once, and no final `onResponse` then but
   * a 2xx that comes very late.
   */
  onFailure(status: number, error?: Error): void
}

/** Largest payload of a UDP datagram over IPv4, bytes. */
const maxDatagram = 65_507

export class Outgoing {
  #attempt: Attempt | undefined
  #ended = false
  #lookUp: Timer | undefined

  constructor(
    private readonly env: ClientEnvironment,
    private readonly what: OutgoingRequest,
    private readonly user: OutgoingUser,
  ) {}

  start(): void {
    const { flow: peer, preferred } = this.what
    if (peer) {
      const flow = flowTo(peer, this.env.transport, preferred)
      return flow ? this.#send(flow) : this.#fail(430)
    }
    const hop = nextHop(this.#nextHop(), this.env.resolve)
    if (!(hop instanceof Promise)) return this.#connect(hop)
    // A name that takes long to resolve may not hold the caller longer than a server that is silent.
    this.#lookUp = this.env.scheduler.after(64 * this.env.timing.t1, () => this.#fail(408))
    hop.then(
      (address) => this.#connect(address),
      () => this.#connect(undefined),
    )
  }

  /**
   * INVITE only (§9.1): at once if a provisional response has come, else as soon as one does. No other server is tried
   * any more. `headers`: extra header lines such as Reason (RFC 3326), label and value.
   */
  cancel(headers: CancelHeaders): void {
    if (this.#ended || this.what.request.method !== 'INVITE') return
    if (this.#attempt) this.#attempt.cancel(headers)
    else this.#fail(487)
  }

  /**
   * Gives it up without a word to the user. What comes late is cancelled and acknowledged; only a 2xx to INVITE still
   * reaches `onResponse`, since it has made a dialog that somebody has to end.
   */
  abandon(): void {
    if (this.#ended) return
    this.#end()
    this.#attempt?.abandon()
  }

  #nextHop(): string {
    const { request, nextHop: wanted } = this.what
    if (wanted !== undefined) return wanted
    const route = request.values('route')[0]
    return (route === undefined ? undefined : parseNameAddr(route)?.uri) ?? request.uri
  }

  #connect(address: FlowAddress | undefined): void {
    // Cancelled or given up while the name was being resolved.
    if (this.#ended) return
    this.#lookUp?.cancel()
    const { preferred } = this.what
    const flow =
      address &&
      this.env.transport.openFlow(
        address.transport,
        address.address,
        address.port,
        preferred ? { preferred } : {},
      )
    if (flow) this.#send(flow)
    else this.#fail(503)
  }

  #send(flow: Flow): void {
    const request = this.what.request.clone()
    this.what.finish?.(request, flow)
    pushVia(request, flow, this.env.transport, this.what.branch())
    // §18.1.1: it has to fit, and nobody can be asked to take it in parts.
    if (!isReliable(flow.transport) && isOversize(request)) return this.#fail(513)
    this.#attempt = new Attempt(this.env, request, flow, {
      onResponse: (response) => {
        if (response.status >= 200) this.#end()
        this.user.onResponse(response)
      },
      onFailure: (status, error) => this.#fail(this.#failureOver(flow, status), error),
    })
    this.user.onSent?.(request, flow)
    this.#attempt.start()
  }

  /** RFC 5626 §5.3.1: a connection that is gone is 430. That a datagram could not be sent says nothing about a flow. */
  #failureOver(flow: Flow, status: number): number {
    return status === 503 && this.what.flow && isReliable(flow.transport) ? 430 : status
  }

  #fail(status: number, error?: Error): void {
    if (this.#ended) return
    this.#end()
    this.user.onFailure(status, error)
  }

  #end(): void {
    this.#ended = true
    this.#lookUp?.cancel()
  }
}

function isOversize(request: SipRequest): boolean {
  // Header sections are bounded far below, so that nearly all requests need no counting.
  return request.body.length > maxDatagram / 2 && request.serialize().length > maxDatagram
}
