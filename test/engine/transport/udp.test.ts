import dgram from 'node:dgram'
import { once } from 'node:events'
import t from 'tap'
import { param } from '../../support/sip-text.js'
import { on, options, startLayer } from './harness.js'

for (const host of ['127.0.0.1', '::1']) {
  t.test(`a request over UDP on ${host} is received and answered over its flow`, async (t) => {
    const harness = await startLayer(t, { specs: on(host, 'udp') })
    const phone = await harness.phone('udp')
    phone.send(options(phone))
    const answer = await phone.expect(200)
    t.equal(param(answer.header('via'), 'rport'), String(phone.localPort))
    t.equal(param(answer.header('via'), 'received'), host)
    const { flow } = harness.messages[0]!
    t.match(flow, { transport: 'udp', remoteAddress: host, remotePort: phone.localPort, open: true })
    t.equal(flow.listener, harness.listener('udp'))
    t.strictSame(harness.layer.localAddress(flow), { host, port: harness.listener('udp').port })
  })
}

t.test('received and rport are written by what is known of the source, not by what it claims', async (t) => {
  const harness = await startLayer(t)
  const phone = await harness.phone('udp')
  const own = `127.0.0.1:${phone.localPort}`
  const via = async (value: string) => {
    phone.send(options(phone, { headers: { Via: `${value};branch=z9hG4bK1` } }))
    return (await phone.expect(200)).header('via')
  }
  const port = phone.localPort
  t.equal(await via(`SIP/2.0/UDP ${own}`), `SIP/2.0/UDP ${own};branch=z9hG4bK1`)
  t.equal(
    await via('SIP/2.0/UDP phone.example'),
    'SIP/2.0/UDP phone.example;branch=z9hG4bK1;received=127.0.0.1',
  )
  t.equal(
    await via(`SIP/2.0/UDP ${own};rport`),
    `SIP/2.0/UDP ${own};rport=${port};branch=z9hG4bK1;received=127.0.0.1`,
  )
  t.equal(
    await via(`SIP/2.0/UDP ${own};rport=53;received=192.0.2.1`),
    `SIP/2.0/UDP ${own};rport=${port};received=127.0.0.1;branch=z9hG4bK1`,
  )
})

t.test('a ping is answered, other keep-alives are not, noise is dropped and counted', async (t) => {
  const harness = await startLayer(t)
  const phone = await harness.phone('udp')
  for (const keepAlive of ['', '\r\n', '\0', '\0\0\0\0', '\0\0\0\0\0\0', '\r\n\r\n\r\n', 'abc'])
    phone.send(keepAlive)
  phone.send('\r\n\r\n')
  await phone.until(({ pongs }) => pongs === 1)
  t.equal(harness.layer.stats.dropped, 0)
  phone.send(Buffer.from([0x80, 0xff, 1, 2, 3, 4, 5, 6]))
  phone.send(options(phone))
  await phone.expect(200)
  t.equal(harness.layer.stats.dropped, 1)
  t.equal(harness.layer.stats.received, 1)
  t.equal(phone.received.length, 1)
  t.equal(phone.pongs, 1)
})

t.test('a bad request is answered by its Via, a bad ACK and a bad response never', async (t) => {
  const harness = await startLayer(t)
  const phone = await harness.phone('udp')
  phone.send(phone.request({ method: 'ACK', uri: 'sip:localhost', headers: { 'Call-ID': null } }))
  phone.send('SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\n\r\n')
  phone.send(options(phone, { headers: { 'Call-ID': null } }))
  const answer = await phone.expect(400)
  t.equal(param(answer.header('via'), 'rport'), String(phone.localPort))
  t.equal(phone.received.length, 1)
  t.equal(harness.rejected.length, 1)
  t.equal(harness.dropped.length, 2)
  t.match(harness.layer.stats, { rejected: 1, dropped: 2 })
})

t.test('a message above the limit is answered 513', async (t) => {
  const harness = await startLayer(t, { limits: { maxMessageBytes: 2_000 } })
  const phone = await harness.phone('udp')
  phone.send(options(phone, { body: 'x'.repeat(3_000) }))
  await phone.expect(513)
  t.strictSame(harness.messages, [])
})

t.test('a STUN Binding request is answered with the mapped address (RFC 5626 §4.4.2)', async (t) => {
  const harness = await startLayer(t, { specs: on('::1', 'udp') })
  const socket = dgram.createSocket('udp6').bind(0, '::1')
  await once(socket, 'listening')
  t.teardown(() => socket.close())
  const transaction = Buffer.from('112233445566778899aabbcc', 'hex')
  const request = Buffer.concat([Buffer.from('000100002112a442', 'hex'), transaction])
  socket.send(request, harness.listener('udp').port, '::1')
  const [answer] = (await once(socket, 'message')) as [Buffer]
  t.equal(answer.subarray(0, 4).toString('hex'), '01010018')
  t.ok(answer.subarray(4, 20).equals(request.subarray(4)))
  t.equal(answer.subarray(20, 26).toString('hex'), '002000140002')
  t.equal(answer.readUInt16BE(26) ^ 0x2112, socket.address().port)
  const mask = request.subarray(4)
  const address = answer.subarray(28).map((byte, index) => byte ^ mask[index]!)
  t.equal(Buffer.from(address).toString('hex'), '0'.repeat(31) + '1')
})

t.test('a datagram that cannot be sent is reported, later and once', async (t) => {
  const harness = await startLayer(t, { specs: on('127.0.0.1', 'udp') })
  const { layer } = harness
  const fail = (address: string, port: number, data: Buffer) =>
    new Promise<Error>((resolve) => layer.send(layer.findFlow('udp', address, port)!, data, resolve))
  t.match(await fail('127.0.0.1', 5060, Buffer.alloc(70_000)), { code: 'EMSGSIZE' })
  t.match(await fail('127.0.0.1', 0, Buffer.from('x')), Error)
  t.equal(layer.findFlow('udp', '::1', 5060), undefined, 'no listener of that family')
  t.equal(layer.findFlow('udp', 'host.example', 5060), undefined, 'names are not looked up')
})

t.test('a handler that throws is logged, and the next message is delivered', async (t) => {
  let first = true
  const harness = await startLayer(t, {
    onMessage(_message, flow) {
      if (first) {
        first = false
        throw new Error('broken handler')
      }
      harness.layer.send(flow, Buffer.from('SIP/2.0 200 OK\r\n\r\n'))
    },
  })
  const phone = await harness.phone('udp')
  phone.send(options(phone))
  phone.send(options(phone))
  await phone.expect(200)
  t.match(harness.logged, ['a handler of the transport layer threw'])
})

t.test('listeners on both wildcards share a port, and each serves its family', async (t) => {
  const first = await startLayer(t, { specs: on('0.0.0.0', 'udp', 'tcp') })
  const specs = first.layer.listeners.map(({ transport, port }) => ({ transport, host: '::', port }))
  const second = await startLayer(t, { specs })
  for (const [harness, host] of [
    [first, '127.0.0.1'],
    [second, '::1'],
  ] as const) {
    for (const transport of ['udp', 'tcp'] as const) {
      const { port } = harness.listener(transport)
      const phone = await harness.phone(transport, { server: { host, port } })
      phone.send(options(phone))
      await phone.expect(200)
      const { flow } = harness.messages.at(-1)!
      t.equal(flow.remoteAddress, host)
      t.strictSame(harness.layer.localAddress(flow), { host, port })
    }
  }
})
