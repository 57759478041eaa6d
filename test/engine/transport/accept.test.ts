/** Connections that are never finished or never used: they must not keep out, nor use up what others need. */
import { once } from 'node:events'
import net from 'node:net'
import t from 'tap'
import { WebSocket } from 'ws'
import { networkOf } from '../../../src/engine/transport/address.js'
import { makeSelfSigned } from '../../../src/engine/transport/self-signed.js'
import { on, options, startLayer, type Harness } from './harness.js'

/** Connects without a word. */
const silent = async (
  harness: Harness,
  transport: 'tcp' | 'tls' | 'ws',
  localAddress: string,
): Promise<net.Socket> => {
  const { host, port } = harness.listener(transport)
  const socket = net.connect({ host, port, localAddress })
  socket.on('error', () => undefined).resume()
  await once(socket, 'connect')
  return socket
}

t.test('silent connections from everywhere make room, those that have spoken stay', async (t) => {
  const harness = await startLayer(t, { limits: { maxConnections: 4 } })
  const known = await harness.phone('tcp')
  known.send(options(known))
  await known.expect(200)
  const flood: net.Socket[] = []
  t.teardown(() => flood.forEach((socket) => socket.destroy()))
  for (let n = 1; n <= 20; n++) flood.push(await silent(harness, 'tcp', `127.0.0.${10 + n}`))
  const newcomer = await harness.phone('tcp', { localHost: '127.0.0.2' })
  newcomer.send(options(newcomer))
  await newcomer.expect(200)
  known.send(options(known))
  await known.expect(200)
  await harness.until(() => harness.layer.stats.connections === 4)
})

t.test('TLS handshakes that are never finished keep nobody else out', async (t) => {
  const material = await makeSelfSigned(['127.0.0.1'])
  const harness = await startLayer(t, {
    specs: on('127.0.0.1', 'tls'),
    tls: material,
    limits: { maxConnections: 30, maxConnectionsPerSource: 20 },
  })
  const flood: net.Socket[] = []
  t.teardown(() => flood.forEach((socket) => socket.destroy()))
  for (let n = 0; n < 100; n++) {
    const socket = await silent(harness, 'tls', `127.0.0.${2 + (n % 3)}`)
    // The beginning of a ClientHello.
    socket.write(Buffer.from([22, 3, 1, 2, 0, 1, 0]))
    flood.push(socket)
  }
  const phone = await harness.phone('tls', { ca: material.cert })
  phone.send(options(phone))
  await phone.expect(200)
})

t.test('who comes and goes without a word has used its places for a while', async (t) => {
  const harness = await startLayer(t, { limits: { maxConnectionsPerSource: 3 } })
  for (let n = 0; n < 3; n++) {
    const socket = await silent(harness, 'tcp', '127.0.0.1')
    socket.destroy()
    await harness.until(() => harness.layer.stats.connections === 0)
  }
  const fourth = await silent(harness, 'tcp', '127.0.0.1')
  await new Promise((resolve) => fourth.once('close', resolve))
  const other = await harness.phone('tcp', { localHost: '127.0.0.2' })
  other.send(options(other))
  await other.expect(200)
})

t.test('unfinished messages share a budget: the longest unfinished is given up for it', async (t) => {
  const harness = await startLayer(t, {
    specs: on('127.0.0.1', 'tcp', 'ws'),
    limits: { maxUnfinishedBytes: 200_000 },
  })
  const alice = await harness.phone('ws')
  const begun = options(alice, { body: 'x'.repeat(50_000) })
  const sockets = []
  for (let n = 0; n < 8; n++) {
    const phone = await harness.phone('tcp')
    phone.send(begun.slice(0, 40_000))
    sockets.push(phone)
  }
  await sockets[0]!.untilClosed()
  const last = sockets.at(-1)!
  last.send(begun.slice(40_000))
  await last.expect(200)
  alice.send(options(alice))
  await alice.expect(200)
})

t.test('a WebSocket message in pieces counts as unfinished, whatever comes between them', async (t) => {
  const harness = await startLayer(t, {
    specs: on('127.0.0.1', 'ws'),
    limits: { maxUnfinishedBytes: 20_000, partialMessageTimeoutMs: 200 },
  })
  const { host, port } = harness.listener('ws')
  const begin = async () => {
    const ws = new WebSocket(`ws://${host}:${port}`, 'sip')
    t.teardown(() => ws.terminate())
    await once(ws, 'open')
    return ws
  }
  const phone = await harness.phone('ws')
  const message = options(phone)
  const patient = await begin()
  patient.send(message.slice(0, 100), { fin: false })
  patient.ping('between')
  await once(patient, 'pong')
  patient.send(message.slice(100))
  await once(patient, 'message')
  const large = await begin()
  for (let piece = 0; piece < 3; piece++) {
    large.send('O'.repeat(10_000), { fin: false })
    large.ping('x'.repeat(125))
  }
  const slow = await begin()
  slow.send('O', { fin: false })
  const pings = setInterval(() => slow.ping(), 10)
  t.teardown(() => clearInterval(pings))
  await Promise.all(
    [large, slow].map(
      async (ws) => ws.readyState === ws.CLOSED || new Promise((resolve) => ws.once('close', resolve)),
    ),
  )
  phone.send(options(phone))
  await phone.expect(200)
})

t.test(
  'a WebSocket message that trickles in is given up, one that takes its time in time is taken',
  async (t) => {
    const harness = await startLayer(t, {
      specs: on('127.0.0.1', 'ws'),
      limits: { partialMessageTimeoutMs: 200 },
    })
    const phone = await harness.phone('ws')
    phone.send(options(phone))
    await phone.expect(200)
    const { host, port } = harness.listener('ws')
    const socket = net.connect({ host, port })
    socket.on('error', () => undefined).resume()
    socket.write(
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
        'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: sip\r\n\r\n',
    )
    await harness.until(() => harness.connections.length === 2)
    // A masked text frame of 16 kB, of which a byte comes now and then.
    socket.write(Buffer.from([0x81, 0xfe, 0x40, 0x00, 0, 0, 0, 0]))
    const trickle = setInterval(() => socket.write('O'), 10)
    t.teardown(() => clearInterval(trickle))
    // By a reset if a byte was on its way; `once` would reject at that.
    await new Promise((resolve) => socket.once('close', resolve))
    phone.send(options(phone))
    await phone.expect(200)
  },
)

t.test('an IPv6 host is its network of 64 bits', async (t) => {
  for (const [address, network] of [
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['2001:db8:1:2::', '2001:db8:1:2'],
    ['::1', '0:0:0:0'],
    ['fe80::1:2', 'fe80:0:0:0'],
  ] as const) {
    t.equal(networkOf(address), network)
  }
})

t.test('a listener without descriptors says so once a minute, of another error each time', async (t) => {
  const made = t.capture(net, 'createServer', net.createServer)
  const harness = await startLayer(t, { specs: on('127.0.0.1', 'tcp') })
  const server = (made()[0] as { returned?: unknown }).returned as net.Server
  const fail = (code: string) => server.emit('error', Object.assign(new Error(code), { code }))
  for (let n = 0; n < 5; n++) fail(n % 2 ? 'EMFILE' : 'ENFILE')
  t.strictSame(harness.logged, ['error of a listener'])
  fail('ENOMEM')
  fail('ENOMEM')
  t.equal(harness.logged.length, 3)
})
