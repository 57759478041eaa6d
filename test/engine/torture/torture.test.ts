/**
 * The messages of RFC 4475 and RFC 5118 against the engine with a real drachtio-srf application behind it. After each
 * of them the edge has to answer an ordinary OPTIONS on the same socket, and to have nothing left of it.
 */
import { randomInt } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { onRequest, type AppRequest } from '../../support/call.js'
import { startEdge, type TestEdge } from '../../support/edge.js'
import { FakeClock } from '../../support/fake-clock.js'
import { createPhone, type Phone } from '../../support/phone.js'
import { newCallId } from '../../support/sip-text.js'
import type { TortureMessage, Verdict } from './torture-message.js'
import { rfc5118, tableRow, tortureMessages, verdictsOverTcp } from './torture-messages.js'

const methods = ['invite', 'options', 'register', 'message', 'bye']
/** What the application answers to everything: no answer of the edge's own. */
const answer = 604
/** Longer than any transaction lives, ms. */
const allTimers = 64_000

interface Bench {
  edge: TestEdge
  clock: FakeClock
  /** What has reached the application, the control requests left out. */
  delivered: AppRequest[]
}

async function startBench(t: Test, host = '127.0.0.1'): Promise<Bench> {
  const clock = new FakeClock()
  // Its leaps are no sign of overload.
  const limits = { overload: { delayMs: Infinity } }
  const listeners = (['udp', 'tcp'] as const).map((transport) => ({ transport, host, port: 0 }))
  const edge = await startEdge(t, { scheduler: clock, limits, listeners })
  const delivered: AppRequest[] = []
  const srf = await edge.application()
  for (const method of methods) {
    onRequest(srf, method, (req, res) => {
      if (!req.uri.startsWith('sip:control@')) delivered.push(req)
      res.send(answer)
    })
  }
  // The application asks for one method after the other.
  const phone = await edge.phone('tcp', { localHost: host })
  while (!(await isServed(phone, 'BYE')));
  clock.advance(allTimers)
  return { edge, clock, delivered }
}

/** Whether an ordinary request is answered by the application. */
async function isServed(phone: Phone, method = 'OPTIONS'): Promise<boolean> {
  const callId = `control-${newCallId()}`
  phone.send(phone.request({ method, uri: 'sip:control@localhost', callId }))
  const { status } = await phone.expect((message) => message.header('call-id') === callId)
  return status === answer
}

/** Whether the edge can tell where the next message on this socket begins; if not, it waits for it or closes. */
type Framing = 'kept' | 'waits' | 'closed'

/** Sends it, asks for a sign of life, and tells what has become of it. */
async function fateOf(
  t: Test,
  { edge, delivered }: Bench,
  phone: Phone,
  bytes: Buffer,
  framing: Framing,
): Promise<Verdict[]> {
  const before = { ...edge.engine.stats(), delivered: delivered.length, received: phone.received.length }
  phone.send(bytes)
  if (framing === 'closed') await phone.untilClosed()
  const witness = framing === 'kept' ? phone : await edge.phone('tcp')
  t.ok(await isServed(witness), 'a control request is answered')
  const after = edge.engine.stats()
  const reached = delivered.length - before.delivered
  const answers = phone.received
    .slice(before.received)
    .filter((response) => !response.header('call-id')?.startsWith('control-'))
  const own = answers.filter(({ status }) => status !== answer)
  if (!phone.closed) t.equal(answers.length - own.length, reached, "the application's answers come back")
  const verdicts = [
    ...Array<Verdict>(reached).fill('delivered'),
    ...own.map(({ status, reason }): Verdict => `${status ?? 0} ${reason ?? ''}`),
  ]
  if (verdicts.length === 0) {
    if (after.strayResponses > before.strayResponses) verdicts.push('stray')
    else if (after.transport.dropped > before.transport.dropped) verdicts.push('dropped')
  }
  if (framing === 'waits') verdicts.push('waits')
  return verdicts
}

function checkSeen(t: Test, request: AppRequest | undefined, sees: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(sees)) {
    t.equal(name === 'uri' ? request?.uri : request?.get(name), value, `the application sees ${name}`)
  }
}

function checkNothingLeft(t: Test, { clock, edge }: Bench): void {
  clock.advance(allTimers)
  t.equal(edge.engine.stats().transactions, 0, 'no transaction is left')
}

/**
 * A phone where the answers to these messages go: most have no `rport`, so it is the address they come from at the
 * port of their Via (RFC 3261 §18.2.2). Linux has a loopback network with room for every test; elsewhere, or if
 * somebody listens on that port everywhere, there is none.
 */
async function phoneAtPort(edge: TestEdge, localPort: number): Promise<Phone | undefined> {
  const localHost = `127.${randomInt(1, 255)}.${randomInt(256)}.${randomInt(1, 255)}`
  const server = { host: '127.0.0.1', port: edge.port('udp') }
  return createPhone({ transport: 'udp', server, localHost, localPort }).catch(() => undefined)
}

/** The message with a request for `rport` in its topmost Via, for where the port can't be had. */
function askingForRport({ bytes }: TortureMessage): Buffer {
  const text = bytes.toString('latin1')
  const via = text.search(/^v(?:ia)?[ \t]*:/im)
  const branch = text.indexOf(';', via)
  const lineEnd = text.indexOf('\r\n', via)
  const at = branch === -1 || (!/^[ \t]/.test(text.slice(lineEnd + 2)) && lineEnd < branch) ? lineEnd : branch
  return Buffer.from(`${text.slice(0, at)};rport${text.slice(at)}`, 'latin1')
}

t.test('over UDP', async (t) => {
  const bench = await startBench(t)
  const phones = new Map<number, Phone | undefined>()
  t.teardown(async () => {
    for (const phone of phones.values()) await phone?.close()
  })
  const anywhere = await bench.edge.phone('udp')
  for (const message of tortureMessages) {
    await t.test(`${message.section} ${message.name}: ${message.expected}`, async (t) => {
      const { viaPort = 5060, expected, sees = {} } = message
      if (!phones.has(viaPort)) phones.set(viaPort, await phoneAtPort(bench.edge, viaPort))
      const phone = phones.get(viaPort)
      const bytes = phone ? message.bytes : askingForRport(message)
      t.strictSame(await fateOf(t, bench, phone ?? anywhere, bytes, 'kept'), [expected])
      checkSeen(t, bench.delivered.at(-1), sees)
      checkNothingLeft(t, bench)
    })
  }
})

t.test('over TCP', async (t) => {
  const bench = await startBench(t)
  for (const message of tortureMessages) {
    const expected = verdictsOverTcp(message)
    await t.test(`${message.section} ${message.name}: ${expected.join(', ')}`, async (t) => {
      const phone = await bench.edge.phone('tcp')
      const framing = message.closes ? 'closed' : expected.includes('waits') ? 'waits' : 'kept'
      t.strictSame(await fateOf(t, bench, phone, message.bytes, framing), expected)
      t.equal(phone.closed, framing === 'closed', 'the connection stays, or not')
      if (expected.includes('delivered')) checkSeen(t, bench.delivered.at(-1), message.sees ?? {})
      checkNothingLeft(t, bench)
      await phone.close()
    })
  }
})

t.test('RFC 5118 over IPv6', async (t) => {
  const bench = await startBench(t, '::1')
  const phone = await bench.edge.phone('udp', { localHost: '::1' })
  for (const message of rfc5118) {
    await t.test(`${message.section} ${message.name}: ${message.expected}`, async (t) => {
      // There is but one loopback address, whose port 5060 may be somebody else's.
      t.strictSame(await fateOf(t, bench, phone, askingForRport(message), 'kept'), [message.expected])
      checkSeen(t, bench.delivered.at(-1), message.sees ?? {})
      checkNothingLeft(t, bench)
    })
  }
})

t.test('docs/torture.md lists every message with what becomes of it', async (t) => {
  const page = await readFile(new URL('../../../../docs/torture.md', import.meta.url), 'utf8')
  // The formatter aligns the columns.
  const table = page.replaceAll(/ +/g, ' ')
  for (const message of tortureMessages) t.ok(table.includes(tableRow(message)), tableRow(message))
})
