/**
 * The session log: what phones do beside calling, as entries of the store, tied to their accounts. Never in the way:
 * entries are handed on, no more. What anybody can cause without a password is bounded: a flood makes few entries, which
 * say how many events they stand for.
 */
import { randomUUID } from 'node:crypto'
import type { NewSipEvent } from '../store/sip-event.js'
import type { Registration, SipAccount } from '../store/types.js'
import type { ConnectionNews } from './connection-news.js'
import type { EdgeRequest } from './edge-request.js'
import { pairKey } from './guesses.js'
import { hostPort } from './header-values.js'
import { createSparseLines } from './sparse-log.js'

type Asking = Pick<EdgeRequest, 'source' | 'cipher' | 'header'>

export interface SessionLog {
  /** A REGISTER that was accepted has made bindings or removed some. Refreshes are no news. */
  registered(request: Asking, account: SipAccount, changes: { added: number; removed: number }): void
  /** Somebody was not let in. */
  authFailed(request: Asking, username: string, why: string): void
  expired(bindings: readonly Registration[]): void
  /** A connection has opened or closed. */
  connection(news: ConnectionNews): void
}

interface Connected {
  opened: NewSipEvent
  /** Its CONNECT is written once somebody is known to be behind it. */
  account?: SipAccount
}

/** One kind of failure has an entry in this time, all kinds together a hundred. */
const SPARSE_MS = 60_000
/** Open connections that are remembered. */
const MAX_CONNECTIONS = 50_000

/** `write` takes an entry and returns at once. */
export function createSessionLog(
  write: (event: NewSipEvent) => void,
  now: () => number,
  maxConnections = MAX_CONNECTIONS,
): SessionLog {
  const failures = createSparseLines({ now, intervalMs: SPARSE_MS })
  const strangers = createSparseLines({ now, intervalMs: SPARSE_MS })
  /** By `transport address:port`; the oldest first. */
  const connections = new Map<string, Connected>()

  function event(
    type: NewSipEvent['type'],
    more: Pick<NewSipEvent, 'address' | 'transport'> & Partial<NewSipEvent>,
  ): NewSipEvent {
    return {
      key: randomUUID(),
      at: now(),
      type,
      accountId: null,
      username: null,
      cipher: null,
      contact: null,
      userAgent: null,
      reason: null,
      count: 1,
      ...more,
    }
  }

  const of = ({ id, username }: SipAccount) => ({ accountId: id, username })

  function asked(request: Asking) {
    const { source, cipher } = request
    const { transport } = source
    const address = hostPort(source.address, source.port)
    return { address, transport, cipher: cipher ?? null, userAgent: request.header('user-agent') ?? null }
  }

  /** Who is behind the connection is known from now on. */
  function tie(transport: string, address: string, account: SipAccount): void {
    const connected = connections.get(`${transport} ${address}`)
    if (!connected) return
    if (!connected.account) write({ ...connected.opened, ...of(account) })
    connected.account = account
  }

  return {
    registered(request, account, { added, removed }) {
      const from = asked(request)
      tie(from.transport, from.address, account)
      if (added === 0 && removed === 0) return
      const contact = request.header('contact') ?? null
      write(event(added > 0 ? 'REGISTER' : 'UNREGISTER', { ...from, ...of(account), contact }))
    },

    authFailed(request, username, why) {
      const from = asked(request)
      const due = failures.due(pairKey(request.source.address, username))
      if (!due) return
      const { count, unlisted } = due
      const reason = unlisted === undefined ? why : `${why}; besides ${unlisted} of others`
      write(event('AUTH_FAILED', { ...from, username, reason, count }))
    },

    expired(bindings) {
      for (const { accountId, source, transport, contact, userAgent, expiresAt } of bindings) {
        write(event('EXPIRE', { address: source, transport, accountId, contact, userAgent, at: expiresAt }))
      }
    },

    connection({ state, transport, address, port, cipher, reason }) {
      const at = { transport, address: hostPort(address, port), cipher: cipher ?? null }
      const key = `${transport} ${at.address}`
      if (state === 'open') {
        connections.set(key, { opened: event('CONNECT', at) })
        const [oldest] = connections.keys()
        if (connections.size > maxConnections && oldest !== undefined) connections.delete(oldest)
        return
      }
      const connected = connections.get(key)
      connections.delete(key)
      const closed = { ...at, reason: reason ?? null }
      if (connected?.account) {
        write(event('DISCONNECT', { ...closed, ...of(connected.account) }))
        return
      }
      const due = strangers.due(address)
      if (!due) return
      const { count, unlisted = 0 } = due
      if (connected) write({ ...connected.opened, count: count + unlisted })
      write(event('DISCONNECT', { ...closed, count: count + unlisted }))
    },
  }
}
