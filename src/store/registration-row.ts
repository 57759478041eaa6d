import type { Registration, SipTransport } from './types.js'

/** A row of `registrations` as the driver gives it: times in milliseconds, see connection.ts. */
export interface RegistrationRow {
  id: number
  account_id: number
  contact: string
  instance: string | null
  reg_id: number | null
  q: number
  call_id: string
  cseq: number
  expires_at: number
  source: string
  transport: SipTransport
  received_on: string | null
  path: string
  user_agent: string | null
  node: string
  created_at: number
}

/** The columns of a RegistrationRow, of `registrations r`. */
export const registrationColumns =
  'r.id, r.account_id, r.contact, r.instance, r.reg_id, r.q, r.call_id, r.cseq, r.expires_at, r.source, ' +
  'r.transport, r.received_on, r.path, r.user_agent, r.node, r.created_at'

export function rowToRegistration(row: RegistrationRow): Registration {
  return {
    id: row.id,
    accountId: row.account_id,
    contact: row.contact,
    instance: row.instance,
    regId: row.reg_id,
    q: row.q,
    callId: row.call_id,
    cseq: row.cseq,
    expiresAt: row.expires_at,
    source: row.source,
    transport: row.transport,
    receivedOn: row.received_on,
    path: textToPath(row.path),
    userAgent: row.user_agent,
    node: row.node,
    createdAt: row.created_at,
  }
}

/** One Path value a line. A header value has no line break; see migrations/0002-registrations.ts. */
export const pathToText = (path: readonly string[]): string => path.join('\n')

const textToPath = (text: string): readonly string[] => (text === '' ? [] : text.split('\n'))

/** Newest first, the order in which an account's bindings are given out. */
export const newestFirst = (a: Registration, b: Registration): number =>
  b.createdAt - a.createdAt || b.id - a.id
