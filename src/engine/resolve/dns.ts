/** What RFC 3263 asks of DNS, so that tests can answer in its place. */

/** RFC 3403 §4.1. */
export interface NaptrRecord {
  order: number
  preference: number
  flags: string
  /** `SIP+D2U` and the like. */
  service: string
  replacement: string
}

/** RFC 2782. */
export interface SrvRecord {
  priority: number
  weight: number
  port: number
  /** `.` or empty: the service is decidedly not available. */
  target: string
}

export interface RecordTypes {
  NAPTR: NaptrRecord
  SRV: SrvRecord
  A: string
  AAAA: string
  /** Not DNS: addresses of both families that the system knows by other means (/etc/hosts, search domains). */
  HOST: string
}

export interface Answer<Value> {
  /** Empty if there is no such name, or no such record for it. */
  records: readonly Value[]
  /** How long it holds, seconds; undefined: unknown. */
  ttl: number | undefined
}

export interface Dns {
  /** Rejects if nobody could be asked: no server reachable, none that knows, too many look-ups under way. */
  query<Type extends keyof RecordTypes>(type: Type, name: string): Promise<Answer<RecordTypes[Type]>>
}
