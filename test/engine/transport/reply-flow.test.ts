import t from 'tap'
import type { SipRequest } from '../../../src/engine/message/sip-message.js'
import { replyFlow } from '../../../src/engine/transport/reply-flow.js'
import { makeSelfSigned } from '../../../src/engine/transport/self-signed.js'
import { on, options, startLayer, type Harness } from './harness.js'

/** The request that came last, its flow, and the flow of its response. */
function last(harness: Harness) {
  const { message, flow } = harness.messages.at(-1)!
  return { flow, reply: replyFlow(message as SipRequest, flow, harness.layer) }
}

const branch = ';branch=z9hG4bK1'

t.test('over UDP rport decides between the source port and that of the Via', async (t) => {
  const harness = await startLayer(t, { specs: on('127.0.0.1', 'udp', 'udp') })
  const [, second] = harness.layer.listeners
  const phone = await harness.phone('udp', { server: second! })
  for (const [via, port] of [
    [`127.0.0.1:${phone.localPort};rport`, phone.localPort],
    ['127.0.0.1:5070;rport', phone.localPort],
    ['127.0.0.1:5070', 5070],
    ['127.0.0.1', 5060],
    ['192.0.2.1:5070;received=192.0.2.2;maddr=192.0.2.3', 5070],
  ] as const) {
    phone.send(options(phone, { headers: { Via: `SIP/2.0/UDP ${via}${branch}` } }))
    await harness.until(() => harness.messages.length === 1)
    const { reply } = last(harness)
    t.match(reply, { transport: 'udp', remoteAddress: '127.0.0.1', remotePort: port }, via)
    t.equal(reply.listener, second, 'it leaves where the request came in')
    harness.messages.length = 0
  }
})

t.test('a bad request without rport is answered at the port of its Via', async (t) => {
  const harness = await startLayer(t)
  const [sender, other] = [await harness.phone('udp'), await harness.phone('udp')]
  const via = `SIP/2.0/UDP 127.0.0.1:${other.localPort}`
  sender.send(options(sender, { headers: { 'Call-ID': null, Via: `${via}${branch}` } }))
  await other.expect(400)
  sender.send(options(sender, { headers: { 'Call-ID': null, Via: `${via};rport${branch}` } }))
  await sender.expect(400)
  t.equal(other.received.length, 1)
  t.equal(sender.received.length, 1)
})

t.test('over streams the connection is used, whatever the Via says', async (t) => {
  const all = ['tcp', 'tls', 'ws', 'wss'] as const
  const harness = await startLayer(t, {
    specs: on('127.0.0.1', ...all),
    tls: await makeSelfSigned(['localhost']),
  })
  for (const transport of all) {
    const phone = await harness.phone(transport)
    phone.send(
      options(phone, { headers: { Via: `SIP/2.0/${transport.toUpperCase()} 127.0.0.1:9${branch}` } }),
    )
    await phone.expect(200)
    const { flow, reply } = last(harness)
    t.equal(reply, flow)
    await phone.close()
    await harness.until(() => !flow.open)
    if (transport !== 'tcp')
      t.equal(last(harness).reply, flow, `${transport}: a client accepts no connections`)
  }
  t.equal(harness.layer.stats.connections, 0)
})

t.test('once a TCP connection is closed, the response goes to the port of the Via', async (t) => {
  const harness = await startLayer(t, {
    onMessage: () => undefined,
    limits: { halfClosedTimeoutMs: 20 },
  })
  const waiting = await harness.phone('tcp', { listen: true, connect: false })
  const phone = await harness.phone('tcp')
  phone.send(
    options(phone, { headers: { Via: `SIP/2.0/TCP phone.example:${waiting.localPort};rport${branch}` } }),
  )
  await harness.until(() => harness.messages.length === 1)
  await phone.close()
  const { flow } = last(harness)
  await harness.until(() => !flow.open)
  if (flow.answersOnly) t.equal(last(harness).reply, flow, 'the phone may still read')
  await harness.until(() => !flow.answersOnly)
  const { reply } = last(harness)
  t.match(reply, { transport: 'tcp', remoteAddress: '127.0.0.1', remotePort: waiting.localPort })
  t.equal(last(harness).reply, reply, 'one connection serves all responses')
  harness.layer.send(reply, Buffer.from('SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n'))
  await waiting.expect(200)
})
