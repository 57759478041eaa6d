/** All stream connections: found by peer, counted by source. */
import { networkOf } from './address.js'
import type { Connection } from './connection.js'
import type { TransportLimits, TransportName } from './transport.js'
import { Unfinished } from './unfinished.js'

/**
 * A connection that ended without a valid message counts for its source so much longer, ms: to come and go, with a
 * handshake each time, must not be cheaper than to stay.
 */
const fruitlessMs = 10_000

const maxUnfinishedBytes = 64 * 1024 * 1024

/** The place of an accepted connection. */
export interface AcceptedPlace {
  /** It has brought a valid message. */
  proven(): void
  /** The application has accepted something that came over it. */
  vouched(): void
  /** It is closed; to be called once. */
  release(): void
}

export class ConnectionTable {
  private readonly byPeer = new Map<string, Connection[]>()
  private readonly perSource = new Map<string, number>()
  private readonly perTransport = new Map<TransportName, number>()
  private total = 0
  private readonly waiting: (() => void)[] = []
  /** Accepted connections without a valid message so far, the oldest first, and how to close each. */
  private readonly unproven = new Map<object, () => void>()
  /** The same of those that speak SIP, but have brought nothing that the application has accepted. */
  private readonly strangers = new Map<object, () => void>()
  readonly unfinished: Unfinished

  constructor(private readonly limits: TransportLimits) {
    this.unfinished = new Unfinished(limits.maxUnfinishedBytes ?? maxUnfinishedBytes)
  }

  /** Open connections, accepted ones that are still shaking hands and outgoing ones included. */
  get count(): number {
    return this.total
  }

  /** Those of one transport in the table: accepted ones from the moment when their hands are shaken. */
  countOf(transport: TransportName): number {
    return this.perTransport.get(transport) ?? 0
  }

  /**
   * Takes a place for an outgoing connection, to be given back with `release`; false if there is none left. They are our
   * own doing and count in the total only.
   */
  admit(): boolean {
    if (this.total >= this.limits.maxConnections && !this.makeRoom()) return false
    this.total++
    return true
  }

  release(): void {
    this.total--
    if (this.total === 0) for (const resolve of this.waiting.splice(0)) resolve()
  }

  /**
   * Takes a place for an accepted connection; undefined if there is none left for it. Until it is `vouched` for, it may
   * be closed in favour of another one.
   */
  accept(source: string, close: () => void): AcceptedPlace | undefined {
    const network = networkOf(source)
    const fromNetwork = this.perSource.get(network) ?? 0
    if (fromNetwork >= this.limits.maxConnectionsPerSource || !this.admit()) return undefined
    this.perSource.set(network, fromNetwork + 1)
    let proven = false
    const place = {
      proven: () => {
        proven = true
        if (this.unproven.delete(place)) this.strangers.set(place, close)
      },
      vouched: () => {
        this.unproven.delete(place)
        this.strangers.delete(place)
      },
      release: () => {
        place.vouched()
        this.release()
        const longer = proven ? 0 : (this.limits.fruitlessMs ?? fruitlessMs)
        if (longer === 0) this.forget(network)
        else setTimeout(() => this.forget(network), longer).unref()
      },
    }
    this.unproven.set(place, close)
    return place
  }

  /**
   * A flood of connections must not keep out those who are known here: the longest silent one has to go, or the oldest
   * of those that anybody could have who knows how to write a SIP message.
   */
  private makeRoom(): boolean {
    for (const among of [this.unproven, this.strangers]) {
      for (const [place, close] of among) {
        among.delete(place)
        close()
        return true
      }
    }
    return false
  }

  private forget(network: string): void {
    const left = (this.perSource.get(network) ?? 0) - 1
    if (left > 0) this.perSource.set(network, left)
    else this.perSource.delete(network)
  }

  /** Resolves when the last place has been given back. */
  whenEmpty(): Promise<void> {
    return this.total === 0 ? Promise.resolve() : new Promise((resolve) => this.waiting.push(resolve))
  }

  add(connection: Connection): void {
    const key = keyOf(connection.transport, connection.remoteAddress, connection.remotePort)
    const known = this.byPeer.get(key)
    if (known) known.push(connection)
    else this.byPeer.set(key, [connection])
    this.perTransport.set(connection.transport, this.countOf(connection.transport) + 1)
  }

  remove(connection: Connection): void {
    const key = keyOf(connection.transport, connection.remoteAddress, connection.remotePort)
    const left = this.byPeer.get(key)?.filter((other) => other !== connection) ?? []
    if (left.length > 0) this.byPeer.set(key, left)
    else this.byPeer.delete(key)
    this.perTransport.set(connection.transport, this.countOf(connection.transport) - 1)
  }

  /**
   * The newest open connection to that peer (canonical address). With `serverName` only one whose certificate was
   * verified for that name: being at the same address doesn't make a peer that server (RFC 5923 §8.1).
   */
  find(transport: TransportName, address: string, port: number, serverName?: string): Connection | undefined {
    const suits = (connection: Connection) =>
      connection.open && (serverName === undefined || connection.serverName === serverName)
    return this.byPeer.get(keyOf(transport, address, port))?.findLast(suits)
  }

  /** Every connection in the table, in a list of its own: it may change while one walks through it. */
  all(): Connection[] {
    return [...this.byPeer.values()].flat()
  }
}

function keyOf(transport: TransportName, address: string, port: number): string {
  return `${transport} ${address} ${port}`
}
