/** Requests inside dialogs: they go to the other side of the call and nowhere else, as the one who was let in. */
import { once } from 'node:events'
import net from 'node:net'
import t from 'tap'
import { connect, inDialog, invite, onRequest, proxyTo, twoPhones } from '../support/call.js'
import { startEdge, targetOf } from '../support/edge.js'
import { uriOf } from '../support/sip-text.js'

t.test('a valid token leads to the other side of the call, whatever Request-URI and Route say', async (t) => {
  const edge = await startEdge(t, {
    listeners: [
      { transport: 'udp', host: '0.0.0.0', port: 0 },
      { transport: 'tcp', host: '127.0.0.1', port: 0 },
    ],
  })
  const srf = await edge.application()
  const [alice, bob] = await twoPhones(edge, ['udp', 'udp'])
  const victim = await edge.phone('udp', { localHost: '127.0.0.2' })
  proxyTo(srf, () => [targetOf(bob, 'bob')])
  const { caller } = await connect(alice, bob)
  const elsewhere = `sip:victim@127.0.0.2:${victim.localPort}`
  alice.send(inDialog(alice, 'MESSAGE', { ...caller, target: elsewhere }))
  t.equal((await bob.expect('MESSAGE')).uri, elsewhere, 'it is for Bob to refuse')
  alice.send(inDialog(alice, 'INFO', { ...caller, routes: [...caller.routes, `<${elsewhere};lr>`] }))
  await bob.expect('INFO')
  alice.send(inDialog(alice, 'ACK', { ...caller, target: elsewhere }, { cseq: 9 }))
  await bob.expect('ACK')
  t.equal(victim.received.length, 0)
})

t.test(
  'the identity that the caller was given stays for the whole dialog; claims and credentials do not pass',
  async (t) => {
    const edge = await startEdge(t)
    const srf = await edge.application()
    const [alice, bob] = await twoPhones(edge, ['udp', 'udp'])
    proxyTo(srf, () => [targetOf(bob, 'bob')], {
      headers: { From: '"Anonymous" <sip:anonymous@anonymous.invalid>' },
    })
    const { caller, callee } = await connect(alice, bob)
    const ack = bob.received.find(({ method }) => method === 'ACK')
    t.equal(uriOf(ack?.header('from')), 'sip:anonymous@anonymous.invalid')
    const claims = {
      'P-Asserted-Identity': '<sip:boss@localhost>',
      'Remote-Party-ID': '<sip:boss@localhost>',
      Identity: 'signature;info=<https://example.org/cert>',
      'History-Info': '<sip:boss@localhost>;index=1',
      Diversion: '<sip:boss@localhost>',
      'Proxy-Authorization': 'Digest username="alice"',
    }
    alice.send(inDialog(alice, 'UPDATE', caller, { headers: claims }))
    const update = await bob.expect('UPDATE')
    t.equal(uriOf(update.header('from')), 'sip:anonymous@anonymous.invalid')
    for (const name of Object.keys(claims)) t.equal(update.header(name.toLowerCase()), undefined, name)
    bob.reply(update, 200)
    t.match(
      (await alice.expect((message) => /UPDATE/.test(message.header('cseq') ?? ''))).header('from'),
      /alice/,
    )
    bob.send(inDialog(bob, 'INFO', callee, { headers: claims }))
    t.equal((await alice.expect('INFO')).header('p-asserted-identity'), undefined)
  },
)

t.test('a strict router behind us is reached over the flow that the call uses', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const [alice, router] = await twoPhones(edge, ['udp', 'tcp'])
  proxyTo(srf, () => [targetOf(router, 'bob')])
  const { caller } = await connect(alice, router)
  const strict = 'sip:router.example.org'
  alice.send(inDialog(alice, 'INFO', { ...caller, routes: [...caller.routes, `<${strict}>`] }))
  const info = await router.expect('INFO')
  t.equal(info.uri, strict)
  t.strictSame(info.all('route'), [`<${caller.target}>`])
})

t.test('an outbound proxy entry in front of the route set is taken off too', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const [alice, bob] = await twoPhones(edge, ['udp', 'udp'])
  proxyTo(srf, () => [targetOf(bob, 'bob')])
  const { caller } = await connect(alice, bob)
  const outbound = `<sip:127.0.0.1:${edge.port('udp')};lr>`
  alice.send(inDialog(alice, 'INFO', { ...caller, routes: [outbound, ...caller.routes] }))
  t.equal((await bob.expect('INFO')).header('route'), undefined)
})

t.test('an extension that a proxy would have to understand is refused', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const [alice, bob] = await twoPhones(edge, ['udp', 'udp'])
  proxyTo(srf, () => [targetOf(bob, 'bob')])
  const { caller } = await connect(alice, bob)
  alice.send(inDialog(alice, 'INFO', caller, { headers: { 'Proxy-Require': 'telepathy' } }))
  t.equal((await alice.expect(420)).header('unsupported'), 'telepathy')
  alice.send(invite(alice, { headers: { 'Proxy-Require': 'telepathy' } }))
  await alice.expect(420)
})

t.test('a To tag that the application chooses, beside a URI parameter of that name', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const alice = await edge.phone('udp')
  onRequest(srf, 'message', (_, res) => res.send(200))
  alice.send(
    alice.request({ method: 'MESSAGE', uri: 'sip:bob@localhost', to: '<sip:bob@localhost;tag=foo>' }),
  )
  t.match((await alice.expect(200)).header('to'), /^<sip:bob@localhost;tag=foo>;tag=[^;>]+$/)
})

t.test(
  'over UDP a phone is followed to another port of its address, but to no service of its machine',
  async (t) => {
    const edge = await startEdge(t)
    const srf = await edge.application()
    const [alice, bob] = await twoPhones(edge, ['udp', 'udp'])
    proxyTo(srf, () => [targetOf(bob, 'bob')])
    const { caller } = await connect(alice, bob)
    const moved = await edge.phone('udp')
    alice.send(inDialog(alice, 'INFO', { ...caller, target: `sip:bob@127.0.0.1:${moved.localPort}` }))
    await moved.expect('INFO')
    for (const [n, port] of ['53', '161', '1023', '0'].entries()) {
      const target = `sip:bob@127.0.0.1:${port}`
      alice.send(inDialog(alice, 'INFO', { ...caller, target }, { cseq: 10 + n }))
      t.equal(
        (await bob.expect(({ uri }) => uri === target)).method,
        'INFO',
        `${port} is not where a phone is`,
      )
    }
  },
)

t.test('when the connection of a phone is gone, nobody has another port of its address tried', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const [alice, bob] = await twoPhones(edge, ['udp', 'tcp'])
  proxyTo(srf, () => [targetOf(bob, 'bob')])
  const { caller } = await connect(alice, bob)
  let knocked = 0
  const service = net.createServer(() => knocked++).listen(0, '127.0.0.1')
  await once(service, 'listening')
  t.teardown(() => service.close())
  await bob.close()
  const { port } = service.address() as net.AddressInfo
  const target = `sip:bob@127.0.0.1:${port};transport=tcp`
  alice.send(inDialog(alice, 'INFO', { ...caller, target }))
  const answer = await alice.expect(
    (message) => (message.status ?? 0) >= 200 && /INFO/.test(message.header('cseq') ?? ''),
  )
  t.ok((answer.status ?? 0) >= 400)
  t.equal(knocked, 0)
})
