/** DNS as a table, for tests: `SRV _sip._udp.example.com` and the like; what is not there does not exist. */
import type { Answer, Dns, RecordTypes } from '../../src/engine/resolve/dns.js'

type Table = {
  [Key in `${keyof RecordTypes} ${string}`]?:
    | readonly (Key extends `${infer Type extends keyof RecordTypes} ${string}` ? RecordTypes[Type] : never)[]
    | Error
}

export class StubDns implements Dns {
  /** Each question, in order. */
  readonly asked: string[] = []

  constructor(
    readonly table: Table,
    public ttl: number | undefined = 60,
  ) {}

  async query<Type extends keyof RecordTypes>(type: Type, name: string): Promise<Answer<RecordTypes[Type]>> {
    this.asked.push(`${type} ${name}`)
    const found = this.table[`${type} ${name}`] ?? []
    if (found instanceof Error) throw found
    return { records: found as readonly RecordTypes[Type][], ttl: found.length > 0 ? this.ttl : undefined }
  }
}

export function naptr(service: string, replacement: string, order = 10, preference = 10, flags = 's') {
  return { order, preference, flags, service, replacement }
}

export function srv(target: string, port: number, priority = 10, weight = 10) {
  return { priority, weight, port, target }
}
