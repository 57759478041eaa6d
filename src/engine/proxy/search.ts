/**
 * The response context of a stateful proxy (RFC 3261 §16.2, §16.6-§16.8): one request from upstream, one or several
 * branches downstream, one final answer back (for INVITE every 2xx).
 */
import { parseNameAddr } from '../message/name-addr.js'
import { responseTo } from '../message/response.js'
import type { SipRequest, SipResponse } from '../message/sip-message.js'
import type { Timer } from '../transaction/timers.js'
import type { Flow } from '../transport/transport.js'
import { bestResponse, type FinalResponse } from './best-response.js'
import { Branch, type BranchOwner, type Hop } from './branch.js'
import type { ProxyEnvironment } from './client.js'
import {
  applyEdits,
  branchParameter,
  decrementMaxForwards,
  loopHash,
  responseUpstream,
  type HeaderEdits,
} from './forward.js'
import type { Target } from './target.js'

/** The server side of the search. */
export interface Upstream {
  readonly request: SipRequest
  readonly flow: Flow
  /** Sends a response to the caller, unless it comes too late. */
  respond(response: SipResponse): unknown
}

export interface SearchOptions {
  /** All targets of the same preference at once; else one after the other. */
  simultaneous: boolean
  followRedirects: boolean
  /** A target that says nothing at all for this long is given up, ms. */
  provisionalTimeoutMs?: number
  /** Simultaneous: the whole search ends with 480 after this, ms. Serial: one target's time. */
  finalTimeoutMs?: number
  edits: HeaderEdits
  /** Puts Record-Route or Path on the request of a branch. */
  record(request: SipRequest, outgoing: Flow): void
}

export interface SearchObserver {
  /** Each final response, in the order of arrival; the last one reported is the one the caller got. */
  onFinal(response: SipResponse, hop: Hop | undefined): void
  /** A target rings, or says that the call is making progress (18x); again for each such response. */
  onRinging?(): void
  /** The caller has its answer. Exactly once. */
  onDone(): void
}

interface Collected extends FinalResponse {
  response: SipResponse
  hop: Hop | undefined
}

/** RFC 3326 §2: tells the other devices of the callee why they stop ringing. */
const answeredElsewhere = 'SIP;cause=200;text="Call completed elsewhere"'

/** How long, in T1, the answer to a CANCEL is waited for, and the first reaction of the silent when another spoke. */
const cancelGrace = 4
const silentGrace = 4

export class Search implements BranchOwner {
  readonly #branches: Branch[] = []
  readonly #waiting: Target[] = []
  readonly #known = new Set<string>()
  readonly #collected: Collected[] = []
  readonly #hash: string
  #finalTimer: Timer | undefined
  /** Simultaneous: the preference of the targets that are being tried, and the end of their time. */
  #q = 1
  #turnTimer: Timer | undefined
  /** When the whole search ends, on the scheduler's clock. */
  #deadline = Infinity
  #outcome: 'open' | 'answered' | 'failed' = 'open'
  /** A target that rang for too long, with others still to be tried, has been cancelled. */
  #lostPatience = false
  /** Set once no further branch may start: why. */
  #ending: 'cancelled' | 'timed out' | 'declined' | undefined
  #starting = false

  constructor(
    private readonly env: ProxyEnvironment,
    private readonly upstream: Upstream,
    private readonly options: SearchOptions,
    private readonly observer: SearchObserver,
  ) {
    this.#hash = loopHash(upstream.request)
  }

  get incomingFlow(): Flow {
    return this.upstream.flow
  }

  get provisionalTimeoutMs(): number | undefined {
    return this.options.provisionalTimeoutMs
  }

  /** Starts with these targets, in order of preference. Whatever throws in here, the caller has got its answer. */
  start(destinations: readonly Target[]): void {
    try {
      this.#start(destinations)
    } catch (error) {
      this.#giveUp(500)
      throw error
    }
  }

  #start(destinations: readonly Target[]): void {
    for (const destination of destinations) this.#add(destination)
    const { finalTimeoutMs = Infinity, simultaneous } = this.options
    // RFC 4320 §4.2: a non-INVITE must be answered before the caller's own timer F, and never with 408.
    const limit = Math.min(
      simultaneous ? finalTimeoutMs : Infinity,
      this.#isInvite ? Infinity : 62 * this.env.timing.t1,
    )
    if (limit < Infinity) this.#finalTimer = this.env.scheduler.after(limit, () => this.#timeOut())
    this.#deadline = this.env.scheduler.now() + limit
    this.#launch()
  }

  /** The caller's CANCEL (§16.10); its Reason values travel on. */
  cancel(reasons: readonly string[]): void {
    if (this.#outcome !== 'open') return
    this.#end('cancelled', reasons)
  }

  /** The server stops: the caller is told so now, the targets are cancelled. */
  abort(): void {
    this.#giveUp(503, [['Retry-After', '5']])
  }

  #giveUp(status: number, headers: readonly (readonly [string, string])[] = []): void {
    if (this.#outcome !== 'open') return
    this.#outcome = 'failed'
    this.upstream.respond(responseTo(this.upstream.request, status, undefined, { headers }))
    this.#end('cancelled', [])
    this.observer.onDone()
  }

  // BranchOwner

  prepare(destination: Target): SipRequest {
    const request = this.upstream.request.clone()
    request.uri = destination.uri
    decrementMaxForwards(request)
    applyEdits(request, this.options.edits)
    if (destination.route !== undefined) request.set('route', destination.route)
    return request
  }

  record(request: SipRequest, outgoing: Flow): void {
    this.options.record(request, outgoing)
  }

  branchParameter(): string {
    return branchParameter(this.#hash, this.env.unique())
  }

  onProvisional(response: SipResponse): void {
    if (this.#outcome !== 'open') return
    if (response.status >= 180) this.observer.onRinging?.()
    this.#forward(response)
  }

  onSuccess(branch: Branch, response: SipResponse): void {
    // The caller has had its failure, and its transaction is over: docs/decisions/next-hop.md.
    if (this.#outcome === 'failed') return
    const first = this.#outcome === 'open'
    this.#outcome = 'answered'
    if (first || this.#isInvite) this.#forward(response)
    if (!first) return
    this.#stopTimers()
    this.#waiting.length = 0
    for (const other of this.#branches) {
      if (other !== branch) this.#stop(other, [answeredElsewhere])
    }
    this.observer.onFinal(response, branch.hop)
    this.observer.onDone()
  }

  onFailure(branch: Branch, status: number, response?: SipResponse): void {
    if (this.#outcome !== 'open') return
    const collected: Collected = {
      status,
      local: response === undefined,
      response: response ?? responseTo(this.upstream.request, status),
      hop: branch.hop,
    }
    this.#collected.push(collected)
    this.observer.onFinal(collected.response, branch.hop)
    // A device has spoken: others that have not said a word so far hardly will.
    if (response && this.#collected.length < this.#branches.length) {
      this.#giveUpAfter(silentGrace * this.env.timing.t1, ({ state }) => state === 'calling')
    }
    if (status >= 600 && !this.#ending) this.#end('declined', [])
    // §16.7 step 4: a redirection that is followed is no candidate for the answer any more.
    if (this.#isRedirect(status) && response && this.#redirect(response)) this.#collected.pop()
    this.#launch()
  }

  // The search itself

  get #isInvite(): boolean {
    return this.upstream.request.method === 'INVITE'
  }

  #isRedirect(status: number): boolean {
    return status >= 300 && status < 400 && this.options.followRedirects && !this.#ending
  }

  /** False if it is known already, or one too many. */
  #add(destination: Target): boolean {
    if (this.#known.size >= this.env.maxForks) return false
    const key = `${destination.uri} ${destination.flow?.address ?? ''} ${destination.flow?.port ?? ''}`
    if (this.#known.has(key)) return false
    this.#known.add(key)
    // Of one preference: in the order in which they came.
    const later = this.options.simultaneous
      ? this.#waiting.findIndex((other) => preference(other) < preference(destination))
      : -1
    this.#waiting.splice(later === -1 ? this.#waiting.length : later, 0, destination)
    return true
  }

  /** §16.5: contacts of a redirection join the target set. False if none did. */
  #redirect(response: SipResponse): boolean {
    // §26.2.2: who asked for sips may not end up without TLS, whoever redirects.
    const usable = /^sips:/i.test(this.upstream.request.uri) ? /^sips:/i : /^sips?:/i
    let added = false
    for (const contact of response.values('contact')) {
      const uri = parseNameAddr(contact)?.uri
      if (uri !== undefined && usable.test(uri)) added = this.#add({ uri, q: this.#q }) || added
    }
    return added
  }

  #launch(): void {
    // A branch may fail within begin(); the outermost call goes on with the rest.
    if (this.#starting) return
    this.#starting = true
    try {
      this.#begin()
    } finally {
      this.#starting = false
    }
    if (this.#outcome === 'open' && this.#branches.every((branch) => branch.state === 'done')) this.#fail()
  }

  #begin(): void {
    while (this.#waiting.length > 0 && !this.#ending && this.#outcome === 'open') {
      const destination = this.#waiting[0]
      if (!destination) break
      const { simultaneous } = this.options
      if (this.#branches.some((branch) => branch.state !== 'done')) {
        if (!simultaneous || preference(destination) !== this.#q) break
      } else if (simultaneous) this.#giveTurn(preference(destination))
      this.#waiting.shift()
      const branch = new Branch(this.env, this, destination)
      this.#branches.push(branch)
      branch.begin()
      this.#limitSerial(branch)
    }
  }

  #limitSerial(branch: Branch): void {
    const { simultaneous, finalTimeoutMs } = this.options
    if (simultaneous || finalTimeoutMs === undefined || !this.#isInvite || branch.state === 'done') return
    this.#finalTimer?.cancel()
    this.#finalTimer = this.env.scheduler.after(finalTimeoutMs, () => {
      this.#lostPatience = true
      this.#stop(branch, [])
    })
  }

  /**
   * §16.6: the most preferred targets first, all of one preference at once. Each such group may ring for its share of the
   * time that is left, or a phone that nobody hears would keep those after it from ringing at all.
   */
  #giveTurn(q: number): void {
    this.#q = q
    this.#turnTimer?.cancel()
    const groups = new Set(this.#waiting.map(preference)).size
    if (groups < 2 || this.#deadline === Infinity) return
    const share = (this.#deadline - this.env.scheduler.now()) / groups
    this.#turnTimer = this.env.scheduler.after(share, () => {
      this.#lostPatience = true
      const group = [...this.#branches]
      // Before any of them ends, which may start the next group.
      this.#giveUpAfter(cancelGrace * this.env.timing.t1, () => true)
      for (const branch of group) this.#stop(branch, [])
    })
  }

  #stopTimers(): void {
    this.#finalTimer?.cancel()
    this.#turnTimer?.cancel()
  }

  #timeOut(): void {
    this.#end('timed out', [])
    this.#launch()
  }

  #end(ending: 'cancelled' | 'timed out' | 'declined', reasons: readonly string[]): void {
    this.#ending = ending
    this.#stopTimers()
    this.#waiting.length = 0
    for (const branch of this.#branches) {
      if (ending === 'timed out') this.#stop(branch, reasons)
      else branch.cancel(reasons)
    }
    // A device that is there answers a CANCEL at once; the caller does not wait for one that has vanished.
    if (this.#outcome === 'open') this.#giveUpAfter(cancelGrace * this.env.timing.t1, () => true)
  }

  /** Gives up those of the present branches that are still under way then, and meet the condition. */
  #giveUpAfter(delayMs: number, condition: (branch: Branch) => boolean): void {
    const concerned = [...this.#branches]
    this.env.scheduler.after(delayMs, () => {
      if (this.#outcome !== 'open') return
      for (const branch of concerned) if (condition(branch)) branch.abandon(408)
    })
  }

  /** A target that never said a word can't be cancelled (§9.1), but need not be waited for either. */
  #stop(branch: Branch, reasons: readonly string[]): void {
    if (branch.state === 'calling' && this.#outcome === 'open') branch.abandon(408)
    else branch.cancel(reasons)
  }

  /** All branches have ended without success. */
  #fail(): void {
    this.#outcome = 'failed'
    this.#stopTimers()
    const best = this.#collected[bestResponse(this.#collected)]
    const response = this.#finalAnswer(best)
    const last = this.#collected.at(-1)
    if (last?.status !== response.status) this.observer.onFinal(response, undefined)
    this.upstream.respond(response)
    this.observer.onDone()
  }

  #finalAnswer(best: Collected | undefined): SipResponse {
    const { request } = this.upstream
    if (this.#ending === 'cancelled' && (!best || best.local)) return responseTo(request, 487)
    if (this.#ending === 'timed out') return responseTo(request, 480)
    if (!best) return responseTo(request, 480)
    // The caller has cancelled nothing, it was us.
    if (best.status === 487 && this.#lostPatience && this.#ending === undefined)
      return responseTo(request, 480)
    const status = upstreamStatus(best, request.method)
    if (best.local || status !== best.status) return responseTo(request, status)
    const response = responseUpstream(best.response, request, this.options.edits)
    if (!response) return responseTo(request, 502)
    if (best.status === 401 || best.status === 407) this.#mergeChallenges(response, best)
    return response
  }

  /** §16.7 step 7: the caller can answer all targets' challenges in one go. */
  #mergeChallenges(response: SipResponse, best: Collected): void {
    for (const other of this.#collected) {
      if (other === best || (other.status !== 401 && other.status !== 407)) continue
      for (const name of ['www-authenticate', 'proxy-authenticate']) {
        for (const value of other.response.lines(name)) response.append(name, value)
      }
    }
  }

  #forward(response: SipResponse): void {
    const upstream = responseUpstream(response, this.upstream.request, this.options.edits)
    if (upstream) this.upstream.respond(upstream)
  }
}

function preference({ q }: Target): number {
  return q ?? 1
}

/** What the caller is told in place of statuses that don't travel on. */
function upstreamStatus({ status, local }: FinalResponse, method: string): number {
  // Registered, but its flow is gone: to the caller the callee is temporarily unavailable.
  if (status === 430 && local) return 480
  // §16.7 step 6: a 503 says "this element is overloaded"; downstream's state is not ours.
  if (status === 503) return 500
  // RFC 4320 §4.2.
  if (status === 408 && method !== 'INVITE') return 480
  return status
}
