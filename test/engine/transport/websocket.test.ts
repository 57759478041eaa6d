import net from 'node:net'
import { once } from 'node:events'
import t from 'tap'
import { WebSocket } from 'ws'
import { makeSelfSigned } from '../../../src/engine/transport/self-signed.js'
import { param } from '../../support/sip-text.js'
import { on, options, startLayer } from './harness.js'

const material = await makeSelfSigned(['127.0.0.1', '::1'])

for (const [host, transport] of [
  ['127.0.0.1', 'ws'],
  ['::1', 'ws'],
  ['127.0.0.1', 'wss'],
  ['::1', 'wss'],
] as const) {
  t.test(
    `a request over ${transport.toUpperCase()} on ${host} is answered over its connection`,
    async (t) => {
      const harness = await startLayer(t, { specs: on(host, transport), tls: material })
      const phone = await harness.phone(transport, { ca: material.cert })
      phone.send(options(phone, { host: 'df7jal23ls0d.invalid' }))
      const answer = await phone.expect(200)
      t.equal(param(answer.header('via'), 'received'), host)
      const { flow } = harness.messages[0]!
      t.match(flow, { transport, remoteAddress: host, remotePort: phone.localPort, open: true })
      t.equal(flow.tls !== undefined, transport === 'wss')
      t.equal(harness.layer.findFlow(transport, host, phone.localPort), flow)
      await phone.close()
      await harness.until(() => harness.connections.length === 2)
      t.equal(flow.open, false)
      t.equal(harness.layer.stats.connections, 0)
    },
  )
}

t.test('only the subprotocol sip is served', async (t) => {
  const harness = await startLayer(t, { specs: on('127.0.0.1', 'ws') })
  await t.rejects(harness.phone('ws', { protocols: ['xmpp'] }), { message: /400/ })
  await t.rejects(harness.phone('ws', { protocols: [] }), { message: /400/ })
  const { host, port } = harness.listener('ws')
  const ws = new WebSocket(`ws://${host}:${port}`, ['xmpp', 'sip'])
  t.teardown(() => ws.terminate())
  await once(ws, 'open')
  t.equal(ws.protocol, 'sip')
})

t.test('text is answered with text, binary with binary, and what is no UTF-8 with binary too', async (t) => {
  const harness = await startLayer(t, { specs: on('127.0.0.1', 'ws') })
  const { port } = harness.listener('ws')
  const ws = new WebSocket(`ws://127.0.0.1:${port}`, 'sip')
  t.teardown(() => ws.terminate())
  await once(ws, 'open')
  const phone = await harness.phone('ws')
  const ask = async (binary: boolean, callId: string | Buffer) => {
    const [head, tail] = options(phone, { callId: 'CALLID' }).split('CALLID') as [string, string]
    ws.send(Buffer.concat([Buffer.from(head), Buffer.from(callId), Buffer.from(tail)]), { binary })
    const [, isBinary] = (await once(ws, 'message')) as [Buffer, boolean]
    return isBinary
  }
  t.equal(await ask(false, 'a'), false)
  t.equal(await ask(true, 'b'), true)
  t.equal(await ask(false, 'ö'), false)
  ws.send(options(phone))
  await once(ws, 'message')
  harness.layer.send(harness.messages.at(-1)!.flow, Buffer.from([0x53, 0xff]))
  const [data, isBinary] = (await once(ws, 'message')) as [Buffer, boolean]
  t.equal(isBinary, true)
  t.equal(data.toString('hex'), '53ff')
})

t.test('a ping is answered, a message without Content-Length is taken, noise is dropped', async (t) => {
  const harness = await startLayer(t, { specs: on('127.0.0.1', 'ws') })
  const phone = await harness.phone('ws')
  phone.send('\r\n\r\n')
  await phone.until(({ pongs }) => pongs === 1)
  phone.send(Buffer.from('no SIP at all'))
  phone.send(options(phone, { headers: { 'Content-Length': null } }))
  await phone.expect(200)
  t.equal(harness.layer.stats.dropped, 1)
})

t.test('a message somewhat too large is answered 513, a huge frame ends the connection', async (t) => {
  const harness = await startLayer(t, { specs: on('127.0.0.1', 'ws'), limits: { maxMessageBytes: 2_000 } })
  const phone = await harness.phone('ws')
  phone.send(options(phone, { body: 'x'.repeat(3_000) }))
  await phone.expect(513)
  const { port } = harness.listener('ws')
  const ws = new WebSocket(`ws://127.0.0.1:${port}`, 'sip')
  await once(ws, 'open')
  ws.send('x'.repeat(200_000))
  const [code] = (await once(ws, 'close')) as [number]
  t.equal(code, 1009)
})

t.test('plain HTTP and noise are refused, and who does not upgrade in time is closed', async (t) => {
  const harness = await startLayer(t, { specs: on('127.0.0.1', 'ws'), limits: { connectTimeoutMs: 100 } })
  const { host, port } = harness.listener('ws')
  const say = async (text: string) => {
    const socket = net.connect({ host, port })
    let answer = ''
    socket.on('data', (data) => (answer += String(data)))
    socket.on('error', () => undefined)
    socket.write(text)
    // Not `once`, which rejects where a reset closes it.
    await new Promise((resolve) => socket.once('close', resolve))
    return answer.split('\r\n')[0]
  }
  t.equal(await say('GET / HTTP/1.1\r\nHost: a\r\n\r\n'), 'HTTP/1.1 426 Upgrade Required')
  t.equal(await say('\0\x01\x02 noise\r\n\r\n'), 'HTTP/1.1 400 Bad Request')
  t.equal(await say('GET / HTTP/1.1\r\nHost: '), '')
  await harness.until(() => harness.layer.stats.connections === 0)
  t.strictSame(harness.connections, [])
})

t.test('a WebSocket without any valid message is closed, one that has brought a message lives', async (t) => {
  const harness = await startLayer(t, {
    specs: on('127.0.0.1', 'ws'),
    limits: { firstMessageTimeoutMs: 200 },
  })
  const registered = await harness.phone('ws')
  const pinging = await harness.phone('ws')
  registered.send(options(registered))
  await registered.expect(200)
  pinging.send('\r\n\r\n')
  await pinging.untilClosed(1_000)
  registered.send(options(registered))
  await registered.expect(200)
})

t.test('a silent connection is closed, and a broken frame ends only its own', async (t) => {
  const harness = await startLayer(t, { specs: on('127.0.0.1', 'ws'), limits: { idleTimeoutMs: 300 } })
  const silent = await harness.phone('ws')
  const { host, port } = harness.listener('ws')
  const socket = net.connect({ host, port })
  socket.write(
    'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n\r\n',
  )
  await once(socket, 'data')
  socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff]))
  socket.resume()
  await new Promise((resolve) => socket.once('close', resolve))
  t.equal(silent.closed, false)
  await silent.untilClosed()
})

t.test('an outgoing WebSocket connection carries requests and answers; a refused one fails', async (t) => {
  const server = await startLayer(t, { specs: on('127.0.0.1', 'ws', 'wss'), tls: material })
  const client = await startLayer(t, {
    specs: on('127.0.0.1', 'ws', 'wss'),
    tls: material,
    outgoingTls: { trusted: material.cert },
  })
  for (const transport of ['ws', 'wss'] as const) {
    const { host, port } = server.listener(transport)
    const flow = client.layer.openFlow(transport, host, port)!
    const phone = await server.phone(transport)
    client.layer.send(flow, Buffer.from(options(phone)), (error) => t.fail(error))
    await client.until(() => client.messages.at(-1)?.flow === flow)
    t.equal(client.messages.at(-1)!.message.kind, 'response')
    t.equal(client.layer.findFlow(transport, host, port), flow)
  }
  const closed = net.createServer().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const { port } = closed.address() as net.AddressInfo
  closed.close()
  await once(closed, 'close')
  const refused = client.layer.openFlow('ws', '127.0.0.1', port)!
  const failure = await new Promise((resolve) => client.layer.send(refused, Buffer.from('x'), resolve))
  t.match(failure, { code: 'ECONNREFUSED' })
  t.equal(refused.open, false)
})
