/** On the wire: targets by name, from one server to the next, large requests, and sips in both directions. */
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { SystemDns } from '../../../src/engine/resolve/system-dns.js'
import { defaultTiming } from '../../../src/engine/transaction/timers.js'
import { createTransportLayer } from '../../../src/engine/transport/layer.js'
import { makeSelfSigned } from '../../../src/engine/transport/self-signed.js'
import { calleeSide, callerSide, hangUp, inDialog, invite, proxyTo, type Dialog } from '../../support/call.js'
import { startDnsServer } from '../../support/dns-server.js'
import { fastTiming, startEdge, targetOf, testLimits } from '../../support/edge.js'
import { createPhone, type Phone } from '../../support/phone.js'
import { srv } from '../../support/stub-dns.js'

const large = 'x'.repeat(1500)

/** `example.test` has two servers, `first` before `second`; both are phones on loopback. */
async function edgeWithNames(t: Test, first: number, second: number, timing = defaultTiming) {
  const server = await startDnsServer(t, {
    '_sip._udp.example.test': { SRV: [srv('b.example.test', second, 2), srv('a.example.test', first, 1)] },
    'a.example.test': { A: ['127.0.0.1'] },
    'b.example.test': { A: ['127.0.0.1'] },
    'example.test': {},
  })
  return { server, edge: await startEdge(t, { dns: new SystemDns([server.address]), timing }) }
}

t.test(
  'a call to a name: the first server says 503, the second gets it, and the caller sees only that',
  async (t) => {
    const [a, b] = [await silentPhone(t), await silentPhone(t)]
    const { edge, server } = await edgeWithNames(t, a.localPort, b.localPort)
    const alice = await edge.phone('udp')
    const { result } = proxyTo(await edge.application(), () => ['sip:bob@example.test'])
    alice.send(invite(alice))
    const refused = await a.expect('INVITE')
    a.reply(refused, 503)
    await a.expect('ACK')
    const received = await b.expect('INVITE')
    t.not(received.all('via')[0], refused.all('via')[0], 'a new transaction')
    b.reply(received, 200, { contact: targetOf(b, 'bob').replace(/;flow.*/, '') })
    const answer = await alice.expect(200)
    alice.send(inDialog(alice, 'ACK', callerSide(answer)))
    await b.expect('ACK')
    await hangUp(alice, callerSide(answer), b)
    t.match(await result(), { connected: true })
    t.notOk(alice.received.some(({ status }) => status === 503))
    t.strictSame(server.asked.slice(0, 1), ['NAPTR example.test'])

    const asked = server.asked.length
    alice.send(invite(alice))
    b.reply(await b.expect('INVITE'), 486)
    await alice.expect(486)
    t.equal(server.asked.length, asked, 'DNS is not asked again')
    t.equal(a.received.filter(({ method }) => method === 'INVITE').length, 1, 'who failed is tried last')
  },
)

t.test('a server where nobody listens gives way before its time is up', async (t) => {
  const [gone, b] = [await silentPhone(t), await silentPhone(t)]
  const { edge } = await edgeWithNames(t, gone.localPort, b.localPort, fastTiming)
  await gone.close()
  const alice = await edge.phone('udp')
  proxyTo(await edge.application(), () => ['sip:bob@example.test'])
  alice.send(invite(alice))
  b.reply(await b.expect('INVITE', 4500), 486)
  await alice.expect(486)
})

t.test('a large request goes over TCP to who takes it, and the call stays there', async (t) => {
  const bob = await silentPhone(t, 'tcp')
  const edge = await startEdge(t)
  const alice = await edge.phone('udp')
  proxyTo(await edge.application(), () => [`sip:bob@127.0.0.1:${bob.localPort}`])
  const { caller, callee } = await call(alice, bob)
  t.match(callee.received.all('via')[0], /^SIP\/2\.0\/TCP /)
  t.match(callee.received.header('record-route'), /;transport=tcp/)
  alice.send(inDialog(alice, 'INFO', caller, { body: large }))
  bob.reply(await bob.expect('INFO'), 200)
  await hangUp(alice, caller, bob)
})

t.test('who takes no TCP gets the large request over UDP, without delay', async (t) => {
  const bob = await silentPhone(t)
  const edge = await startEdge(t)
  const alice = await edge.phone('udp')
  proxyTo(await edge.application(), () => [`sip:bob@127.0.0.1:${bob.localPort}`])
  const start = performance.now()
  const { caller, callee } = await call(alice, bob)
  t.ok(performance.now() - start < 400, 'less than T1')
  t.match(callee.received.all('via')[0], /^SIP\/2\.0\/UDP /)
  t.notMatch(callee.received.header('record-route'), /;transport=/)
  await hangUp(alice, caller, bob)
})

t.test('a large request to a phone that registered over UDP stays there', async (t) => {
  const bob = await silentPhone(t, 'tcp')
  const udp = await silentPhone(t, 'udp', bob.localPort)
  const edge = await startEdge(t)
  const alice = await edge.phone('udp')
  proxyTo(await edge.application(), () => [targetOf(udp, 'bob')])
  const { callee } = await call(alice, udp)
  t.match(callee.received.all('via')[0], /^SIP\/2\.0\/UDP /)
})

t.test('a caller that asked for sips gets sips in Record-Route, and it leads through us', async (t) => {
  const edge = await startEdge(t, {
    listeners: (['tls', 'wss', 'udp'] as const).map((transport) => ({
      transport,
      host: '127.0.0.1',
      port: 0,
    })),
    tls: await makeSelfSigned(['127.0.0.1']),
  })
  const [secure, web, plain] = [await edge.phone('tls'), await edge.phone('wss'), await edge.phone('udp')]
  let target = plain
  proxyTo(await edge.application(), () => [targetOf(target, 'bob')])
  for (const [caller, own] of [
    [secure, `<sips:127.0.0.1:${edge.port('tls')};lr;`],
    [web, `<sips:127.0.0.1:${edge.port('wss')};transport=ws;lr;`],
  ] as const) {
    const sides = await call(caller, plain, 'sips:222@localhost')
    const [outer = '', inner = ''] = sides.callee.received
      .all('record-route')
      .flatMap((line) => line.split(/,\s*/))
    t.ok(outer.startsWith(`<sip:127.0.0.1:${edge.port('udp')};lr;`), outer)
    t.ok(inner.startsWith(own), inner)
    await hangUp(caller, sides.caller, plain)
  }
  target = web
  const sides = await call(secure, web, 'sip:222@localhost')
  t.notMatch(sides.callee.received.all('record-route').join(), /sips:/)
  await hangUp(web, sides.callee, secure)
})

t.test('a connection that is given less time than usual fails in that time', async (t) => {
  const mute = createServer().listen(0, '127.0.0.1')
  await once(mute, 'listening')
  const layer = createTransportLayer({
    specs: [{ transport: 'tls', host: '127.0.0.1', port: 0 }],
    limits: testLimits,
    tls: await makeSelfSigned(['127.0.0.1']),
  })
  await layer.start({ onMessage: () => {}, onRejected: () => {}, onDropped: () => {} })
  t.teardown(async () => {
    await layer.stop()
    mute.close()
  })
  const { port } = mute.address() as AddressInfo
  const flow = layer.openFlow('tls', '127.0.0.1', port, { connectTimeoutMs: 50 })
  const error = await new Promise<Error>((resolve) => flow && layer.send(flow, Buffer.from('x'), resolve))
  t.match(error.message, /no connection in time/)
})

/** A phone that knows no server: others come to it. */
async function silentPhone(t: Test, transport: 'udp' | 'tcp' = 'udp', localPort = 0): Promise<Phone> {
  const phone = await createPhone({
    transport,
    server: { host: '127.0.0.1', port: 9 },
    localPort,
    ...(transport === 'tcp' && { listen: true, connect: false }),
  })
  t.teardown(() => phone.close())
  return phone
}

interface Sides {
  caller: Dialog
  callee: Dialog & { received: Awaited<ReturnType<Phone['expect']>> }
}

/** A call with a large INVITE, set up by these two. */
async function call(from: Phone, to: Phone, uri = 'sip:222@localhost'): Promise<Sides> {
  from.send(invite(from, { uri, body: large }))
  const received = await to.expect('INVITE')
  const sent = to.reply(received, 200, { contact: targetOf(to, 'bob').replace(/;flow.*/, '') })
  const answer = await from.expect(200)
  const caller = callerSide(answer)
  from.send(inDialog(from, 'ACK', caller))
  await to.expect('ACK')
  return { caller, callee: { ...calleeSide(received, sent), received } }
}
