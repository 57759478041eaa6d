/** The session log's part of the store's contract (types.ts). Times are milliseconds since the epoch. */
import type { Page, PageQuery, SipTransport } from './types.js'

export const sipEventTypes = [
  'CONNECT',
  'REGISTER',
  'UNREGISTER',
  'EXPIRE',
  'DISCONNECT',
  'AUTH_FAILED',
] as const
export type SipEventType = (typeof sipEventTypes)[number]

/** Something that a phone did, or that became of it. */
export interface NewSipEvent {
  /** A UUID; an event that is written again is known by it. */
  key: string
  at: number
  type: SipEventType
  /** Null: nobody is known; or, with a username, whose that is gets looked up when the event is written. */
  accountId: number | null
  /** As the phone gave it; of `AUTH_FAILED` perhaps nobody's. */
  username: string | null
  /** `address:port` of the phone, IPv6 in brackets. */
  address: string
  transport: SipTransport
  /** Version and cipher of TLS; null without. */
  cipher: string | null
  contact: string | null
  userAgent: string | null
  /** A few words: why. */
  reason: string | null
  /** How many events alike this entry stands for, since the one before it. */
  count: number
}

/** An event as it stands in the log, with the account as it was then: it may have changed or gone since. */
export interface SipEvent extends Omit<NewSipEvent, 'key'> {
  id: number
  number: string | null
  groupId: number | null
  groupName: string | null
}

export interface SipEventFilter {
  type?: SipEventType | undefined
  accountId?: number | undefined
  groupId?: number | undefined
  /** Of events at this time or later. */
  from?: number | undefined
  /** Of events before this time. */
  until?: number | undefined
  /** In the username, number, address, contact or user agent. */
  search?: string | undefined
}

export interface SipEventStore {
  /** Writes them all or none; what is there already stays as it is. */
  write(events: readonly NewSipEvent[]): Promise<void>
  /** Newest first. */
  list(query: PageQuery & SipEventFilter): Promise<Page<SipEvent>>
  /** All that match, newest first, read in chunks; with `after` those that follow. */
  all(filter: SipEventFilter & { after?: string | undefined }): AsyncIterable<SipEvent>
  /** Deletes at most `limit` events from before that time; resolves to how many. */
  deleteBefore(time: number, limit: number): Promise<number>
}
