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
/** How long a refusal holds, ms: longer than the second pause of a retransmission (RFC 3261 §17.1.1.2). */
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
  private readonly asking = new Set<dgram.Socket>()

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
    if (this.asking.size < mostAsked) this.send(key, address, port, from)
    return undefined
  }

  /** Something has come from that peer: whatever was refused, it is there now. */
  heard(address: string, port: number): void {
    // Nothing is known nearly always, and this is asked for each datagram.
    if (this.peers.size > 0) this.peers.delete(formatHostPort(address, port))
  }

  close(): void {
    for (const socket of this.asking) socket.close()
    this.asking.clear()
    this.peers.clear()
  }

  private send(key: string, address: string, port: number, from: string): void {
    const family = isIPv6(address.split('%', 1)[0] ?? '') ? 6 : 4
    const socket = dgram.createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      lookup: (host, _options, done) => done(null, host, family),
    })
    const known: Known = { until: this.now() + askingMs }
    const end = (): void => {
      clearTimeout(timer)
      if (this.asking.delete(socket)) socket.close()
    }
    const timer = setTimeout(() => {
      end()
      if (this.peers.get(key) === known) this.peers.delete(key)
    }, askingMs)
    this.asking.add(socket)
    this.peers.set(key, known)
    socket.on('error', (error) => {
      end()
      if (this.peers.get(key) === known) this.remember(key, error)
    })
    socket.on('connect', () => socket.send(harmless))
    if (isWildcard(from)) socket.connect(port, address)
    else socket.bind({ address: from, port: 0, exclusive: true }, () => socket.connect(port, address))
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
