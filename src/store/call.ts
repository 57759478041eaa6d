/** The call log's part of the store's contract (types.ts). Times are milliseconds since the epoch. */
import type { Page, PageQuery, SecurityModel, SipTransport } from './types.js'

/** What became of a call, as a person would say it. `REFUSED`: a rule of ours or the callee said no. */
export const callDispositions = ['ANSWERED', 'NO_ANSWER', 'BUSY', 'FAILED', 'REFUSED', 'CANCELLED'] as const
export type CallDisposition = (typeof callDispositions)[number]

export const callEnders = ['caller', 'callee', 'server'] as const
export type CallEnder = (typeof callEnders)[number]

/** A device that took part in a call. */
export interface CallDevice {
  /** `address:port`, IPv6 in brackets. */
  address: string
  transport: SipTransport
  /** Version and cipher of TLS; null without. */
  cipher: string | null
  userAgent: string | null
}

/** An account in a call, as it was then: it may have changed or gone since. */
export interface CallAccount {
  accountId: number
  number: string
  name: string | null
  groupId: number
  /** Filled in by the store when the call is written. */
  groupName?: string | null
}

export type CallerParty = CallAccount & CallDevice
/**
 * `accountId` and what belongs to it is null for a number of nobody, `number` for an address that names none. The
 * device is the one that answered, or that spoke the last word; null if none did.
 */
export type CalleeParty = { [Key in keyof CallerParty]: CallerParty[Key] | null }

/** A call whose outcome is known. */
export interface NewCall {
  /** Call-ID and the tags of both sides (RFC 3261 §12) name the call on the wire. */
  callId: string
  callerTag: string
  calleeTag: string | null
  startedAt: number
  rangAt: number | null
  answeredAt: number | null
  /** Null: it was answered, and nobody has hung up yet (or nobody told us). */
  endedAt: number | null
  endedBy: CallEnder | null
  disposition: CallDisposition
  /** The final answer that the caller got. */
  sipStatus: number
  sipReason: string
  /** A sentence for people: why it was refused. */
  explanation: string | null
  /** Of the caller. */
  securityModel: SecurityModel
  /** How many devices of the callee were called. */
  devices: number
  caller: CallerParty
  callee: CalleeParty
}

export interface Call extends NewCall {
  id: number
}

/** Somebody hangs up: the sender's tag tells who. */
export interface CallEnd {
  callId: string
  fromTag: string
  toTag: string
  endedAt: number
}

export type CallEntry = { call: NewCall } | { end: CallEnd }

/** All conditions have to hold; those of one side hold for either. */
export interface CallFilter {
  /** Exactly this number. */
  number?: string | undefined
  accountId?: number | undefined
  groupId?: number | undefined
  disposition?: CallDisposition | undefined
  /** The call began then or later. */
  from?: number | undefined
  /** The call began before that. */
  until?: number | undefined
}

export type CallQuery = PageQuery & CallFilter

export interface CallStore {
  /**
   * Writes in one transaction, in the order given; calls that are there already are left alone, ends of calls that are
   * not there are dropped.
   */
  write(entries: readonly CallEntry[]): Promise<void>
  /** Newest first. Rejects with StoreError `invalid_cursor`. */
  list(query: CallQuery): Promise<Page<Call>>
  /** All that match, newest first, read page by page. */
  all(query: Omit<CallQuery, 'limit'>): AsyncIterable<Call>
  /** Removes at most `limit` calls that began before that; resolves to their number. */
  deleteBefore(time: number, limit: number): Promise<number>
}
