/** All stream connections: found by peer, counted by source. */
import type { Connection } from './connection.js'
import type { TransportLimits, TransportName } from './transport.js'

export class ConnectionTable {
  private readonly byPeer = new Map<string, Connection[]>()
  private readonly perSource = new Map<string, number>()
  private readonly perTransport = new Map<TransportName, number>()
  private total = 0
  private readonly waiting: (() => void)[] = []

  constructor(private readonly limits: TransportLimits) {}

  /** Open connections, accepted ones that are still shaking hands and outgoing ones included. */
  get count(): number {
    return this.total
  }

  /** Those of one transport in the table: accepted ones from the moment when their hands are shaken. */
  countOf(transport: TransportName): number {
    return this.perTransport.get(transport) ?? 0
  }

  /**
   * Takes a place for a connection, to be given back with `release`; false if there is none left. `source` is the peer
   * of an accepted connection: outgoing ones are our own doing and count in the total only.
   */
  admit(source?: string): boolean {
    if (this.total >= this.limits.maxConnections) return false
    if (source !== undefined) {
      const fromSource = this.perSource.get(source) ?? 0
      if (fromSource >= this.limits.maxConnectionsPerSource) return false
      this.perSource.set(source, fromSource + 1)
    }
    this.total++
    return true
  }

  release(source?: string): void {
    this.total--
    if (this.total === 0) for (const resolve of this.waiting.splice(0)) resolve()
    if (source === undefined) return
    const left = (this.perSource.get(source) ?? 0) - 1
    if (left > 0) this.perSource.set(source, left)
    else this.perSource.delete(source)
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
