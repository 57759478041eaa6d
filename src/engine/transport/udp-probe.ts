/**
 * Whether anybody listens at a UDP address. Node tells nothing of ICMP errors on a socket that speaks with many peers,
 * so a socket of its own is connected to the one that is silent. See docs/decisions/udp-refused.md.
 */
import dgram from 'node:dgram'
import { isIPv6 } from 'node:net'
import { formatHostPort } from '../message/host.js'
import { isWildcard } from './address.js'

/** A keep-alive (RFC 5626 §4.4.1): whoever speaks SIP ignores it, or answers it with CRLF. */
const harmless = Buffer.from('\r\n\r\n')
/** An answer that takes longer than this is none, ms. */
const askingMs = 2_000
/** How long a refusal holds, ms: longer than the pauses of a retransmission that count (RFC 3261 §17.1.1.2). */
const refusalMs = 5_000
/** Most sockets at one time. */
const mostAsked = 64
/** Most refusals that are kept in mind. */
const mostRefused = 10_000

interface Known {
  /** Absent while the peer is being asked. */
  error?: Error
  /** When this has to be forgotten, ms. */
  until: number
}

export class UdpProbes {
  private readonly peers = new Map<string, Known>()
  /** Sockets, and what ends them. */
  private readonly asking = new Map<dgram.Socket, NodeJS.Timeout>()

  constructor(private readonly now: () => number = Date.now) {}

  /**
   * The refusal of that peer, if one is known; else it is asked, unless that is under way or too much is.
   *
   * @param from the (canonical) address to ask from: that of the listener
   */
  ask(address: string, port: number, from: string): Error | undefined {
    const key = formatHostPort(address, port)
    const known = this.peers.get(key)
    if (known && known.until > this.now()) return known.error
    this.peers.delete(key)
    if (this.asking.size < mostAsked && port > 0 && port < 65_536) this.send(key, address, port, from)
    return undefined
  }

  /** Something has come from that peer: whatever was refused, it is there now. */
  heard(address: string, port: number): void {
    // Nothing is known nearly always, and this is asked for each datagram.
    if (this.peers.size > 0) this.peers.delete(formatHostPort(address, port))
  }

  close(): void {
    for (const socket of [...this.asking.keys()]) this.end(socket)
    this.peers.clear()
  }

  private send(key: string, address: string, port: number, from: string): void {
    const family = isIPv6(address.split('%', 1)[0] ?? '') ? 6 : 4
    const socket = dgram.createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      lookup: (host, _options, done) => done(null, host, family),
    })
    const known: Known = { until: this.now() + askingMs }
    const over = (error?: NodeJS.ErrnoException): void => {
      if (!this.end(socket) || this.peers.get(key) !== known) return
      // Any other error is trouble of our own.
      if (error?.code === 'ECONNREFUSED') this.remember(key, error)
      else this.peers.delete(key)
    }
    this.asking.set(
      socket,
      setTimeout(() => over(), askingMs),
    )
    this.peers.set(key, known)
    // Node calls back after the socket was closed, too.
    const connect = (): void => {
      if (this.asking.has(socket)) socket.connect(port, address)
    }
    socket.on('error', over)
    socket.on('connect', () => this.asking.has(socket) && socket.send(harmless))
    if (isWildcard(from)) connect()
    else socket.bind({ address: from, port: 0, exclusive: true }, connect)
  }

  /** False if it had ended already. */
  private end(socket: dgram.Socket): boolean {
    clearTimeout(this.asking.get(socket))
    if (!this.asking.delete(socket)) return false
    socket.close()
    return true
  }

  private remember(key: string, error: Error): void {
    this.peers.delete(key)
    for (const oldest of this.peers.keys()) {
      if (this.peers.size < mostRefused) break
      this.peers.delete(oldest)
    }
    this.peers.set(key, { error, until: this.now() + refusalMs })
  }
}
