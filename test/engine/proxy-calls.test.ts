/** Calls that an unmodified drachtio-srf application proxies through the engine, over real sockets. */
import t from 'tap'
import { connect, hangUp, inDialog, invite, onRequest, proxyTo, sdp, twoPhones } from '../support/call.js'
import { fastTiming, startEdge, targetOf } from '../support/edge.js'
import type { ReceivedMessage } from '../support/phone.js'
import { ackForFailure, cancelFor, uriOf } from '../support/sip-text.js'

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

t.test('all devices ring; an answer stops the others with its reason', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const alice = await edge.phone('udp')
  const devices = [await edge.phone('udp'), await edge.phone('tcp'), await edge.phone('udp')] as const
  const { result } = proxyTo(srf, () => devices.map((device) => targetOf(device, 'bob')))
  alice.send(invite(alice))
  const received = await Promise.all(devices.map((device) => device.expect('INVITE')))
  for (const [index, device] of devices.entries()) device.reply(received[index] as ReceivedMessage, 180)
  await alice.until(({ received }) => received.filter(({ status }) => status === 180).length === 3)
  devices[1].reply(received[1] as ReceivedMessage, 200, { contact: 'sip:bob@device-1.invalid' })
  const answer = await alice.expect(200)
  t.equal(uriOf(answer.header('contact')), 'sip:bob@device-1.invalid')
  for (const index of [0, 2] as const) {
    const device = devices[index]
    const cancel = await device.expect('CANCEL')
    t.match(cancel.header('reason'), /^SIP;cause=200;text="Call completed elsewhere"$/)
    t.equal(cancel.uri, (received[index] as ReceivedMessage).uri, 'the Request-URI of its INVITE')
    t.equal(
      cancel.header('via'),
      (received[index] as ReceivedMessage).all('via')[0],
      'the branch of its INVITE',
    )
    device.reply(cancel, 200)
    device.reply(received[index] as ReceivedMessage, 487)
    await device.expect('ACK')
  }
  t.match(await result(), { connected: true })
  t.equal(alice.received.filter(({ status }) => (status ?? 0) >= 200).length, 1, 'one final answer')
})

t.test('both of two answers that cross reach the caller', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const alice = await edge.phone('udp')
  const devices = [await edge.phone('udp'), await edge.phone('udp')] as const
  proxyTo(srf, () => devices.map((device) => targetOf(device, 'bob')))
  alice.send(invite(alice))
  const received = await Promise.all(devices.map((device) => device.expect('INVITE')))
  devices[0].reply(received[0] as ReceivedMessage, 200, { toTag: 'one' })
  devices[1].reply(received[1] as ReceivedMessage, 200, { toTag: 'two' })
  await alice.until(({ received }) => received.filter(({ status }) => status === 200).length === 2)
})

t.test('the caller cancels: 200 to CANCEL, the device is cancelled, 487 comes back', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const [alice, bob] = await twoPhones(edge, ['udp', 'udp'])
  const { result } = proxyTo(srf, () => [targetOf(bob, 'bob')])
  const text = invite(alice)
  alice.send(text)
  const received = await bob.expect('INVITE')
  bob.reply(received, 180)
  await alice.expect(180)
  alice.send(cancelFor(text))
  await alice.expect((message) => message.status === 200 && /CANCEL/.test(message.header('cseq') ?? ''))
  const cancel = await bob.expect('CANCEL')
  bob.reply(cancel, 200)
  bob.reply(received, 487)
  const ended = await alice.expect(487)
  alice.send(ackForFailure(text, ended))
  await bob.expect('ACK')
  t.match(await result(), { finalStatus: 487 })
})

t.test('a device that has not reacted is cancelled at its first reaction, not before', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const [alice, bob] = await twoPhones(edge, ['udp', 'udp'])
  proxyTo(srf, () => [targetOf(bob, 'bob')])
  const text = invite(alice)
  alice.send(text)
  const received = await bob.expect('INVITE')
  alice.send(cancelFor(text))
  await alice.expect((message) => message.status === 200 && /CANCEL/.test(message.header('cseq') ?? ''))
  t.equal(
    bob.received.some(({ method }) => method === 'CANCEL'),
    false,
  )
  bob.reply(received, 180)
  bob.reply(await bob.expect('CANCEL'), 200)
  bob.reply(received, 487)
  await alice.expect(487)
})

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

t.test('6xx from one device ends the search for all', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const alice = await edge.phone('udp')
  const devices = [await edge.phone('udp'), await edge.phone('udp')] as const
  proxyTo(srf, () => devices.map((device) => targetOf(device, 'bob')))
  alice.send(invite(alice))
  const received = await Promise.all(devices.map((device) => device.expect('INVITE')))
  devices[1].reply(received[1] as ReceivedMessage, 180)
  await alice.expect(180)
  devices[0].reply(received[0] as ReceivedMessage, 603)
  devices[1].reply(await devices[1].expect('CANCEL'), 200)
  devices[1].reply(received[1] as ReceivedMessage, 487)
  await alice.expect(603)
})

t.test('serial forking goes to the next target after a failure, but not after 6xx', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const alice = await edge.phone('udp')
  const devices = [await edge.phone('udp'), await edge.phone('udp'), await edge.phone('udp')] as const
  proxyTo(srf, () => devices.map((device) => targetOf(device, 'bob')), { forking: 'serial' })
  alice.send(invite(alice))
  devices[0].reply(await devices[0].expect('INVITE'), 404)
  t.equal(devices[2].received.length, 0)
  devices[1].reply(await devices[1].expect('INVITE'), 603)
  await alice.expect(603)
  t.equal(devices[2].received.length, 0)
})

t.test('a silent target is given up after provisionalTimeout and the next one gets its turn', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const alice = await edge.phone('udp')
  const devices = [await edge.phone('udp'), await edge.phone('udp')] as const
  proxyTo(srf, () => devices.map((device) => targetOf(device, 'bob')), {
    forking: 'serial',
    provisionalTimeout: '200ms',
  })
  alice.send(invite(alice))
  await devices[0].expect('INVITE')
  devices[1].reply(await devices[1].expect('INVITE'), 200)
  await alice.expect(200)
})

t.test('finalTimeout is the ring time-out: the devices are cancelled and the caller gets 480', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const [alice, bob] = await twoPhones(edge, ['udp', 'udp'])
  const silent = await edge.phone('udp')
  const { result } = proxyTo(srf, () => [targetOf(bob, 'bob'), targetOf(silent, 'bob')], {
    finalTimeout: '300ms',
  })
  alice.send(invite(alice))
  const received = await bob.expect('INVITE')
  bob.reply(received, 180)
  bob.reply(await bob.expect('CANCEL'), 200)
  bob.reply(received, 487)
  await alice.expect(480)
  t.match(
    await result(),
    { connected: false, finalStatus: 480 },
    'the application learns what the caller got',
  )
})

t.test('a target that never answers ends after 64*T1', async (t) => {
  const edge = await startEdge(t, { timing: fastTiming })
  const srf = await edge.application()
  const [alice, silent] = await twoPhones(edge, ['udp', 'udp'])
  proxyTo(srf, () => [targetOf(silent, 'bob')])
  alice.send(invite(alice))
  await alice.expect(408)
  t.ok(silent.received.length >= 6, 'the INVITE was repeated on timer A')
})

t.test('a dead flow and a refused connection fail at once and do not disturb the living', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const [alice, bob] = await twoPhones(edge, ['udp', 'udp'])
  const gone = await edge.phone('tcp')
  const deadFlow = targetOf(gone, 'bob')
  await gone.close()
  let targets = [
    deadFlow,
    'sip:bob@127.0.0.1:1;transport=tcp',
    'sip:bob@nowhere.invalid',
    targetOf(bob, 'bob'),
  ]
  const { result } = proxyTo(srf, () => targets)
  alice.send(invite(alice))
  bob.reply(await bob.expect('INVITE'), 200)
  await alice.expect(200)
  targets = [deadFlow]
  const text = invite(alice)
  alice.send(text)
  await alice.expect(480, 1000)
  t.match(await result(), { connected: true })
  const [report] = (await result()).responses
  t.equal(report?.msgs[0]?.status, 430, 'the application is told which flow is dead')
  t.equal(report?.port, gone.localPort)
  targets = ['sip:bob@127.0.0.1:1;transport=tcp']
  alice.send(invite(alice))
  await alice.expect(500, 1000)
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

t.test('challenges of several devices are merged', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const alice = await edge.phone('udp')
  const devices = [await edge.phone('udp'), await edge.phone('udp')] as const
  proxyTo(srf, () => devices.map((device) => targetOf(device, 'bob')))
  alice.send(invite(alice))
  for (const [index, device] of devices.entries()) {
    device.reply(await device.expect('INVITE'), 407, {
      headers: { 'Proxy-Authenticate': `Digest realm="r${index}", nonce="n"` },
    })
  }
  const challenge = await alice.expect(407)
  t.strictSame(
    challenge
      .all('proxy-authenticate')
      .map((line) => /r\d/.exec(line)?.[0])
      .sort(),
    ['r0', 'r1'],
  )
})

t.test('redirections are followed where the application asks for it', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const alice = await edge.phone('udp')
  const [old, current] = [await edge.phone('udp'), await edge.phone('udp')]
  proxyTo(srf, () => [targetOf(old, 'bob')], { followRedirects: true })
  alice.send(invite(alice))
  old.reply(await old.expect('INVITE'), 302, { contact: `<sip:bob@127.0.0.1:${current.localPort}>` })
  current.reply(await current.expect('INVITE'), 200)
  await alice.expect(200)
})

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

t.test(
  'a non-INVITE whose target stays silent is answered with 480 before the sender gives up',
  async (t) => {
    const edge = await startEdge(t, { timing: fastTiming })
    const srf = await edge.application()
    const [alice, silent] = await twoPhones(edge, ['udp', 'udp'])
    onRequest(srf, 'message', (req) => void req.proxy({ destination: [targetOf(silent, 'bob')] }))
    alice.send(
      alice.request({ method: 'MESSAGE', uri: 'sip:222@localhost', contentType: 'text/plain', body: 'hi' }),
    )
    await alice.expect(480)
  },
)

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

t.test('a device that rings for ever is cancelled by timer C', async (t) => {
  const edge = await startEdge(t, { timing: { ...fastTiming, timerC: 300 } })
  const srf = await edge.application()
  const [alice, bob] = await twoPhones(edge, ['udp', 'udp'])
  proxyTo(srf, () => [targetOf(bob, 'bob')])
  alice.send(invite(alice))
  const received = await bob.expect('INVITE')
  bob.reply(received, 180)
  bob.reply(await bob.expect('CANCEL'), 200)
  bob.reply(received, 487)
  await alice.expect(487)
})

t.test('a device that ignores CANCEL is given up after 64*T1', async (t) => {
  const edge = await startEdge(t, { timing: fastTiming })
  const srf = await edge.application()
  const [alice, bob] = await twoPhones(edge, ['udp', 'udp'])
  proxyTo(srf, () => [targetOf(bob, 'bob')], { finalTimeout: '200ms' })
  alice.send(invite(alice))
  bob.reply(await bob.expect('INVITE'), 180)
  await bob.expect('CANCEL')
  await alice.expect(480)
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

t.test('a target that was given up and rings late is cancelled', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const [alice, late] = await twoPhones(edge, ['udp', 'udp'])
  proxyTo(srf, () => [targetOf(late, 'bob')], { provisionalTimeout: '100ms' })
  alice.send(invite(alice))
  const received = await late.expect('INVITE')
  await alice.expect(408)
  late.reply(received, 180)
  await late.expect('CANCEL')
})

t.test('a connection that dies after the INVITE went out is noticed at once', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const [alice, bob] = await twoPhones(edge, ['udp', 'tcp'])
  const { result } = proxyTo(srf, () => [targetOf(bob, 'bob')])
  alice.send(invite(alice))
  await bob.expect('INVITE')
  await bob.close()
  await alice.expect(480, 1000)
  t.equal((await result()).responses[0]?.msgs[0]?.status, 430)
})

t.test('a request that fits no datagram is refused, and says nothing about the phone', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const [alice, bob] = await twoPhones(edge, ['tcp', 'udp'])
  const { result } = proxyTo(srf, () => [targetOf(bob, 'bob')])
  alice.send(invite(alice, { contentType: 'text/plain', body: 'x'.repeat(64_900) }))
  await alice.expect(513)
  t.notMatch(await result(), { responses: [{ msgs: [{ status: 430 }] }] })
})

t.test('a redirection that was followed is not the answer', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const alice = await edge.phone('udp')
  const [old, current] = [await edge.phone('udp'), await edge.phone('udp')]
  proxyTo(srf, () => [targetOf(old, 'bob')], { followRedirects: true })
  alice.send(invite(alice))
  old.reply(await old.expect('INVITE'), 302, { contact: `<sip:bob@127.0.0.1:${current.localPort}>` })
  current.reply(await current.expect('INVITE'), 486)
  await alice.expect(486)
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

t.test('a server that stops tells the caller, and lets no device ring on', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const [alice, bob] = await twoPhones(edge, ['udp', 'udp'])
  proxyTo(srf, () => [targetOf(bob, 'bob')])
  alice.send(invite(alice))
  bob.reply(await bob.expect('INVITE'), 180)
  await alice.expect(180)
  await edge.engine.drain(50)
  t.match((await alice.expect(503)).header('retry-after'), /^\d+$/)
  await bob.expect('CANCEL')
})

t.test(
  'a device that vanished while it rang delays neither the ring time-out nor a CANCEL by more than a moment',
  async (t) => {
    const edge = await startEdge(t, { timing: fastTiming })
    const srf = await edge.application()
    const [alice, bob] = await twoPhones(edge, ['udp', 'udp'])
    proxyTo(srf, () => [targetOf(bob, 'bob')], { finalTimeout: '200ms' })
    alice.send(invite(alice))
    bob.reply(await bob.expect('INVITE'), 180)
    const start = performance.now()
    await alice.expect(480)
    t.ok(performance.now() - start < 1500, 'not 64*T1, which are 3.2 s here')
    const text = invite(alice)
    alice.send(text)
    bob.reply(await bob.expect('INVITE'), 180)
    await alice.expect(180)
    alice.send(cancelFor(text))
    await alice.expect(487, 1500)
  },
)

t.test('busy is told although other bindings are dead', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const [alice, bob] = await twoPhones(edge, ['udp', 'udp'])
  const ghost = await edge.phone('udp')
  proxyTo(srf, () => [targetOf(ghost, 'bob'), targetOf(bob, 'bob')], { provisionalTimeout: '10s' })
  alice.send(invite(alice))
  bob.reply(await bob.expect('INVITE'), 486)
  await alice.expect(486, 3000)
})

t.test('a caller whose connection is gone lets no device ring on once that shows', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const [alice, bob] = await twoPhones(edge, ['tcp', 'udp'])
  proxyTo(srf, () => [targetOf(bob, 'bob')])
  alice.send(invite(alice))
  const received = await bob.expect('INVITE')
  await alice.close()
  bob.reply(received, 180)
  await bob.expect('CANCEL')
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
