/** The servers of the world as this engine has come to know them: where they are, and which have failed lately. */
import type { Scheduler } from '../transaction/timers.js'
import type { FlowAddress } from '../transport/peer.js'
import type { Listener } from '../transport/transport.js'
import { CachedDns } from './cached-dns.js'
import type { Dns } from './dns.js'
import { locate, type Server } from './locate.js'
import { Recent } from './recent.js'

/** How long a server that failed is tried last, ms; a Retry-After may ask for more, up to the bound. */
const failureHolds = 30_000
const maxFailureHolds = 300_000

/** How long it is remembered that a server takes no TCP connections, ms. */
const udpOnlyHolds = 600_000

/** How many of either kind are remembered. */
const remembered = 1000

export class Servers {
  readonly #dns: Dns
  readonly #failed: Recent
  readonly #udpOnly: Recent

  /** `listeners` is asked at each use: there are none before the transports have started. */
  constructor(
    dns: Dns,
    scheduler: Scheduler,
    private readonly listeners: () => readonly Listener[],
    private readonly random: () => number = Math.random,
  ) {
    this.#dns = new CachedDns(dns, scheduler)
    this.#failed = new Recent(scheduler, remembered)
    this.#udpOnly = new Recent(scheduler, remembered)
  }

  /** Those to try for a URI, in this order; empty if there are none. See `locate`. */
  find(uri: string): Server[] | Promise<Server[]> {
    const found = locate(uri, { dns: this.#dns, listeners: this.listeners(), random: this.random })
    return found instanceof Promise ? found.then((servers) => this.#inOrder(servers)) : found
  }

  /** It could not be reached, was silent, or said 503; `forMs`: for how long it wants to be spared. */
  failed(server: FlowAddress, forMs = failureHolds): void {
    this.#failed.add(keyOf(server), Math.min(forMs, maxFailureHolds))
  }

  answered(server: FlowAddress): void {
    this.#failed.delete(keyOf(server))
  }

  /** It takes no TCP connections where it takes datagrams. */
  refusedTcp(server: FlowAddress): void {
    this.#udpOnly.add(keyOf(server), udpOnlyHolds)
  }

  mayTakeTcp(server: FlowAddress): boolean {
    return !this.#udpOnly.has(keyOf(server))
  }

  /** RFC 3263 §4.3 in the long run: a server that just failed keeps its place only if all have. */
  #inOrder(servers: Server[]): Server[] {
    const failed = servers.filter((server) => this.#failed.has(keyOf(server)))
    return failed.length === 0
      ? servers
      : [...servers.filter((server) => !failed.includes(server)), ...failed]
  }
}

function keyOf({ transport, address, port }: FlowAddress): string {
  return `${transport} ${address} ${port}`
}
