/** Requests that an application lets the edge proxy, with every option. */
import t from 'tap'
import { call, proxyTo } from '../../support/app-proxy.js'
import { calleeSide, callerSide, inDialog, sdp } from '../../support/call.js'
import { accept, answer, contactOf } from '../../support/callee.js'
import { onEveryEdge } from '../../support/edges.js'
import type { ReceivedMessage } from '../../support/phone.js'
import { ackForFailure, cancelFor } from '../../support/sip-text.js'
import type { ProxyResult } from '../../support/srf.js'
import { freePort, until } from '../../support/tools.js'

const finalOf = (method: string) => (got: ReceivedMessage) =>
  (got.status ?? 0) >= 200 && new RegExp(method).test(got.header('cseq') ?? '')

const statuses = (result: ProxyResult): number[] =>
  result.responses.flatMap(({ msgs }) => msgs.map(({ status }) => status))

onEveryEdge(
  'a proxied call: what the callee gets, the result, and the dialog without the application',
  async (t, edge) => {
    const [alice, bob] = [await edge.phone('udp'), await edge.phone('udp')]
    const { app, result } = await proxyTo(edge, contactOf(bob), {
      recordRoute: true,
      headers: { Subject: 'lunch', 'X-Custom': 'Ä' },
    })
    call(edge, alice)
    const received = await bob.expect('INVITE')
    t.equal(received.uri, contactOf(bob))
    t.equal(received.header('max-forwards'), '69')
    t.equal(received.all('via').length, 2)
    t.equal(received.header('subject'), 'lunch')
    t.equal(received.header('x-custom'), 'Ä')
    t.match(received.header('record-route'), `127.0.0.1:${edge.port('udp')}`)
    t.equal(received.body, sdp)
    bob.reply(received, 180)
    await alice.expect(180)
    const sent = answer(bob, received)
    const answered = await alice.expect(200)
    const side = callerSide(answered)
    alice.send(inDialog(alice, 'ACK', side))
    await bob.expect('ACK')
    const outcome = await result
    t.match(outcome, { connected: true, finalStatus: 200, finalResponse: { status: 200 } })
    t.match(outcome.responses, [{ address: '127.0.0.1', port: bob.localPort, msgs: [{ status: 200 }] }])
    alice.send(inDialog(alice, 'INFO', side))
    await accept(bob, 'INFO')
    await alice.expect(finalOf('INFO'))
    bob.send(inDialog(bob, 'BYE', calleeSide(received, sent)))
    await accept(alice, 'BYE')
    await bob.expect(finalOf('BYE'))
    t.equal(app.idle, true)
  },
)

onEveryEdge('without Record-Route the phones go on by themselves', async (t, edge) => {
  const [alice, bob] = [await edge.phone('udp'), await edge.phone('udp')]
  const { result } = await proxyTo(edge, contactOf(bob))
  call(edge, alice)
  const received = await bob.expect('INVITE')
  t.equal(received.header('record-route'), undefined)
  answer(bob, received)
  await alice.expect(200)
  t.match(await result, { connected: true })
})

onEveryEdge('the destination may be a bare address, or left to the Request-URI', async (t, edge) => {
  const [alice, bob] = [await edge.phone('udp'), await edge.phone('udp')]
  const outcomes: unknown[] = []
  const destinations = [`127.0.0.1:${bob.localPort}`, undefined]
  await edge.application((app) =>
    app.invite((req) => {
      const destination = destinations.shift()
      req.proxy(destination === undefined ? {} : { destination }, (error, result) =>
        outcomes.push(error ?? result),
      )
    }),
  )
  for (const uri of [`sip:222@127.0.0.1:${edge.port('udp')}`, contactOf(bob)]) {
    const text = call(edge, alice, { uri })
    bob.reply(await bob.expect('INVITE'), 486)
    await bob.expect('ACK')
    alice.send(ackForFailure(text, await alice.expect(486)))
  }
  await until('both results', () => outcomes.length === 2)
  t.match(outcomes, [
    { connected: false, finalStatus: 486 },
    { connected: false, finalStatus: 486 },
  ])
})

onEveryEdge('a Request-URI of a domain that is not the edge’s', async (t, edge) => {
  const [alice, bob] = [await edge.phone('udp'), await edge.phone('udp')]
  await proxyTo(edge, contactOf(bob))
  call(edge, alice, { uri: 'sip:222@example.org' })
  const received = await bob.expect('INVITE')
  t.equal(
    received.uri,
    edge.differs('the Request-URI of a proxied request', {
      embedded: contactOf(bob),
      drachtioServer: 'sip:222@example.org',
    }),
  )
  answer(bob, received)
  await alice.expect(200)
})

onEveryEdge('all at once: the first who answers gets the call, the others CANCEL', async (t, edge) => {
  const [alice, bob, carol] = [await edge.phone('udp'), await edge.phone('udp'), await edge.phone('tcp')]
  const { result } = await proxyTo(edge, [contactOf(bob), contactOf(carol)], { forking: 'simultaneous' })
  call(edge, alice)
  const [atBob, atCarol] = await Promise.all([bob.expect('INVITE'), carol.expect('INVITE')])
  bob.reply(atBob, 180)
  carol.reply(atCarol, 180)
  await alice.expect(180)
  answer(carol, atCarol)
  await alice.expect(200)
  await accept(bob, 'CANCEL')
  bob.reply(atBob, 487)
  await bob.expect('ACK')
  const outcome = await result
  t.ok(statuses(outcome).includes(200))
  t.notOk(alice.received.some(({ status }) => status === 487))
})

onEveryEdge('one after the other: the next is tried once one refuses', async (t, edge) => {
  const [alice, bob, carol] = [await edge.phone('udp'), await edge.phone('udp'), await edge.phone('udp')]
  const { result } = await proxyTo(edge, [contactOf(bob), contactOf(carol)], { forking: 'sequential' })
  call(edge, alice)
  bob.reply(await bob.expect('INVITE'), 486)
  await bob.expect('ACK')
  answer(carol, await carol.expect('INVITE'))
  await alice.expect(200)
  t.strictSame(statuses(await result), [486, 200])
  t.notOk(alice.received.some(({ status }) => status === 486))
})

onEveryEdge('all refuse: the best of the answers', async (t, edge) => {
  const [alice, bob, carol] = [await edge.phone('udp'), await edge.phone('udp'), await edge.phone('udp')]
  const { result } = await proxyTo(edge, [contactOf(bob), contactOf(carol)], { forking: 'simultaneous' })
  const text = call(edge, alice)
  const [atBob, atCarol] = await Promise.all([bob.expect('INVITE'), carol.expect('INVITE')])
  bob.reply(atBob, 503)
  await bob.expect('ACK')
  carol.reply(atCarol, 486)
  await carol.expect('ACK')
  const refused = await alice.expect(finalOf('INVITE'))
  t.equal(refused.status, 486, 'a 4xx before a 5xx (RFC 3261 §16.7 step 6)')
  alice.send(ackForFailure(text, refused))
  t.match(await result, { connected: false })
})

onEveryEdge('a 6xx of one while another rings (RFC 3261 §16.7 step 5)', async (_t, edge) => {
  const [alice, bob, carol] = [await edge.phone('udp'), await edge.phone('udp'), await edge.phone('udp')]
  await proxyTo(edge, [contactOf(bob), contactOf(carol)], { forking: 'simultaneous' })
  const text = call(edge, alice)
  const [atBob, atCarol] = await Promise.all([bob.expect('INVITE'), carol.expect('INVITE')])
  bob.reply(atBob, 180)
  await alice.expect(180)
  carol.reply(atCarol, 603)
  await carol.expect('ACK')
  if (edge.differs('a 6xx while another target rings', { embedded: true, drachtioServer: false })) {
    await accept(bob, 'CANCEL')
    bob.reply(atBob, 487)
    alice.send(ackForFailure(text, await alice.expect(603)))
  } else {
    answer(bob, atBob)
    await alice.expect(200)
  }
})

onEveryEdge('a challenge of one target while another rings (RFC 3261 §16.7 step 6)', async (t, edge) => {
  const [alice, bob, carol] = [await edge.phone('udp'), await edge.phone('udp'), await edge.phone('udp')]
  await proxyTo(edge, [contactOf(bob), contactOf(carol)], { forking: 'simultaneous' })
  const text = call(edge, alice)
  const [atBob, atCarol] = await Promise.all([bob.expect('INVITE'), carol.expect('INVITE')])
  bob.reply(atBob, 180)
  await alice.expect(180)
  carol.reply(atCarol, 401, { headers: { 'WWW-Authenticate': 'Digest realm="r", nonce="n"' } })
  await carol.expect('ACK')
  if (edge.differs('a challenge while another target rings', { embedded: false, drachtioServer: true }))
    alice.send(ackForFailure(text, await alice.expect(401)))
  answer(bob, atBob)
  await alice.expect(200)
  t.equal(
    alice.received.some(({ status }) => status === 401),
    edge.name === 'drachtio-server',
  )
})

onEveryEdge(
  'a proxied call from UDP to TCP: each side is told an address that it can reach',
  async (t, edge) => {
    const [alice, bob] = [await edge.phone('udp'), await edge.phone('tcp')]
    await proxyTo(edge, contactOf(bob), { recordRoute: true })
    call(edge, alice)
    answer(bob, await bob.expect('INVITE'))
    const answered = await alice.expect(200)
    const routes = answered.all('record-route').flatMap((line) => line.split(/,\s*/))
    t.equal(routes.length, edge.differs('Record-Route across transports', { embedded: 2, drachtioServer: 1 }))
    t.ok(routes.some((route) => /transport=tcp/.test(route)))
  },
)

onEveryEdge('a header with an empty value', async (t, edge) => {
  const [alice, bob] = [await edge.phone('udp'), await edge.phone('udp')]
  await proxyTo(edge, contactOf(bob), { headers: { 'X-Private': '' } })
  call(edge, alice, { headers: { 'X-Private': 'secret' } })
  const received = await bob.expect('INVITE')
  t.strictSame(
    received.all('x-private').includes('secret'),
    edge.differs('a header of a proxied request with an empty value', {
      embedded: false,
      drachtioServer: true,
    }),
  )
  answer(bob, received)
  await alice.expect(200)
})

onEveryEdge('a redirection is followed, or passed back', async (t, edge) => {
  for (const followRedirects of [true, false]) {
    const [alice, bob, carol] = [await edge.phone('udp'), await edge.phone('udp'), await edge.phone('udp')]
    const { app, result } = await proxyTo(edge, contactOf(bob), { followRedirects })
    const text = call(edge, alice)
    bob.reply(await bob.expect('INVITE'), 302, { contact: contactOf(carol) })
    await bob.expect('ACK')
    if (followRedirects) {
      answer(carol, await carol.expect('INVITE'))
      await alice.expect(200)
    } else {
      const redirected = await alice.expect(302)
      t.match(redirected.header('contact'), contactOf(carol))
      alice.send(ackForFailure(text, redirected))
    }
    t.match(await result, { connected: followRedirects })
    const closed = new Promise<void>((resolve) => app.once('close', resolve))
    app.disconnect()
    await closed
  }
})

onEveryEdge('provisionalTimeout: a target that says nothing is given up for the next', async (t, edge) => {
  const [alice, silent, bob] = [await edge.phone('udp'), await edge.phone('udp'), await edge.phone('udp')]
  const { result } = await proxyTo(edge, [contactOf(silent), contactOf(bob)], { provisionalTimeout: '150ms' })
  call(edge, alice)
  answer(bob, await bob.expect('INVITE'))
  await alice.expect(200)
  t.ok(silent.received.some(({ method }) => method === 'INVITE'))
  t.match(await result, { connected: true })
})

onEveryEdge(
  'finalTimeout: a target that only rings is given up, the next tried, or the caller told',
  async (t, edge) => {
    const [alice, bob, carol] = [await edge.phone('udp'), await edge.phone('udp'), await edge.phone('udp')]
    const { result } = await proxyTo(edge, [contactOf(bob), contactOf(carol)], { finalTimeout: '150ms' })
    const text = call(edge, alice)
    const received = await bob.expect('INVITE')
    bob.reply(received, 180)
    await alice.expect(180)
    if (edge.differs('finalTimeout', { embedded: true, drachtioServer: false })) {
      await accept(bob, 'CANCEL')
      bob.reply(received, 487)
      const next = await carol.expect('INVITE')
      carol.reply(next, 180)
      await accept(carol, 'CANCEL')
      carol.reply(next, 487)
      alice.send(ackForFailure(text, await alice.expect(480)))
      t.match(await result, { connected: false, finalStatus: 480 })
    } else {
      await new Promise((resolve) => setTimeout(resolve, 500))
      t.notOk(bob.received.some(({ method }) => method === 'CANCEL'))
      answer(bob, received)
      await alice.expect(200)
    }
  },
)

onEveryEdge('the caller gives up: CANCEL to the callee, nothing to the application', async (t, edge) => {
  const [alice, bob] = [await edge.phone('udp'), await edge.phone('udp')]
  const { result } = await proxyTo(edge, contactOf(bob))
  const text = call(edge, alice)
  const received = await bob.expect('INVITE')
  bob.reply(received, 180)
  await alice.expect(180)
  alice.send(cancelFor(text))
  await alice.expect(finalOf('CANCEL'))
  await accept(bob, 'CANCEL')
  bob.reply(received, 487)
  await bob.expect('ACK')
  alice.send(ackForFailure(text, await alice.expect(487)))
  t.match(await result, { connected: false, finalStatus: 487 })
})

onEveryEdge('a MESSAGE is proxied like a call', async (t, edge) => {
  const [alice, bob] = [await edge.phone('udp'), await edge.phone('tcp')]
  const { result } = await proxyTo(edge, contactOf(bob))
  const uri = `sip:222@127.0.0.1:${edge.port('udp')}`
  alice.send(alice.request({ method: 'MESSAGE', uri, body: 'Grüße', contentType: 'text/plain' }))
  const received = await accept(bob, 'MESSAGE')
  t.equal(received.body, 'Grüße')
  t.equal((await alice.expect(finalOf('MESSAGE'))).status, 200)
  t.match(await result, { finalStatus: 200 })
})

onEveryEdge('what can not be proxied: a request that is answered, or has no hop left', async (t, edge) => {
  const alice = await edge.phone('udp')
  const refusals: unknown[] = []
  await edge.application((app) => {
    app.options((req, res) => {
      res.send(200)
      app.proxyRequest(req, '127.0.0.1:9').catch((error: unknown) => refusals.push(error))
    })
    app.message((req) => {
      app.proxyRequest(req, '127.0.0.1:9').catch((error: unknown) => refusals.push(error))
    })
  })
  const uri = `sip:222@127.0.0.1:${edge.port('udp')}`
  alice.send(alice.request({ method: 'OPTIONS', uri }))
  await alice.expect(200)
  await until('the first refusal', () => refusals.length === 1)
  alice.send(alice.request({ method: 'MESSAGE', uri, maxForwards: 0 }))
  await alice.expect(483)
  await until('the second refusal', () => refusals.length === 2)
  t.match(refusals, [/unknown transaction/i, /Max-Forwards|Too Many Hops/i])
})

onEveryEdge(
  'a target that refuses the connection',
  async (t, edge) => {
    const alice = await edge.phone('udp')
    const { result } = await proxyTo(edge, `sip:bob@127.0.0.1:${await freePort()};transport=tcp`)
    const started = Date.now()
    call(edge, alice)
    const refused = await alice.expect(finalOf('INVITE'), 2 * edge.fixed64T1)
    const soon = Date.now() - started < edge.fixed64T1 / 2
    t.equal(soon, edge.differs('a dead target of the proxy', { embedded: true, drachtioServer: false }))
    t.match(await result, { connected: false })
    t.ok((refused.status ?? 0) >= 400)
  },
  { waits: true },
)

t.end()
