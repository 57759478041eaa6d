/** npm run bench -- parser: messages per second of processor time of the message layer, beside drachtio-srf's. */
import { createRequire } from 'node:module'
import { parseArgs } from 'node:util'
import { splitList } from '../src/engine/message/comma-list.js'
import { parseNameAddr } from '../src/engine/message/name-addr.js'
import { parseParams } from '../src/engine/message/params.js'
import { parseMessage, readLines } from '../src/engine/message/parse.js'
import { responseTo } from '../src/engine/message/response.js'
import type { SipRequest } from '../src/engine/message/sip-message.js'
import { StreamFramer } from '../src/engine/message/stream-framer.js'
import { parseUri } from '../src/engine/message/uri.js'
import { serverKey } from '../src/engine/transaction/table.js'
import { number } from './option-values.js'
import { invite, register } from './parser-messages.js'
import { table } from './table.js'

export const usage = `npm run bench -- parser [options]     the parser alone, beside drachtio-srf's
  --rounds 5                     how often each line is measured for half a second, in turn
`

/** The library's parser is not among its exports. */
const { parseSipMessage } = createRequire(import.meta.url)('drachtio-srf/lib/sip-parser/parser.js') as {
  parseSipMessage: (text: string, lazy: boolean) => object | undefined
}

const limits = { maxHeaders: 256, maxMessageBytes: 65_536 }
const batch = 2000
const roundSeconds = 0.5

const parsed = (bytes: Buffer): SipRequest => {
  const result = parseMessage(bytes, limits, 'datagram')
  if (result.kind !== 'message' || result.message.kind !== 'request') throw new Error('not a valid request')
  return result.message
}

/** What the engine asks of a new request on its way to the application (dispatch.ts, receive.ts). */
const asDispatched = (bytes: Buffer): number => {
  const request = parsed(bytes)
  const { via, toTag, method } = request
  const read = serverKey(request, method).length + request.values('proxy-require').length
  return read + request.values('route').length + (via.wantsRport ? 1 : 0) + (toTag === undefined ? 0 : 1)
}

const addresses = ['from', 'to', 'contact', 'route', 'record-route']
const credentials = ['authorization', 'proxy-authorization']

/** Every structured field down to the parameters of its URIs: what nobody asks for. */
const readWhole = (bytes: Buffer): number => {
  const request = parsed(bytes)
  let read = parseUri(request.uri)?.params.length ?? 0
  for (const name of addresses) {
    for (const value of request.values(name)) {
      const address = parseNameAddr(value)
      read += (address?.params.length ?? 0) + (parseUri(address?.uri ?? '')?.params.length ?? 0)
    }
  }
  for (const name of credentials) {
    for (const line of request.lines(name)) {
      const scheme = line.indexOf(' ')
      for (const field of splitList(line.slice(scheme))) read += parseParams(`;${field}`, 0)?.length ?? 0
    }
  }
  for (const name of ['allow', 'supported']) read += request.values(name).length
  return read + request.via.params.length + request.cseq.seq
}

const withNewVia = (request: SipRequest): Buffer => {
  const copy = request.clone()
  copy.prepend('via', 'SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKf00')
  return copy.serialize()
}

/** What is done with the bytes of a message, or with the message. */
const works: readonly [title: string, work: (bytes: Buffer, message: SipRequest) => unknown][] = [
  ['lines and header names only', (bytes) => readLines(bytes, 0, headEnd(bytes), limits.maxHeaders)],
  ['parsed and checked (RFC 3261 mandatory fields)', (bytes) => parsed(bytes)],
  ['… and all that the engine asks of it', asDispatched],
  ['… and every field read to its last parameter', readWhole],
  ['parsed and checked, from a stream', (bytes) => new StreamFramer(limits).push(bytes)],
  ['drachtio-srf, as an application gets it (lazy)', (bytes) => parseSipMessage(bytes.toString(), true)],
  ['drachtio-srf, every field', (bytes) => parseSipMessage(bytes.toString(), false)],
  ['serialized', (_bytes, message) => message.serialize()],
  ['copied, given a Via, serialized', (_bytes, message) => withNewVia(message)],
  ['answered 200, serialized', (_bytes, message) => responseTo(message, 200).serialize()],
]

const headEnd = (bytes: Buffer): number => bytes.indexOf('\r\n\r\n') + 2

/** Times a second of processor time that `work` can be done. */
const rate = (work: () => unknown, seconds: number): number => {
  const start = process.cpuUsage()
  for (let done = 0; ;) {
    for (let i = 0; i < batch; i++) work()
    done += batch
    const { user, system } = process.cpuUsage(start)
    if (user + system >= seconds * 1e6) return (done / (user + system)) * 1e6
  }
}

const median = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

export const run = async (args: string[]): Promise<void> => {
  const { values } = parseArgs({ args, options: { rounds: { type: 'string', default: '5' } } })
  const rounds = number('rounds', values.rounds)
  const rows = works.map(([title, work]) => ({
    title,
    work,
    register: [] as number[],
    invite: [] as number[],
  }))
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    for (const row of rows) {
      for (const [bytes, rates] of [
        [register, row.register],
        [invite, row.invite],
      ] as const) {
        const message = parsed(bytes)
        const measured = rate(() => row.work(bytes, message), roundSeconds)
        if (round > 0) rates.push(measured)
      }
    }
  }
  const shown = (rates: number[]): string => Math.round(median(rates)).toLocaleString('en')
  console.log(
    table(
      [
        ['messages/s of one core', ({ title }) => title],
        [`REGISTER, ${register.length} bytes`, (row) => shown(row.register)],
        [`INVITE with SDP, ${invite.length} bytes`, (row) => shown(row.invite)],
      ],
      rows,
    ),
  )
}
