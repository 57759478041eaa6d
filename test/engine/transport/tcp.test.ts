import net from 'node:net'
import { once } from 'node:events'
import fc from 'fast-check'
import t from 'tap'
import { createPhone } from '../../support/phone.js'
import { param } from '../../support/sip-text.js'
import { NotConnected } from '../../../src/engine/transport/transport.js'
import { on, options, startLayer } from './harness.js'

for (const host of ['127.0.0.1', '::1']) {
  t.test(`a request over TCP on ${host} is received and answered over its connection`, async (t) => {
    const harness = await startLayer(t, { specs: on(host, 'tcp') })
    const phone = await harness.phone('tcp')
    phone.send(options(phone))
    const answer = await phone.expect(200)
    t.equal(param(answer.header('via'), 'rport'), String(phone.localPort))
    const { flow } = harness.messages[0]!
    t.match(flow, { transport: 'tcp', remoteAddress: host, remotePort: phone.localPort, open: true })
    t.equal(harness.layer.findFlow('tcp', host, phone.localPort), flow)
    t.equal(harness.layer.openFlow('tcp', host, phone.localPort), flow)
    t.equal(harness.layer.findFlow('tcp', host, phone.localPort + 1), undefined)
    t.strictSame(harness.layer.localAddress(flow), { host, port: harness.listener('tcp').port })
  })
}

t.test('messages arrive whole however the stream is cut, several in a segment or one in many', async (t) => {
  const harness = await startLayer(t)
  const phone = await harness.phone('tcp')
  const bodies = ['', 'first body', 'x'.repeat(5_000), '\r\n\r\n']
  const stream = Buffer.from(bodies.map((body) => options(phone, { body })).join('\r\n'))
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: stream.length - 1 }), { maxLength: 12 }),
      async (cuts) => {
        harness.messages.length = 0
        const marks = [0, ...cuts.sort((a, b) => a - b), stream.length]
        for (const [index, from] of marks.entries()) {
          phone.send(stream.subarray(from, marks[index + 1]))
          await new Promise((resolve) => setImmediate(resolve))
        }
        for (const _ of bodies) await phone.expect(200)
        t.strictSame(
          harness.messages.map(({ message }) => message.body.toString()),
          bodies,
        )
      },
    ),
    { numRuns: 20 },
  )
})

t.test('a ping between messages is answered with a pong, a single CRLF with nothing', async (t) => {
  const harness = await startLayer(t)
  const phone = await harness.phone('tcp')
  phone.send(`\r\n\r\n${options(phone)}\r\n${options(phone)}`)
  await phone.expect(200)
  await phone.expect(200)
  t.equal(phone.pongs, 1)
})

t.test(
  'a message that stays incomplete closes the connection, one that is completed in time does not',
  async (t) => {
    const harness = await startLayer(t, { limits: { partialMessageTimeoutMs: 250 } })
    const patient = await harness.phone('tcp')
    const stuck = await harness.phone('tcp')
    const text = options(patient)
    patient.send(text.slice(0, 50))
    stuck.send(text.slice(0, 50))
    await harness.until(() => harness.layer.stats.connections === 2)
    patient.send(text.slice(50))
    await patient.expect(200)
    await stuck.untilClosed()
    patient.send(options(patient))
    await patient.expect(200)
  },
)

t.test('a trickle of bytes does not put off the end of an incomplete message', async (t) => {
  const harness = await startLayer(t, { limits: { partialMessageTimeoutMs: 100 } })
  const phone = await harness.phone('tcp')
  phone.send('OPTIONS sip:localhost SIP/2.0\r\nSubject: ')
  const trickle = setInterval(() => phone.send('x'), 10)
  t.teardown(() => clearInterval(trickle))
  await phone.untilClosed(1_000)
})

t.test('keep-alives and bad messages do not keep a connection, a valid message does', async (t) => {
  const harness = await startLayer(t, { limits: { firstMessageTimeoutMs: 300 } })
  const phones = [await harness.phone('tcp'), await harness.phone('tcp'), await harness.phone('tcp')] as const
  const [registered, pinging, bad] = phones
  registered.send(options(registered))
  bad.send(options(bad, { headers: { From: null } }))
  await Promise.all([registered.expect(200), bad.expect(400)])
  const pings = setInterval(() => pinging.send('\r\n\r\n'), 20)
  t.teardown(() => clearInterval(pings))
  await Promise.all([pinging.untilClosed(1_000), bad.untilClosed(1_000)])
  t.ok(pinging.pongs > 0)
  registered.send(options(registered))
  await registered.expect(200)
})

t.test('a connection of our own making may wait for its first message', async (t) => {
  const harness = await startLayer(t, { limits: { firstMessageTimeoutMs: 50 } })
  const target = await harness.phone('tcp', { listen: true, connect: false })
  const flow = harness.layer.openFlow('tcp', '127.0.0.1', target.localPort)!
  await harness.until(() => harness.connections.length === 1)
  const accepted = await harness.phone('tcp')
  await accepted.untilClosed()
  t.ok(flow.open)
})

t.test('a silent connection is closed', async (t) => {
  const harness = await startLayer(t, { limits: { idleTimeoutMs: 50 } })
  const phone = await harness.phone('tcp')
  await phone.untilClosed()
  await harness.until(() => harness.connections.length === 2)
  t.strictSame(
    harness.connections.map(({ state }) => state),
    ['open', 'closed'],
  )
  t.equal(harness.connections[1]!.flow.open, false)
})

t.test(
  'a stranger may be silent for a shorter time than who is known here, and whom we have called',
  async (t) => {
    const harness = await startLayer(t, { limits: { strangerIdleTimeoutMs: 50 } })
    const [known, stranger] = [await harness.phone('tcp'), await harness.phone('tcp')]
    for (const phone of [known, stranger]) phone.send(options(phone))
    for (const phone of [known, stranger]) await phone.expect(200)
    const { flow } = harness.messages.find(({ flow: { remotePort } }) => remotePort === known.localPort)!
    harness.layer.vouch(flow)
    const server = await harness.phone('tcp', { listen: true, connect: false })
    const outgoing = harness.layer.openFlow('tcp', '127.0.0.1', server.localPort)!
    await harness.until(() => harness.connections.length === 3)
    await stranger.untilClosed()
    const another = await harness.phone('tcp')
    await another.untilClosed()
    t.ok(flow.open)
    t.ok(outgoing.open)
    harness.layer.vouch(flow)
  },
)

t.test(
  'connections above the limits are closed at once, the others live, and places are given back',
  async (t) => {
    const harness = await startLayer(t, { limits: { maxConnections: 4, maxConnectionsPerSource: 3 } })
    const localHosts = ['127.0.0.1', '127.0.0.1', '127.0.0.1', '127.0.0.2']
    const phones = []
    for (const localHost of localHosts) phones.push(await harness.phone('tcp', { localHost }))
    for (const phone of phones) phone.send(options(phone))
    for (const phone of phones) await phone.expect(200)
    for (const { flow } of harness.messages) harness.layer.vouch(flow)

    for (const localHost of ['127.0.0.1', '127.0.0.3']) {
      const refused = await harness.phone('tcp', { localHost })
      await refused.untilClosed()
    }
    t.equal(harness.layer.stats.connections, 4)
    await phones[0]!.close()
    await harness.until(() => harness.layer.stats.connections === 3)
    const another = await harness.phone('tcp')
    another.send(options(another))
    await another.expect(200)
  },
)

t.test('a flood of connections is bounded and leaves the first ones working', async (t) => {
  const harness = await startLayer(t, { limits: { maxConnectionsPerSource: 5 } })
  const first = await harness.phone('tcp')
  const { host, port } = harness.listener('tcp')
  const flood = Array.from({ length: 200 }, () => net.connect({ host, port }))
  t.teardown(() => flood.forEach((socket) => socket.destroy()))
  let refused = 0
  await Promise.all(
    flood.map(async (socket) => {
      socket.on('error', () => undefined)
      socket.on('close', () => refused++)
      await Promise.race([once(socket, 'connect'), once(socket, 'close')])
    }),
  )
  first.send(options(first))
  await first.expect(200)
  await harness.until(() => refused === 196)
  await harness.until(() => harness.layer.stats.connections === 5)
})

t.test('a peer that does not read is cut off when too much waits for it', async (t) => {
  const harness = await startLayer(t, { limits: { maxSendQueueBytes: 200_000 } })
  const phone = await harness.phone('tcp')
  phone.send(options(phone))
  await phone.expect(200)
  phone.pause()
  const { flow } = harness.messages[0]!
  const failures: Error[] = []
  const message = Buffer.alloc(50_000, 'x')
  for (let i = 0; i < 1_000 && flow.open; i++) {
    harness.layer.send(flow, message, (error) => failures.push(error))
    await new Promise((resolve) => setImmediate(resolve))
  }
  await harness.until(() => harness.connections.at(-1)?.state === 'closed')
  await new Promise<void>((resolve) => harness.layer.send(flow, message, () => resolve()))
  t.equal(flow.open, false)
  t.match(failures[0], { message: 'the peer reads too slowly' })
  t.match(harness.logged, ['connection closed: the peer reads too slowly'])
})

t.test('the answer to an oversized message arrives before the connection is closed', async (t) => {
  const harness = await startLayer(t, { limits: { maxMessageBytes: 2_000 } })
  const phone = await harness.phone('tcp')
  phone.send(options(phone, { body: 'x'.repeat(200_000) }))
  await phone.expect(513)
  await phone.untilClosed()
  t.strictSame(harness.rejected, ['513 Message Too Large'])
})

t.test('a bad message with a good length is answered 400 and the connection goes on', async (t) => {
  const harness = await startLayer(t)
  const phone = await harness.phone('tcp')
  phone.send(options(phone, { headers: { From: null } }) + options(phone))
  await phone.expect(400)
  await phone.expect(200)
})

t.test('noise ends its connection, and the next connection works', async (t) => {
  const harness = await startLayer(t, { limits: { maxMessageBytes: 4_000 } })
  for (const noise of [
    Buffer.alloc(5_000, 0x80),
    Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'),
    '\0\r\n\r\n',
  ]) {
    const phone = await harness.phone('tcp')
    phone.send(noise)
    await phone.untilClosed()
  }
  const phone = await harness.phone('tcp')
  phone.send(options(phone))
  await phone.expect(200)
  t.equal(harness.messages.length, 1)
})

t.test('a reset in the middle of a message is nothing special', async (t) => {
  const harness = await startLayer(t)
  const { host, port } = harness.listener('tcp')
  const socket = net.connect({ host, port })
  await once(socket, 'connect')
  socket.write('OPTIONS sip:localhost SIP/2.0\r\n')
  await harness.until(() => harness.connections.length === 1)
  socket.resetAndDestroy()
  await harness.until(() => harness.connections.length === 2)
  t.equal(harness.layer.stats.connections, 0)
  const failure = await new Promise((resolve) =>
    harness.layer.send(harness.connections[0]!.flow, Buffer.from('late'), resolve),
  )
  t.match(failure, Error)
})

t.test('bytes for a connection under way wait for it, and keep their order', async (t) => {
  const harness = await startLayer(t)
  const { layer } = harness
  const target = await createPhone({
    transport: 'tcp',
    server: { host: '127.0.0.1', port: 9 },
    listen: true,
    connect: false,
  })
  t.teardown(() => target.close())
  const flow = layer.openFlow('tcp', '127.0.0.1', target.localPort)!
  t.equal(layer.openFlow('tcp', '127.0.0.1', target.localPort), flow, 'the same connection')
  for (const cseq of [1, 2, 3]) {
    const text = target.request({ method: 'OPTIONS', uri: 'sip:target', cseq })
    layer.send(flow, Buffer.from(text), () => t.fail('it can be sent'))
  }
  for (const cseq of [1, 2, 3]) t.equal((await target.expect('OPTIONS')).header('cseq'), `${cseq} OPTIONS`)
  target.reply(target.received[0]!, 200)
  await harness.until(() => harness.messages.length === 1)
  t.equal(harness.messages[0]!.flow, flow)
  t.equal(harness.connections[0]!.flow, flow)
})

t.test('a refused connection fails every send that waited, each once', async (t) => {
  const { layer } = await startLayer(t)
  const closed = net.createServer().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const { port } = closed.address() as net.AddressInfo
  closed.close()
  await once(closed, 'close')
  const flow = layer.openFlow('tcp', '127.0.0.1', port)!
  const failures: Error[] = []
  const failed = [1, 2].map(
    () =>
      new Promise<void>((resolve) =>
        layer.send(flow, Buffer.from('x'), (error) => {
          failures.push(error)
          resolve()
        }),
      ),
  )
  t.strictSame(failures, [], 'not before send has returned')
  await Promise.all(failed)
  t.match(failures, [{ code: 'ECONNREFUSED' }, { code: 'ECONNREFUSED' }])
  t.ok(failures.every((failure) => failure instanceof NotConnected))
  t.equal(failures.length, 2)
  t.equal(flow.open, false)
  t.equal(layer.findFlow('tcp', '127.0.0.1', port), undefined)
  t.equal(layer.stats.connections, 0)
})

t.test('outgoing connections count in the total, and none is opened above it', async (t) => {
  const { layer } = await startLayer(t, { limits: { maxConnections: 1 } })
  const target = await createPhone({
    transport: 'tcp',
    server: { host: '127.0.0.1', port: 9 },
    listen: true,
    connect: false,
  })
  t.teardown(() => target.close())
  t.ok(layer.openFlow('tcp', '127.0.0.1', target.localPort))
  t.equal(layer.openFlow('tcp', '127.0.0.1', 9), undefined)
})
