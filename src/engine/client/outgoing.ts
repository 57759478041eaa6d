/**
 * A request on its way to its next hop: RFC 3261 §8.1.2 and §18.1.1, and RFC 3263 §4.3 for the way from one server to
 * the next. Times and bounds: docs/decisions/next-hop.md.
 */
import { parseNameAddr } from '../message/name-addr.js'
import type { SipRequest, SipResponse } from '../message/sip-message.js'
import type { Server } from '../resolve/locate.js'
import type { Timer } from '../transaction/timers.js'
import { flowTo, type Peer } from '../transport/peer.js'
import { isReliable, NotConnected } from '../transport/transport.js'
import type { Flow, Listener, OpenOptions } from '../transport/transport.js'
import { Attempt, type CancelHeaders } from './attempt.js'
import type { ClientEnvironment } from './environment.js'
import { pushVia } from './own-via.js'
import { maxDatagram, preferredMaxDatagram, wireSize } from './wire-size.js'

/** What is to be sent, and where to. */
export interface OutgoingRequest {
  /**
   * All but Via; the ACK to a 2xx is sent once, without a transaction. Its topmost Route, else its Request-URI, names the next hop (RFC 3261 §8.1.2), unless `nextHop` does.
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
   * (too large), 487 (cancelled before it left, or nothing came of a CANCEL, also of ours after timer C). Once, and no
   * final `onResponse` then but a 2xx that comes very late.
   */
  onFailure(status: number, error?: Error): void
}

/** What was tried last. */
interface Trial {
  attempt: Attempt
  /** Absent: the flow that was asked for. */
  server?: Server
  /** Sent over TCP for its size alone; the server was named for UDP. */
  moved: boolean
}

type Outcome = { response: SipResponse } | { status: number; error?: Error | undefined }

/**
 * How long a server may be silent while there is another one to try, in T1. To an INVITE one that is there says 100
 * within 200 ms (§17.2.1); to another request it may say nothing until it has the answer (RFC 4320 §4.1).
 */
const inviteSilence = 8
const otherSilence = 16

/** Time to connect where only the size speaks for TCP, ms: a firewall that drops it may not hold up the call. */
const connectForSizeMs = 2000

export class Outgoing {
  readonly #isInvite: boolean
  /** Servers that are still to be tried. */
  #left: Server[] = []
  #trial: Trial | undefined
  /** Has not taken this request over TCP. */
  #triedTcp: Server | undefined
  #cancelled = false
  #ended = false
  /** By then some server must have reacted. Scheduler time. */
  #deadline = Infinity
  #timer: Timer | undefined
  #timerC: Timer | undefined

  constructor(
    private readonly env: ClientEnvironment,
    private readonly what: OutgoingRequest,
    private readonly user: OutgoingUser,
  ) {
    this.#isInvite = what.request.method === 'INVITE'
  }

  start(): void {
    const { scheduler, timing, transport, servers } = this.env
    const { flow: peer, preferred } = this.what
    if (peer) {
      const flow = flowTo(peer, transport, preferred)
      return flow ? this.#send(flow, this.#copyFor(flow)) : this.#fail(430)
    }
    // However many servers there are: the sender of a request that we pass on waits no longer than this (timer B, F).
    const patience = 64 * timing.t1
    this.#deadline = scheduler.now() + patience
    const found = servers.find(this.#nextHop())
    if (!(found instanceof Promise)) return this.#tryAll(found)
    this.#timer = scheduler.after(patience, () => this.#fail(408))
    found
      .then((list) => this.#tryAll(list))
      .catch((error: unknown) => this.#fail(503, error instanceof Error ? error : undefined))
  }

  /**
   * INVITE only (§9.1): at once if a provisional response has come, else as soon as one does. No other server is tried
   * any more. `headers`: extra header lines such as Reason (RFC 3326), label and value.
   */
  cancel(headers: CancelHeaders): void {
    if (this.#ended || !this.#isInvite) return
    this.#cancelled = true
    if (this.#trial) this.#trial.attempt.cancel(headers)
    else this.#fail(487)
  }

  /**
   * Gives it up without a word to the user. What comes late is cancelled and acknowledged; only a 2xx to INVITE still
   * reaches `onResponse`, since it has made a dialog that somebody has to end.
   */
  abandon(): void {
    if (this.#ended) return
    this.#end()
    this.#trial?.attempt.abandon()
  }

  #nextHop(): string {
    const { request, nextHop } = this.what
    if (nextHop !== undefined) return nextHop
    const route = request.values('route')[0]
    return (route === undefined ? undefined : parseNameAddr(route)?.uri) ?? request.uri
  }

  #tryAll(servers: readonly Server[]): void {
    // Cancelled or given up while the name was being looked up.
    if (this.#ended) return
    this.#timer?.cancel()
    this.#left = [...servers]
    this.#tryNext({ status: 503 })
  }

  /** `last`: what came of the server before; the user hears of it only if there is none left. */
  #tryNext(last: Outcome): void {
    for (;;) {
      const server = this.#left.shift()
      if (!server || this.env.scheduler.now() >= this.#deadline) return this.#conclude(last)
      const flow = this.#open(server)
      if (flow) return this.#sendTo(server, flow)
    }
  }

  #open({ transport, address, port, serverName }: Server, more: OpenOptions = {}): Flow | undefined {
    const options: OpenOptions = { ...more }
    if (this.what.preferred) options.preferred = this.what.preferred
    if (serverName !== undefined) options.serverName = serverName
    return this.env.transport.openFlow(transport, address, port, options)
  }

  #sendTo(server: Server, flow: Flow): void {
    const request = this.#copyFor(flow)
    const tcp = this.#instead(server, request)
    if (tcp) this.#send(tcp, this.#copyFor(tcp), server, true)
    else this.#send(flow, request, server)
  }

  /** §18.1.1: a large request goes over TCP, unless the server is known to take none. */
  #instead(server: Server, request: SipRequest): Flow | undefined {
    if (server.transport !== 'udp' || wireSize(request) <= preferredMaxDatagram) return undefined
    if (server === this.#triedTcp || !this.env.servers.mayTakeTcp(server)) return undefined
    return this.#open({ ...server, transport: 'tcp' }, { connectTimeoutMs: connectForSizeMs })
  }

  #copyFor(flow: Flow): SipRequest {
    const request = this.what.request.clone()
    this.what.finish?.(request, flow)
    pushVia(request, flow, this.env.transport, this.what.branch())
    return request
  }

  #send(flow: Flow, request: SipRequest, server?: Server, moved = false): void {
    if (!isReliable(flow.transport) && wireSize(request) > maxDatagram) {
      return this.#tryNext({ status: 513 })
    }
    const attempt = new Attempt(this.env, request, flow, {
      onResponse: (response) => this.#onResponse(trial, response),
      onFailure: (status, error) => this.#onFailure(trial, status, error),
    })
    const trial: Trial = { attempt, moved, ...(server && { server }) }
    this.#trial = trial
    this.#timerC?.cancel()
    this.#timerC = undefined
    this.#limitSilence(trial)
    this.user.onSent?.(request, flow)
    attempt.start()
  }

  /** Not needed for the first attempt where there is but one: its transaction has the same time. */
  #limitSilence(trial: Trial): void {
    const { scheduler, timing } = this.env
    this.#timer?.cancel()
    if (this.what.request.method === 'ACK') return
    const left = this.#deadline - scheduler.now()
    const hasAlternative = this.#left.length > 0 || trial.moved
    const limit = (this.#isInvite ? inviteSilence : otherSilence) * timing.t1
    const wait = hasAlternative ? Math.min(limit, left) : left
    if (wait >= 64 * timing.t1) return
    this.#timer = scheduler.after(wait, () => {
      if (!trial.attempt.silent) return
      trial.attempt.abandon()
      this.#onFailure(trial, 408)
    })
  }

  #onResponse(trial: Trial, response: SipResponse): void {
    const { status } = response
    const { servers } = this.env
    if (trial !== this.#trial) {
      // A 2xx of a server that was given up for its silence: it has won, whoever else is being asked.
      if (!this.#ended) this.#trial?.attempt.abandon()
    } else if (trial.server && !this.#ended) {
      if (status !== 503) servers.answered(trial.server)
      else {
        servers.failed(trial.server, retryAfterMs(response))
        if (!this.#cancelled) return this.#tryNext({ response })
      }
    }
    if (status < 200) this.#limitRinging(status)
    this.#conclude({ response })
  }

  /** §16.6 step 11 and §16.8: an INVITE may not ring for ever, whoever has sent it. */
  #limitRinging(status: number): void {
    if (!this.#isInvite || (this.#timerC && status === 100)) return
    this.#timerC?.cancel()
    this.#timerC = this.env.scheduler.after(this.env.timing.timerC, () => this.cancel([]))
  }

  #onFailure(trial: Trial, status: number, error?: Error): void {
    if (trial !== this.#trial || this.#ended) return
    const { server, moved, attempt } = trial
    if (!server) return this.#fail(statusOfFlow(attempt.flow, status), error)
    if (moved) {
      // It was to be found for UDP, and is still there for it (§18.1.1).
      this.#triedTcp = server
      if (error instanceof NotConnected) this.env.servers.refusedTcp(server)
      this.#left.unshift(server)
    } else if (status !== 487) this.env.servers.failed(server)
    if (this.#cancelled) this.#fail(status, error)
    else this.#tryNext({ status, error })
  }

  #conclude(outcome: Outcome): void {
    if (!('response' in outcome)) return this.#fail(outcome.status, outcome.error)
    if (outcome.response.status >= 200) this.#end()
    this.user.onResponse(outcome.response)
  }

  #fail(status: number, error?: Error): void {
    if (this.#ended) return
    this.#end()
    this.user.onFailure(status, error)
  }

  #end(): void {
    this.#ended = true
    this.#left = []
    this.#timer?.cancel()
    this.#timerC?.cancel()
  }
}

/** RFC 5626 §5.3.1: a connection that is gone is 430. That a datagram could not be sent says nothing about a flow. */
function statusOfFlow(flow: Flow, status: number): number {
  return status === 503 && isReliable(flow.transport) ? 430 : status
}

/** RFC 3261 §20.33; undefined if there is none. */
function retryAfterMs(response: SipResponse): number | undefined {
  const seconds = Number.parseInt(response.get('retry-after') ?? '', 10)
  return seconds >= 0 ? seconds * 1000 : undefined
}
