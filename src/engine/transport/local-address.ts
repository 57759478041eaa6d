/** Which of this machine's addresses are ours, and which of them a peer sees: for listeners bound to a wildcard. */
import dgram from 'node:dgram'
import os from 'node:os'
import { canonicalHost, isLoopback, isWildcard } from './address.js'

/** Interfaces come and go (DHCP, VPN): how long a look at them holds, ms. */
const interfacesHold = 5_000
/** How long the kernel's choice for one peer holds, ms, and for how many peers it is kept. */
const choiceHolds = 60_000
const choicesKept = 10_000

interface Interfaces {
  readonly own: ReadonlySet<string>
  /** Addresses of external interfaces that can be given to peers, per family. */
  readonly external: { readonly 4: readonly string[]; readonly 6: readonly string[] }
  readonly until: number
}

export class LocalAddresses {
  private interfaces: Interfaces | undefined
  private readonly choices = new Map<string, { address: string; until: number }>()

  /** True if this machine has the (canonical) address on one of its interfaces; 127.0.0.0/8 as a whole is its own. */
  isOwn(address: string): boolean {
    return isLoopback(address) || this.look().own.has(address)
  }

  /** The local address that packets to that (canonical) address leave from; never fails. */
  facing(remote: string): string {
    const family = remote.includes(':') ? 6 : 4
    const loopback = family === 4 ? '127.0.0.1' : '::1'
    if (isLoopback(remote)) return loopback
    const external = this.look().external[family]
    // With a single address there is nothing to choose, which spares most installations the question to the kernel.
    if (external.length === 1 && external[0] !== undefined) return external[0]
    const known = this.choices.get(remote)
    const now = Date.now()
    if (known && known.until > now) return known.address
    const address = askKernel(remote, family) ?? external[0] ?? loopback
    if (this.choices.size >= choicesKept) this.choices.clear()
    this.choices.set(remote, { address, until: now + choiceHolds })
    return address
  }

  private look(): Interfaces {
    const now = Date.now()
    if (this.interfaces && this.interfaces.until > now) return this.interfaces
    const own = new Set<string>()
    const external = { 4: [] as string[], 6: [] as string[] }
    for (const entry of Object.values(os.networkInterfaces()).flatMap((list) => list ?? [])) {
      const address = canonicalHost(entry.address)
      own.add(address)
      // A link-local address means nothing without its zone, which SIP can't express.
      if (!entry.internal && !address.startsWith('fe80:'))
        external[entry.family === 'IPv4' ? 4 : 6].push(address)
    }
    this.interfaces = { own, external, until: now + interfacesHold }
    return this.interfaces
  }
}

/**
 * The source address the kernel's routing table gives for a peer: a UDP socket is connected, which sends nothing.
 * With a synchronous lookup Node binds and connects at once; should that ever change, the answer is undefined.
 */
function askKernel(remote: string, family: 4 | 6): string | undefined {
  const socket = dgram.createSocket({
    type: family === 4 ? 'udp4' : 'udp6',
    lookup: (address, _options, done) => done(null, address, family),
  })
  socket.on('error', () => undefined)
  try {
    socket.connect(9, remote)
    const address = canonicalHost(socket.address().address)
    return isWildcard(address) ? undefined : address
  } catch {
    return undefined
  } finally {
    socket.close()
  }
}
