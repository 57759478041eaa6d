/** What the engine settles itself: dialogs it can prove, loops, hops, overload, and requests that nobody takes. */
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { connect, hangUp, inDialog, invite, onRequest, proxyTo, twoPhones } from '../support/call.js'
import { fastTiming, startEdge, targetOf } from '../support/edge.js'
import { cancelFor } from '../support/sip-text.js'

t.test('a made-up To tag with a Route through us is refused and relayed nowhere', async (t) => {
  const edge = await startEdge(t)
  await edge.application()
  const [mallory, victim] = await twoPhones(edge, ['udp', 'udp'])
  const server = `127.0.0.1:${edge.port('udp')}`
  const target = `sip:victim@127.0.0.1:${victim.localPort}`
  for (const route of [
    `<sip:${server};lr>`,
    `<sip:${server};lr;pl=AAAAAAAAAAAAAAAAAAAA>`,
    `<sip:${server}>`,
  ]) {
    for (const method of ['INVITE', 'BYE', 'MESSAGE', 'INFO']) {
      mallory.send(mallory.request({ method, uri: target, toTag: 'made-up', route: [route] }))
      await mallory.expect(481)
    }
    mallory.send(mallory.request({ method: 'ACK', uri: target, toTag: 'made-up', route: [route] }))
  }
  mallory.send(
    mallory.request({
      method: 'BYE',
      uri: `sip:${server};lr;pl=AAAAAAAAAAAAAAAAAAAA`,
      toTag: 'x',
      route: [`<${target}>`],
    }),
  )
  await mallory.expect(481)
  t.equal(victim.received.length, 0)
  t.ok(edge.engine.stats().forgedRoutes >= 8)
})

t.test('the token of one call opens no other', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const [alice, bob] = await twoPhones(edge, ['udp', 'udp'])
  proxyTo(srf, () => [targetOf(bob, 'bob')])
  const { caller } = await connect(alice, bob)
  const before = bob.received.length
  alice.send(inDialog(alice, 'BYE', { ...caller, callId: 'another' }))
  await alice.expect(481)
  alice.send(
    inDialog(alice, 'BYE', { ...caller, from: '<sip:m@localhost>;tag=m', to: '<sip:v@localhost>;tag=v' }),
  )
  await alice.expect(481)
  t.equal(bob.received.length, before)
  await hangUp(alice, caller, bob)
})

t.test('a call outlives the application and a restart with the same key, not one with another', async (t) => {
  const key = randomBytes(32)
  const first = await startEdge(t, { key })
  const srf = await first.application()
  const [alice, bob] = await twoPhones(first, ['udp', 'udp'])
  proxyTo(srf, () => [targetOf(bob, 'bob')])
  const { caller, callee } = await connect(alice, bob)
  srf.disconnect()
  bob.send(inDialog(bob, 'INFO', callee))
  alice.reply(await alice.expect('INFO'), 200)
  await bob.expect(200)
  const port = first.port('udp')
  await first.engine.stop()
  const listeners = [{ transport: 'udp', host: '127.0.0.1', port } as const]
  const stranger = await startEdge(t, { listeners })
  alice.send(inDialog(alice, 'INFO', caller))
  await alice.expect(481)
  await stranger.engine.stop()
  await startEdge(t, { key, listeners })
  await hangUp(alice, caller, bob)
})

t.test('a strict router in front of us is understood', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const [alice, bob] = await twoPhones(edge, ['udp', 'udp'])
  proxyTo(srf, () => [targetOf(bob, 'bob')])
  const { caller } = await connect(alice, bob)
  const entry = /<(.*)>/.exec(caller.routes[0] ?? '')?.[1] ?? ''
  alice.send(inDialog(alice, 'BYE', { ...caller, target: entry, routes: [`<${caller.target}>`] }))
  const bye = await bob.expect('BYE')
  t.equal(bye.uri, caller.target)
  t.equal(bye.header('route'), undefined)
})

t.test('a request that comes round unchanged is a loop; a spiral is not', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const alice = await edge.phone('udp')
  const server = `127.0.0.1:${edge.port('udp')}`
  const seen: string[] = []
  onRequest(srf, 'message', (req) => {
    seen.push(req.uri)
    const next = seen.length === 1 ? `sip:two@${server}` : req.uri
    void req.proxy({ destination: [next] }).catch(() => {})
  })
  alice.send(
    alice.request({ method: 'MESSAGE', uri: `sip:one@${server}`, body: 'x', contentType: 'text/plain' }),
  )
  await alice.expect(482)
  t.strictSame(seen, [`sip:one@${server}`, `sip:two@${server}`])
  t.equal(edge.engine.stats().loops, 1)
})

t.test('a request without hops left is not proxied', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const [alice, bob] = await twoPhones(edge, ['udp', 'udp'])
  let refusal: unknown
  onRequest(srf, 'invite', (req) => {
    void req.proxy({ destination: [targetOf(bob, 'bob')] }).catch((error: unknown) => (refusal = error))
  })
  alice.send(invite(alice, { maxForwards: 0 }))
  await alice.expect(483)
  t.equal(bob.received.length, 0)
  await t.resolves(until(() => refusal !== undefined))
  t.match(String(refusal), /483/)
})

t.test('nobody there: 503 with Retry-After; a method that nobody takes: 405 with Allow', async (t) => {
  const edge = await startEdge(t)
  const alice = await edge.phone('udp')
  alice.send(invite(alice))
  const away = await alice.expect(503)
  t.match(away.header('retry-after'), /^\d+$/)
  const srf = await edge.application()
  onRequest(srf, 'invite', (_, res) => res.send(404))
  await until(() => edge.engine.stats().applications === 1)
  alice.send(invite(alice))
  await alice.expect(404)
  alice.send(alice.request({ method: 'PUBLISH', uri: 'sip:222@localhost' }))
  t.equal((await alice.expect(405)).header('allow'), 'INVITE')
})

t.test(
  'an application that never reacts, and one that goes away, leave no caller without an answer',
  async (t) => {
    const edge = await startEdge(t, { limits: { applicationTimeoutMs: 100 } })
    const srf = await edge.application()
    const alice = await edge.phone('udp')
    let arrived = 0
    onRequest(srf, 'message', () => void arrived++)
    alice.send(alice.request({ method: 'MESSAGE', uri: 'sip:222@localhost' }))
    t.match((await alice.expect(503)).header('retry-after'), /^\d+$/)
    alice.send(alice.request({ method: 'MESSAGE', uri: 'sip:222@localhost' }))
    await until(() => arrived === 2)
    srf.disconnect()
    await alice.expect(503)
  },
)

t.test('CANCEL of nothing is 481; CANCEL before the application has answered is 487', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const alice = await edge.phone('udp')
  let cancelled = false
  onRequest(srf, 'invite', (req) => req.on('cancel', () => (cancelled = true)))
  alice.send(cancelFor(invite(alice)))
  await alice.expect(481)
  const text = invite(alice)
  alice.send(text)
  await alice.expect(100, 1000)
  alice.send(cancelFor(text))
  await alice.expect(200)
  await alice.expect(487)
  await until(() => cancelled)
})

t.test('a repeated request gets the same answer again and reaches the application once', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const alice = await edge.phone('udp')
  let arrived = 0
  onRequest(srf, 'register', (_, res) => {
    arrived++
    res.send(200, { headers: { Contact: '<sip:alice@127.0.0.1>;expires=60' } })
  })
  const text = alice.request({ method: 'REGISTER', uri: 'sip:localhost' })
  alice.send(text)
  const first = await alice.expect(200)
  alice.send(text)
  const again = await alice.expect(200)
  t.equal(again.raw.toString(), first.raw.toString())
  t.equal(arrived, 1)
})

t.test('above the bound of transactions new requests are turned away, without state', async (t) => {
  const edge = await startEdge(t, { limits: { maxTransactions: 3 } })
  const srf = await edge.application()
  const alice = await edge.phone('udp')
  onRequest(srf, 'message', () => {})
  for (let count = 0; count < 5; count++)
    alice.send(alice.request({ method: 'MESSAGE', uri: 'sip:222@localhost' }))
  await alice.until(({ received }) => received.filter(({ status }) => status === 503).length === 2)
  t.equal(edge.engine.stats().transactions, 3)
})

t.test('stray responses and ACKs are dropped and counted', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const alice = await edge.phone('udp')
  onRequest(srf, 'options', (_, res) => res.send(200))
  const server = `127.0.0.1:${edge.port('udp')}`
  alice.send(
    `SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP ${server};branch=z9hG4bKx\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKy\r\n` +
      'From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n',
  )
  alice.send(alice.request({ method: 'ACK', uri: `sip:${server}`, toTag: 'x' }))
  alice.send(alice.request({ method: 'OPTIONS', uri: `sip:${server}` }))
  await alice.expect(200)
  t.match(edge.engine.stats(), { strayResponses: 1, strayAcks: 1 })
})

t.test('a refusal of an unproven INVITE is one datagram for one datagram', async (t) => {
  const edge = await startEdge(t, { timing: fastTiming })
  const srf = await edge.application()
  const alice = await edge.phone('udp')
  onRequest(srf, 'invite', (_, res) => res.send(407))
  onRequest(srf, 'options', (_, res) => res.send(200))
  alice.send(invite(alice))
  await alice.expect(407)
  await new Promise((resolve) => setTimeout(resolve, 300))
  alice.send(alice.request({ method: 'OPTIONS', uri: 'sip:localhost' }))
  await alice.expect(200)
  t.equal(alice.received.length, 2)
})

t.test('a long list of Route entries of ours costs no more than a short one', async (t) => {
  const edge = await startEdge(t)
  await edge.application()
  const alice = await edge.phone('udp')
  const entry = `<sip:127.0.0.1:${edge.port('udp')};lr;pl=a>`
  const time = async (count: number): Promise<number> => {
    const route = [Array.from({ length: count }, () => entry).join(',')]
    const start = performance.now()
    for (let n = 0; n < 20; n++) {
      alice.send(alice.request({ method: 'BYE', uri: 'sip:a@localhost', toTag: 'x', route }))
      await alice.expect(481)
    }
    return performance.now() - start
  }
  await time(10)
  const short = await time(70)
  const long = await time(700)
  t.ok(
    long < 30 * Math.max(short, 10),
    `ten times the entries: ${short.toFixed(1)} and ${long.toFixed(1)} ms`,
  )
})

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('the condition did not come true within 5 s')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
