/** Calls that do not come about, or not for long: silence, refusals, CANCEL, connections that break. */
import t from 'tap'
import { invite, onRequest, proxyTo, twoPhones, type AppRequest } from '../support/call.js'
import { fastTiming, startEdge, targetOf } from '../support/edge.js'
import { ackForFailure, cancelFor } from '../support/sip-text.js'

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

t.test('a server that stops tells the application too whose call it ends', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const cancelled = new Promise<AppRequest>((resolve) => {
    onRequest(srf, 'invite', (req, res) => {
      req.on('cancel', resolve)
      res.send(180)
    })
  })
  const alice = await edge.phone('udp')
  alice.send(invite(alice))
  await alice.expect(180)
  await edge.engine.drain(0)
  t.match((await alice.expect(503)).header('retry-after'), /^\d+$/)
  t.match((await cancelled).get('Reason'), /cause=503/)
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
