/** Which domains and addresses are ours. */
import type { Edge } from './edge.js'
import { hostName } from './sip-uri.js'

export interface LocalNames {
  /** `host` in lower case, IPv6 without brackets; `port` null if the URI names none. */
  isLocal(host: string, port: number | null): boolean
  /** Whether one of the listeners is reached there; a domain alone is no listener. */
  isListener(host: string, port: number): boolean
}

export function createLocalNames(options: {
  /** Served domains, lower case. Their port does not matter: a domain may be reached through any. */
  domains: readonly string[]
  /** The edges that we are connected to, with the addresses they told. */
  edges: () => readonly Edge[]
  /** Whether one of the listeners is reached at that address, wildcards included. */
  isLocalHost: (host: string, port: number | undefined) => boolean
}): LocalNames {
  const domains = new Set(options.domains.map(hostName))
  return {
    isLocal(host, port) {
      return domains.has(host) || isReached(host, port)
    },
    isListener: isReached,
  }

  function isReached(host: string, port: number | null): boolean {
    if (options.isLocalHost(host, port ?? undefined)) return true
    return options
      .edges()
      .some(({ addresses }) =>
        addresses.some((own) => own.host === host && (port === null || own.port === port)),
      )
  }
}
