import dgram from 'node:dgram'
import net from 'node:net'
import { once } from 'node:events'
import t from 'tap'
import { canonicalHost } from '../../../src/engine/transport/address.js'
import { createTransportLayer } from '../../../src/engine/transport/layer.js'
import { LocalAddresses } from '../../../src/engine/transport/local-address.js'
import { makeSelfSigned } from '../../../src/engine/transport/self-signed.js'
import type { TransportName } from '../../../src/engine/transport/transport.js'
import { limits, on, options, startLayer } from './harness.js'

const nobody = { onMessage: () => undefined, onRejected: () => undefined, onDropped: () => undefined }

t.test('a taken port is named, and what was bound before is given back', async (t) => {
  const tcp = net.createServer().listen(0, '127.0.0.1')
  const udp = dgram.createSocket('udp4').bind(0, '127.0.0.1')
  await Promise.all([once(tcp, 'listening'), once(udp, 'listening')])
  t.teardown(() => (tcp.close(), udp.close()))
  const free = dgram.createSocket('udp4').bind(0, '127.0.0.1')
  await once(free, 'listening')
  const { port: freePort } = free.address()
  await new Promise<void>((resolve) => free.close(() => resolve()))

  for (const [transport, port] of [
    ['tcp', (tcp.address() as net.AddressInfo).port],
    ['udp', udp.address().port],
    ['ws', (tcp.address() as net.AddressInfo).port],
  ] as const) {
    const layer = createTransportLayer({
      specs: [
        { transport: 'udp', host: '127.0.0.1', port: freePort },
        { transport, host: '127.0.0.1', port },
      ],
      limits,
    })
    await t.rejects(layer.start(nobody), {
      code: 'EADDRINUSE',
      transport,
      host: '127.0.0.1',
      port,
      message: `${transport}:127.0.0.1:${port} can't be opened: the port is taken by another program (EADDRINUSE)`,
    })
    t.strictSame(layer.listeners, [])
    const again = dgram.createSocket('udp4').bind(freePort, '127.0.0.1')
    await once(again, 'listening')
    await new Promise<void>((resolve) => again.close(() => resolve()))
  }
})

t.test('an address this machine lacks, and a host that is no address, are named', async (t) => {
  for (const transport of ['udp', 'tcp'] as const) {
    const start = (host: string) => createTransportLayer({ specs: on(host, transport), limits }).start(nobody)
    await t.rejects(start('192.0.2.77'), {
      code: 'EADDRNOTAVAIL',
      message: /192\.0\.2\.77:0 .* no such address/,
    })
    await t.rejects(start('sip.example'), { code: 'EHOST' })
  }
})

t.test('several listeners of all transports run side by side, each flow names its own', async (t) => {
  const all: TransportName[] = ['udp', 'udp', 'tcp', 'tcp', 'tls', 'ws', 'wss']
  const harness = await startLayer(t, {
    specs: on('127.0.0.1', ...all),
    tls: await makeSelfSigned(['localhost']),
  })
  t.strictSame(
    harness.layer.listeners.map(({ id, transport }) => `${id} ${transport}`),
    all.map((transport, id) => `${id} ${transport}`),
  )
  for (const { id, transport, port } of harness.layer.listeners) {
    const phone = await harness.phone(transport, { server: { host: '127.0.0.1', port } })
    phone.send(options(phone))
    await phone.expect(200)
    t.equal(harness.messages.at(-1)!.flow.listener.id, id)
  }
  const [, second] = harness.layer.listeners
  t.equal(harness.layer.openFlow('udp', '127.0.0.1', 9, { preferred: second! })!.listener, second)
  t.equal(harness.layer.findFlow('udp', '127.0.0.1', 9, second)!.listener, second)
  t.equal(harness.layer.openFlow('tcp', '::1', 9), undefined, 'no listener of that family')
  t.match(harness.layer.stats, { received: 7, sent: 7, connections: 5 })
})

t.test('stop flushes what was sent, closes everything, and the layer can start again', async (t) => {
  const specs = on('127.0.0.1', 'udp', 'tcp', 'tls', 'ws', 'wss')
  const harness = await startLayer(t, { specs, tls: await makeSelfSigned(['localhost']) })
  const streams = []
  for (const transport of ['tcp', 'tls', 'ws', 'wss'] as const) {
    const phone = await harness.phone(transport)
    phone.send(options(phone))
    await phone.expect(200)
    streams.push(phone)
  }
  const half = net.connect(harness.listener('tls'))
  half.on('error', () => undefined)
  await once(half, 'connect')
  for (const { flow } of harness.messages) {
    harness.layer.send(flow, Buffer.from('SIP/2.0 202 Last Words\r\nContent-Length: 0\r\n\r\n'))
  }
  await harness.layer.stop()
  for (const phone of streams) {
    await phone.expect(202)
    await phone.untilClosed()
  }
  t.equal(harness.layer.stats.connections, 0)
  t.strictSame(harness.layer.listeners, [])
  t.equal(harness.layer.findFlow('udp', '127.0.0.1', 5060), undefined)
  t.equal(harness.layer.openFlow('tcp', '127.0.0.1', 5060), undefined)
  await harness.layer.start(nobody)
  t.equal(harness.layer.listeners.length, 5)
})

t.test('our own addresses are known by bound, advertised and local names, and by port', async (t) => {
  const { layer } = await startLayer(t, {
    specs: [
      { transport: 'udp', host: '0.0.0.0', port: 0, advertise: { host: 'sip.example', port: 5060 } },
      { transport: 'tcp', host: '127.0.0.1', port: 0, advertise: { host: '203.0.113.5' } },
      { transport: 'udp', host: '::', port: 0 },
    ],
  })
  const [udp4, tcp, udp6] = layer.listeners.map(({ port }) => port) as [number, number, number]
  for (const host of ['127.0.0.1', '127.9.9.9', 'localhost', 'LOCALHOST'])
    t.ok(layer.isLocal(host, udp4), host)
  for (const host of ['::1', '[::1]', '0:0:0:0:0:0:0:1', 'localhost']) t.ok(layer.isLocal(host, udp6), host)
  t.ok(layer.isLocal('SIP.example', 5060))
  t.ok(layer.isLocal('sip.example', undefined, 'udp'), 'the default port')
  t.notOk(layer.isLocal('sip.example', undefined, 'tcp'))
  t.notOk(layer.isLocal('sip.example', udp4))
  t.ok(layer.isLocal('203.0.113.5', tcp, 'tcp'))
  t.ok(layer.isLocal('127.0.0.1', tcp, 'tcp'))
  t.notOk(layer.isLocal('127.0.0.1', tcp, 'udp'))
  t.notOk(layer.isLocal('127.0.0.2', tcp), 'another program may be there')
  t.notOk(layer.isLocal('198.51.100.1', udp4))
  t.notOk(layer.isLocal('::1', udp4))
  t.notOk(layer.isLocal('localhost', undefined), 'nobody listens on the default port')

  const flow = layer.findFlow('udp', '127.0.0.1', 9)!
  t.strictSame(layer.localAddress(flow), { host: 'sip.example', port: 5060 })
  const v6 = layer.findFlow('udp', '::1', 9)!
  t.strictSame(layer.localAddress(v6), { host: '::1', port: udp6 })
})

t.test('the local address that faces a peer is one of this machine, whoever the peer is', (t) => {
  const addresses = new LocalAddresses()
  t.equal(addresses.facing('127.0.0.5'), '127.0.0.1')
  t.equal(addresses.facing('::1'), '::1')
  for (const remote of ['198.51.100.1', '2001:db8::1', '255.255.255.255']) {
    const facing = addresses.facing(remote)
    t.ok(addresses.isOwn(facing), `${facing} faces ${remote}`)
    t.equal(addresses.facing(remote), facing)
  }
  t.end()
})

t.test('each address has one spelling', (t) => {
  for (const [given, wanted] of [
    ['127.0.0.1', '127.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['[::FFFF:0a00:1]', '10.0.0.1'],
    ['[2001:DB8:0:0::1]', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['Sip.Example', 'sip.example'],
  ] as const) {
    t.equal(canonicalHost(given), wanted)
  }
  t.end()
})
