/** DNS as this machine has it: Node's own resolver, and for what only the system knows, getaddrinfo. */
import { promises as dns } from 'node:dns'
import type { Answer, Dns, RecordTypes } from './dns.js'
import { Gate } from './gate.js'

/**
 * The first try of each server, ms, and how many there are; each takes twice as long as the one before. A dead first
 * name server costs 0.6 s and not the five of most systems.
 */
const firstTryMs = 600
const tries = 2

/**
 * getaddrinfo occupies a thread of Node's small pool for as long as it takes: names that nobody knows may not take
 * all of them.
 */
const systemLookUps = { atOnce: 2, waiting: 50 }

/** Answers that are no failures: no such name, no such record. */
const nothing = new Set(['ENOTFOUND', 'ENODATA', 'ENONAME'])

/** A resolver reads once who the name servers are. After a failure another one reads again, this often at most; ms. */
const rereadAfter = 10_000

export class SystemDns implements Dns {
  #resolver: dns.Resolver
  #readAt = 0
  readonly #system = new Gate(systemLookUps.atOnce, systemLookUps.waiting)

  /** @param servers name servers to ask, `address` or `address:port`; default: those of the system */
  constructor(
    private readonly servers?: readonly string[],
    private readonly timeout = firstTryMs,
  ) {
    this.#resolver = this.#makeResolver()
  }

  async query<Type extends keyof RecordTypes>(type: Type, name: string): Promise<Answer<RecordTypes[Type]>> {
    try {
      return (await this.#ask(type, name)) as Answer<RecordTypes[Type]>
    } catch (error) {
      if (error instanceof Error && 'code' in error && nothing.has(String(error.code))) {
        return { records: [], ttl: undefined }
      }
      // The network may have changed (DHCP, VPN), and its name servers with it.
      if (performance.now() - this.#readAt > rereadAfter) this.#resolver = this.#makeResolver()
      throw error
    }
  }

  #makeResolver(): dns.Resolver {
    const resolver = new dns.Resolver({ timeout: this.timeout, tries })
    if (this.servers) resolver.setServers(this.servers)
    this.#readAt = performance.now()
    return resolver
  }

  async #ask(type: keyof RecordTypes, name: string): Promise<Answer<RecordTypes[keyof RecordTypes]>> {
    const resolver = this.#resolver
    switch (type) {
      case 'NAPTR':
        return { records: await resolver.resolveNaptr(name), ttl: undefined }
      case 'SRV':
        return { records: (await resolver.resolveSrv(name)).map(srv), ttl: undefined }
      case 'A':
        return addresses(await resolver.resolve4(name, { ttl: true }))
      case 'AAAA':
        return addresses(await resolver.resolve6(name, { ttl: true }))
      case 'HOST': {
        const found = await this.#system.run(() => dns.lookup(name, { all: true }))
        return { records: found.map(({ address }) => address), ttl: undefined }
      }
    }
  }
}

function srv({
  priority,
  weight,
  port,
  name,
}: {
  priority: number
  weight: number
  port: number
  name: string
}) {
  return { priority, weight, port, target: name }
}

function addresses(found: readonly { address: string; ttl: number }[]): Answer<string> {
  return {
    records: found.map(({ address }) => address),
    ttl: Math.min(...found.map(({ ttl }) => ttl)),
  }
}
