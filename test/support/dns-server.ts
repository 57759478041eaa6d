/** A name server on loopback that knows what a test tells it: enough of RFC 1035 for A, AAAA, SRV and NAPTR over UDP. */
import dgram from 'node:dgram'
import { once } from 'node:events'
import type { Test } from 'tap'
import type { NaptrRecord, SrvRecord } from '../../src/engine/resolve/dns.js'

/** What is known of one name; ttl in seconds, 60 by default. */
export interface Zone {
  A?: string[]
  /** In full: eight groups. */
  AAAA?: string[]
  SRV?: SrvRecord[]
  NAPTR?: NaptrRecord[]
  ttl?: number
}

export interface DnsServer {
  /** For Resolver.setServers. */
  readonly address: string
  /** `TYPE name` of each question that has come, in order. */
  readonly asked: readonly string[]
  /** From now on it hears and says nothing. */
  silent: boolean
}

const types = { 1: 'A', 28: 'AAAA', 33: 'SRV', 35: 'NAPTR' } as const

export async function startDnsServer(t: Test, zones: Record<string, Zone>): Promise<DnsServer> {
  const socket = dgram.createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.teardown(() => socket.close())
  const asked: string[] = []
  const server: DnsServer = { address: `127.0.0.1:${socket.address().port}`, asked, silent: false }
  socket.on('message', (query, from) => {
    if (server.silent) return
    const { name, type, end } = question(query)
    asked.push(`${type} ${name}`)
    socket.send(answer(query.subarray(0, end), zones[name], type), from.port, from.address)
  })
  return server
}

function question(query: Buffer): { name: string; type: (typeof types)[keyof typeof types]; end: number } {
  const labels: string[] = []
  let at = 12
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  const type = query.readUInt16BE(at + 1) as keyof typeof types
  return { name: labels.join('.').toLowerCase(), type: types[type], end: at + 5 }
}

/** The question again with its answers behind it. */
function answer(query: Buffer, zone: Zone | undefined, type: (typeof types)[keyof typeof types]): Buffer {
  const records = (zone?.[type] ?? []).map((record) => resource(type, record, zone?.ttl ?? 60))
  const head = Buffer.from(query)
  // A response, authoritative; NXDOMAIN for a name that is not there at all.
  head.writeUInt16BE(zone ? 0x8580 : 0x8583, 2)
  head.writeUInt16BE(records.length, 6)
  // No authority, no additional records (the question may have brought one, EDNS).
  head.writeUInt32BE(0, 8)
  return Buffer.concat([head, ...records])
}

function resource(
  type: (typeof types)[keyof typeof types],
  record: string | SrvRecord | NaptrRecord,
  ttl: number,
): Buffer {
  const data = dataOf(record)
  const head = Buffer.alloc(12)
  // The name of the question, which begins behind the header (RFC 1035 §4.1.4).
  head.writeUInt16BE(0xc00c, 0)
  head.writeUInt16BE(Number(Object.entries(types).find(([, name]) => name === type)?.[0]), 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt32BE(ttl, 6)
  head.writeUInt16BE(data.length, 10)
  return Buffer.concat([head, data])
}

function dataOf(record: string | SrvRecord | NaptrRecord): Buffer {
  if (typeof record === 'string') {
    return record.includes(':')
      ? Buffer.concat(record.split(':').map((group) => shorts(parseInt(group, 16))))
      : Buffer.from(record.split('.').map(Number))
  }
  if ('target' in record) {
    return Buffer.concat([shorts(record.priority, record.weight, record.port), nameOf(record.target)])
  }
  const { order, preference, flags, service, replacement } = record
  return Buffer.concat([shorts(order, preference), text(flags), text(service), text(''), nameOf(replacement)])
}

function shorts(...values: number[]): Buffer {
  return Buffer.concat(values.map((value) => Buffer.from([value >> 8, value & 255])))
}

function text(value: string): Buffer {
  return Buffer.from(`${String.fromCharCode(value.length)}${value}`, 'latin1')
}

function nameOf(name: string): Buffer {
  return Buffer.concat([...name.split('.').filter(Boolean).map(text), Buffer.from([0])])
}
