/** More than there is room or time for: what is turned away, what goes on, and what is bounded. */
import { once } from 'node:events'
import net from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import type { Engine } from '../../src/engine/engine.js'
import { connect, hangUp, inDialog, invite, onRequest, proxyTo, twoPhones } from '../support/call.js'
import { defaultTiming } from '../../src/engine/transaction/timers.js'
import { secret, startEdge, targetOf } from '../support/edge.js'
import type { Phone } from '../support/phone.js'
import { ackForFailure, cancelFor, param } from '../support/sip-text.js'

const until = async (condition: () => boolean, ms = 5000): Promise<void> => {
  const deadline = Date.now() + ms
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`the condition did not come true within ${ms} ms`)
    await pause(2)
  }
}

const options = (phone: Phone): string => phone.request({ method: 'OPTIONS', uri: 'sip:localhost' })
const refused = (engine: Engine): number => engine.stats().overload.refused.waiting

t.test(
  'what is refused leaves nothing behind: one answer, the same for copies, and the ACK is swallowed',
  async (t) => {
    const edge = await startEdge(t, { limits: { overload: { maxWaiting: 0 } } })
    await edge.application()
    const alice = await edge.phone('udp')
    const text = invite(alice)
    alice.send(text)
    const first = await alice.expect(503)
    t.ok(first.raw.length < text.length + 100, 'no amplifier')
    alice.send(text)
    const again = await alice.expect(503)
    t.equal(param(again.header('to'), 'tag'), param(first.header('to'), 'tag'))
    alice.send(ackForFailure(text, first))
    const waits = new Set<number>()
    for (let n = 0; n < 50; n++) {
      alice.send(alice.request({ method: 'REGISTER', uri: 'sip:localhost' }))
      waits.add(Number((await alice.expect(503)).header('retry-after')))
    }
    t.ok(waits.size > 10 && Math.min(...waits) >= 5 && Math.max(...waits) <= 30, 'they come back one by one')
    alice.send(alice.request({ method: 'BYE', uri: 'sip:localhost', toTag: 'x' }))
    await alice.expect(481)
    t.match(edge.engine.stats(), {
      transactions: 1,
      strayAcks: 1,
      overload: { refused: { waiting: 51, repeated: 1 } },
    })
  },
)

t.test('while new requests are refused a call goes on, and copies of what was let in are', async (t) => {
  const edge = await startEdge(t, { limits: { overload: { maxWaiting: 1 } } })
  const srf = await edge.application()
  const [alice, bob] = await twoPhones(edge, ['udp', 'tcp'])
  proxyTo(srf, () => [targetOf(bob, 'bob')])
  onRequest(srf, 'message', () => {})
  const { caller, callee } = await connect(alice, bob)
  const waiting = alice.request({ method: 'MESSAGE', uri: 'sip:222@localhost' })
  alice.send(waiting)
  await until(() => edge.engine.stats().overload.waiting === 1)
  const text = invite(alice)
  alice.send(text)
  const refusal = await alice.expect(503)
  alice.send(ackForFailure(text, refusal))
  alice.send(cancelFor(text))
  await alice.expect(481)
  alice.send(waiting)
  alice.send(inDialog(alice, 'INFO', caller))
  bob.reply(await bob.expect('INFO'), 200)
  await alice.expect(200)
  bob.send(inDialog(bob, 'INFO', callee))
  alice.reply(await alice.expect('INFO'), 200)
  await bob.expect(200)
  await hangUp(alice, caller, bob)
  t.equal(refused(edge.engine), 1)
})

t.test('at twice what an application can do it goes on doing it, and an OPTIONS is answered', async (t) => {
  const edge = await startEdge(t, { limits: { overload: { fewestWaiting: 20 } } })
  const srf = await edge.application()
  const line: (() => void)[] = []
  let served = 0
  // One after the other, and no faster: this is its capacity on any machine.
  const serve = setInterval(() => {
    const next = line.shift()
    if (next) served++
    next?.()
  }, 3)
  t.teardown(() => clearInterval(serve))
  onRequest(srf, 'options', (_, res) => res.send(200))
  onRequest(srf, 'register', (req, res) => {
    const challenge = { headers: { 'WWW-Authenticate': 'Digest realm="r", nonce="n"' } }
    line.push(() => (req.get('authorization') ? res.send(200) : res.send(401, challenge)))
  })
  const phone = await edge.phone('udp')
  let seen = 0
  let late = 0
  const began = new Map<string, number>()
  const answers = { 200: 0, 401: 0, 503: 0 }
  const readAnswers = (): void => {
    for (; seen < phone.received.length; seen++) {
      const answer = phone.received[seen]!
      const callId = answer.header('call-id') ?? ''
      const status = answer.status as keyof typeof answers
      answers[status]++
      if (status === 401) {
        const headers = { Authorization: 'Digest username="a"' }
        phone.send(phone.request({ method: 'REGISTER', uri: 'sip:localhost', callId, cseq: 2, headers }))
      } else if (status === 200 && Date.now() - began.get(callId)! > 4000) late++
    }
  }
  const start = Date.now()
  for (let sent = 0; Date.now() - start < 2_000; await pause(5)) {
    // 330 legs a second can be served: 165 registrations.
    for (; sent < ((Date.now() - start) / 1000) * 330; sent++) {
      const callId = `call-${sent}`
      began.set(callId, Date.now())
      phone.send(phone.request({ method: 'REGISTER', uri: 'sip:localhost', callId }))
    }
    readAnswers()
  }
  const other = await edge.phone('udp')
  other.send(options(other))
  await other.expect(200)
  await until(() => (readAnswers(), line.length === 0 && edge.engine.stats().overload.waiting === 0))
  t.ok(answers[503] > 50, `${answers[503]} were refused`)
  t.equal(late, 0)
  t.ok(
    answers[200] * 2 > served * 0.8,
    `of ${served} legs that were served ${answers[200] * 2} belong to successes`,
  )
})

t.test('a flood of REGISTERs from one phone is bounded in state, and others are answered', async (t) => {
  const edge = await startEdge(t, { limits: { maxTransactions: 300 } })
  const srf = await edge.application()
  onRequest(srf, 'register', () => {})
  onRequest(srf, 'options', (_, res) => res.send(200))
  const [mallory, alice] = await twoPhones(edge, ['udp', 'tcp'])
  for (let n = 0; n < 1500; n++) {
    mallory.send(mallory.request({ method: 'REGISTER', uri: 'sip:localhost' }))
    if (n % 50 === 0) await until(() => edge.engine.stats().requests > n - 200)
  }
  await mallory.until(({ received }) => received.length === 1200)
  t.equal(edge.engine.stats().transactions, 300)
  alice.send(alice.request({ method: 'BYE', uri: 'sip:localhost', toTag: 'running' }))
  await alice.expect(481)
})

t.test('requests that wait long for their answer do not keep the table from forgetting others', async (t) => {
  const edge = await startEdge(t, { limits: { maxTransactions: 100 } })
  const srf = await edge.application()
  onRequest(srf, 'message', () => {})
  onRequest(srf, 'options', (_, res) => res.send(200))
  const alice = await edge.phone('udp')
  for (let n = 0; n < 70; n++) alice.send(alice.request({ method: 'MESSAGE', uri: 'sip:localhost' }))
  await until(() => edge.engine.stats().unanswered === 70)
  const answered = async () => {
    alice.send(options(alice))
    return (await alice.expect(() => true)).status
  }
  for (let n = 0; n < 30; n++) t.equal(await answered(), 200)
  t.equal(edge.engine.stats().transactions, 100)
  t.equal(await answered(), 503)
  t.equal(await answered(), 200)
})

t.test('strangers from everywhere keep no place that a phone needs, whatever they ask', async (t) => {
  const edge = await startEdge(t, { limits: { maxConnections: 5 } })
  const srf = await edge.application()
  onRequest(srf, 'options', (_, res) => res.send(200))
  onRequest(srf, 'register', (req, res) => res.send(req.get('Authorization') ? 200 : 401))
  const register = async (phone: Phone) => {
    const headers = { Authorization: 'Digest' }
    phone.send(phone.request({ method: 'REGISTER', uri: 'sip:localhost' }))
    await phone.expect(401)
    phone.send(phone.request({ method: 'REGISTER', uri: 'sip:localhost', headers }))
    await phone.expect(200)
  }
  const alice = await edge.phone('tcp')
  await register(alice)
  const strangers: Phone[] = []
  for (let n = 0; n < 10; n++) {
    const stranger = await edge.phone('tcp', { localHost: `127.0.1.${n + 1}` })
    stranger.send(n % 2 ? options(stranger) : stranger.request({ method: 'REGISTER', uri: 'sip:localhost' }))
    await stranger.expect(({ status }) => status !== undefined)
    strangers.push(stranger)
  }
  await strangers[0]!.untilClosed()
  const bob = await edge.phone('tcp', { localHost: '127.0.0.2' })
  await register(bob)
  for (const phone of [alice, bob]) {
    phone.send(options(phone))
    await phone.expect(200)
  }
  t.equal(edge.engine.stats().transport.connections, 5)
})

t.test('noise by the thousand is dropped, and costs others nothing', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  onRequest(srf, 'options', (_, res) => res.send(200))
  const [mallory, alice] = await twoPhones(edge, ['udp', 'udp'])
  for (let n = 0; n < 2000; n++) {
    mallory.send(Buffer.alloc(n % 1400, n))
    if (n % 100 === 0) {
      alice.send(options(alice))
      await alice.expect(200)
    }
  }
  t.match(edge.engine.stats(), { transactions: 20, unanswered: 0, overload: { waiting: 0 } })
})

t.test('INVITEs whose final answer is never acknowledged are forgotten by timer H', async (t) => {
  const edge = await startEdge(t, { timing: { ...defaultTiming, t1: 10 }, limits: { maxTransactions: 100 } })
  const srf = await edge.application()
  onRequest(srf, 'invite', (_, res) => res.send(486))
  const mallory = await edge.phone('udp')
  for (let n = 0; n < 200; n++) {
    mallory.send(invite(mallory))
    if (n % 20 === 19) await mallory.until(({ received }) => received.length > n)
  }
  t.ok(edge.engine.stats().transactions <= 100)
  await until(() => edge.engine.stats().transactions === 0)
})

t.test('CANCELs of nothing are answered without state', async (t) => {
  const edge = await startEdge(t)
  const mallory = await edge.phone('udp')
  for (let n = 0; n < 500; n++) mallory.send(cancelFor(invite(mallory)))
  await mallory.until(({ received }) => received.length === 500)
  t.ok(mallory.received.every(({ status }) => status === 481))
  t.equal(edge.engine.stats().transactions, 0)
})

t.test('who asks and never reads is not listened to, and given up; others are answered', async (t) => {
  const edge = await startEdge(t, { limits: { slowReaderTimeoutMs: 300 } })
  const srf = await edge.application()
  onRequest(srf, 'options', (_, res) => res.send(200))
  const mallory = await edge.phone('tcp')
  const alice = await edge.phone('tcp')
  mallory.pause()
  const long = 'x'.repeat(60_000)
  const flood = 1000
  for (let n = 0; n < flood; n++) {
    mallory.send(
      mallory.request({
        method: 'BYE',
        uri: 'sip:localhost',
        toTag: 'x',
        headers: { Via: `SIP/2.0/TCP a;branch=z9hG4bK${n};x=${long}` },
      }),
    )
  }
  let answers = -1
  await until(() => {
    const { sent } = edge.engine.stats().transport
    const stands = sent > 0 && sent === answers
    answers = sent
    return stands
  })
  t.ok(answers < flood, `${answers} of ${flood} were read`)
  alice.send(options(alice))
  await alice.expect(200)
  await until(() => edge.engine.stats().transport.connections === 1)
})

t.test(
  'an application that stops reading gets no more, and its callers an answer; other applications go on',
  async (t) => {
    const edge = await startEdge(t)
    const stuck = net.connect(edge.control)
    t.teardown(() => stuck.destroy())
    const say = (text: string): void => void stuck.write(`${text.length}#${text}`)
    await once(stuck, 'connect')
    say(`1|authenticate|${secret}|`)
    say('2|route|message')
    await until(() => edge.engine.stats().applications === 1)
    stuck.pause()
    const srf = await edge.application()
    onRequest(srf, 'options', (_, res) => res.send(200))
    const [mallory, alice] = await twoPhones(edge, ['tcp', 'udp'])
    const body = 'x'.repeat(60_000)
    let sent = 0
    // The kernel takes some, the queue its bound.
    while (!mallory.received.some(({ status }) => status === 503)) {
      mallory.send(
        mallory.request({ method: 'MESSAGE', uri: 'sip:2@localhost', body, contentType: 'text/plain' }),
      )
      if (++sent > 1000) throw new Error('there is no end of it')
      if (sent % 10 === 0) await pause(1)
    }
    alice.send(options(alice))
    await alice.expect(200)
    stuck.destroy()
    await mallory.until(({ received }) => received.length === sent)
  },
)
