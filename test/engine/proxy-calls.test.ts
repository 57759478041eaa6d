/** Calls that an unmodified drachtio-srf application proxies through the engine, over real sockets. */
import t from 'tap'
import { connect, hangUp, inDialog, invite, onRequest, proxyTo, sdp, twoPhones } from '../support/call.js'
import { startEdge, targetOf } from '../support/edge.js'
import { ackForFailure } from '../support/sip-text.js'

for (const kinds of [
  ['udp', 'udp'],
  ['udp', 'tcp'],
  ['tcp', 'udp'],
  ['tcp', 'tcp'],
] as ['udp' | 'tcp', 'udp' | 'tcp'][]) {
  t.test(`a call ${kinds.join(' to ')}: ringing, answer, ACK, BYE from either side`, async (t) => {
    const edge = await startEdge(t)
    const srf = await edge.application()
    const [alice, bob] = await twoPhones(edge, kinds)
    const { result } = proxyTo(srf, () => [targetOf(bob, 'bob')])
    const first = await connect(alice, bob)
    const entries = first.caller.routes.length
    t.equal(
      entries,
      kinds[0] === kinds[1] ? 1 : 2,
      'double Record-Route where the transport changes (RFC 5658)',
    )
    await hangUp(alice, first.caller, bob)
    const second = await connect(alice, bob)
    await hangUp(bob, second.callee, alice)
    t.match(await result(), { connected: true, finalStatus: 200 })
    t.match(await result(), { connected: true, finalStatus: 200 })
    t.equal(
      alice.received.filter(({ status }) => status === 100).length,
      2,
      '100 as soon as the call is on its way',
    )
  })
}

t.test(
  'the callee gets its own contact as Request-URI, one hop less, and nothing of our parameters',
  async (t) => {
    const edge = await startEdge(t)
    const srf = await edge.application()
    const [alice, bob] = await twoPhones(edge, ['udp', 'udp'])
    proxyTo(srf, () => [targetOf(bob, 'bob')])
    alice.send(invite(alice, { route: [`<sip:127.0.0.1:${edge.port('udp')};lr>`, '<sip:192.0.2.99;lr>'] }))
    const received = await bob.expect('INVITE')
    t.equal(received.uri, `sip:bob@127.0.0.1:${bob.localPort}`)
    t.equal(received.header('max-forwards'), '69')
    t.equal(received.all('via').length, 2)
    t.equal(received.header('route'), undefined, 'a preloaded route is not followed')
    t.equal(received.body, sdp)
  },
)

t.test('busy comes back, and is acknowledged hop by hop', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const [alice, bob] = await twoPhones(edge, ['tcp', 'udp'])
  const { result } = proxyTo(srf, () => [targetOf(bob, 'bob')])
  const text = invite(alice)
  alice.send(text)
  bob.reply(await bob.expect('INVITE'), 486)
  await bob.expect('ACK')
  const busy = await alice.expect(486)
  alice.send(ackForFailure(text, busy))
  t.match(await result(), { finalStatus: 486 })
  t.equal(bob.received.filter(({ method }) => method === 'ACK').length, 1, "the caller's ACK stays with us")
})

t.test(
  'the application rewrites the caller, adds and removes headers; the caller sees its own From again',
  async (t) => {
    const edge = await startEdge(t)
    const srf = await edge.application()
    const [alice, bob] = await twoPhones(edge, ['udp', 'udp'])
    proxyTo(srf, () => [targetOf(bob, 'bob')], {
      headers: {
        From: '"Zoë" <sip:111@localhost>',
        'P-Asserted-Identity': '"Zoë" <sip:111@localhost>',
        'Proxy-Authorization': '',
        'Remote-Party-ID': '',
      },
    })
    alice.send(
      invite(alice, {
        fromTag: 'mine',
        headers: {
          'Proxy-Authorization': 'Digest username="111", response="secret"',
          'Remote-Party-ID': '<sip:boss@localhost>',
          'P-Asserted-Identity': '<sip:boss@localhost>',
        },
      }),
    )
    const received = await bob.expect('INVITE')
    t.equal(received.header('from'), '"Zoë" <sip:111@localhost>;tag=mine')
    t.strictSame(received.all('p-asserted-identity'), ['"Zoë" <sip:111@localhost>'])
    t.equal(received.header('proxy-authorization'), undefined)
    t.equal(received.header('remote-party-id'), undefined)
    bob.reply(received, 180)
    const ringing = await alice.expect(180)
    t.match(ringing.header('from'), /sip:alice@localhost/)
    bob.reply(received, 486)
    t.match((await alice.expect(486)).header('from'), /sip:alice@localhost/)
  },
)

t.test('re-INVITE, UPDATE and INFO pass in both directions, with their answers', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const [alice, bob] = await twoPhones(edge, ['udp', 'tcp'])
  proxyTo(srf, () => [targetOf(bob, 'bob')])
  const sides = await connect(alice, bob)
  for (const [from, side, to] of [
    [alice, sides.caller, bob],
    [bob, sides.callee, alice],
  ] as const) {
    for (const method of ['INFO', 'UPDATE']) {
      from.send(inDialog(from, method, side, { cseq: 5 }))
      to.reply(await to.expect(method), 200)
      await from.expect(
        (message) => message.status === 200 && (message.header('cseq') ?? '').includes(method),
      )
    }
    from.send(inDialog(from, 'INVITE', side, { cseq: 6, body: sdp, contentType: 'application/sdp' }))
    to.reply(await to.expect('INVITE'), 200, { body: sdp, contentType: 'application/sdp' })
    await from.expect((message) => message.status === 200 && /6 INVITE/.test(message.header('cseq') ?? ''))
    from.send(inDialog(from, 'ACK', side, { cseq: 6 }))
    await to.expect('ACK')
  }
})

t.test('IPv6 to IPv4: each side gets a Record-Route of its own family', async (t) => {
  const edge = await startEdge(t, {
    listeners: [
      { transport: 'udp', host: '127.0.0.1', port: 0 },
      { transport: 'udp', host: '::1', port: 0 },
    ],
  })
  const srf = await edge.application()
  const alice = await edge.phone('udp', { localHost: '::1' })
  const bob = await edge.phone('udp')
  proxyTo(srf, () => [targetOf(bob, 'bob')])
  const sides = await connect(alice, bob)
  t.match(sides.caller.routes[0], /^<sip:\[::1\]:/)
  t.match(sides.callee.routes[0], /^<sip:127\.0\.0\.1:/)
  await hangUp(bob, sides.callee, alice)
})

t.test('a strict router behind us gets itself as Request-URI and the target last in Route', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const [alice, bob] = await twoPhones(edge, ['udp', 'udp'])
  const router = await edge.phone('udp')
  proxyTo(srf, () => [targetOf(bob, 'bob')])
  const { caller } = await connect(alice, bob)
  const strict = `sip:127.0.0.1:${router.localPort}`
  alice.send(inDialog(alice, 'INFO', { ...caller, routes: [...caller.routes, `<${strict}>`] }))
  const info = await router.expect('INFO')
  t.equal(info.uri, strict)
  t.strictSame(info.all('route'), [`<${caller.target}>`])
})

t.test('REGISTER can be proxied with Path (RFC 3327)', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const [alice, registrar] = await twoPhones(edge, ['udp', 'udp'])
  onRequest(srf, 'register', (req) => void req.proxy({ destination: [targetOf(registrar, 'x')], path: true }))
  alice.send(alice.request({ method: 'REGISTER', uri: 'sip:elsewhere' }))
  const received = await registrar.expect('REGISTER')
  t.match(received.header('path'), new RegExp(`^<sip:127\\.0\\.0\\.1:${edge.port('udp')};lr>$`))
  registrar.reply(received, 200)
  await alice.expect(200)
})

t.test('a target takes the path that the phone registered through', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const [alice, bob] = await twoPhones(edge, ['udp', 'udp'])
  proxyTo(srf, () => [
    `${targetOf(bob, 'bob')};flow-route=${encodeURIComponent('<sip:edge.example.org;lr>')}`,
  ])
  alice.send(invite(alice))
  const received = await bob.expect('INVITE')
  t.strictSame(received.all('route'), ['<sip:edge.example.org;lr>'])
  t.notMatch(received.uri, /flow/)
})

t.test('an identity that the callee claims in its answer does not reach the caller', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const [alice, bob] = await twoPhones(edge, ['udp', 'udp'])
  proxyTo(srf, () => [targetOf(bob, 'bob')])
  alice.send(invite(alice))
  const claim = { 'P-Asserted-Identity': '<sip:boss@localhost>' }
  bob.reply(await bob.expect('INVITE'), 200, { headers: claim })
  t.equal((await alice.expect(200)).header('p-asserted-identity'), undefined)
})
