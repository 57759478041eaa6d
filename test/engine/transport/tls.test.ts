import net from 'node:net'
import { once } from 'node:events'
import tls from 'node:tls'
import t from 'tap'
import { makeSelfSigned } from '../../../src/engine/transport/self-signed.js'
import type { SendFailure } from '../../../src/engine/transport/transport.js'
import { on, options, startLayer } from './harness.js'
import type { Harness } from './harness.js'

const material = await makeSelfSigned(['sip.example', '127.0.0.1', '::1'])

for (const host of ['127.0.0.1', '::1']) {
  t.test(`a phone that trusts the certificate registers over TLS on ${host}`, async (t) => {
    const harness = await startLayer(t, { specs: on(host, 'tls'), tls: material })
    const phone = await harness.phone('tls', { ca: material.cert })
    phone.send(options(phone))
    await phone.expect(200)
    const { flow } = harness.messages[0]!
    t.match(flow, { transport: 'tls', remoteAddress: host, tls: { protocol: 'TLSv1.3', cipher: /^TLS_/ } })
    t.equal(harness.layer.findFlow('tls', host, phone.localPort), flow)
  })
}

t.test('TLS below 1.2 is refused, 1.2 is taken', async (t) => {
  const harness = await startLayer(t, { specs: on('127.0.0.1', 'tls'), tls: material })
  const { host, port } = harness.listener('tls')
  const old = tls.connect({
    host,
    port,
    rejectUnauthorized: false,
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT@SECLEVEL=0',
  })
  await t.rejects(once(old, 'secureConnect'))
  const accepted = tls.connect({ host, port, rejectUnauthorized: false, maxVersion: 'TLSv1.2' })
  t.teardown(() => accepted.destroy())
  await once(accepted, 'secureConnect')
  t.equal(accepted.getProtocol(), 'TLSv1.2')
})

t.test(
  'who does not shake hands in time is closed, noise instead of TLS too, and places are given back',
  async (t) => {
    const harness = await startLayer(t, {
      specs: on('127.0.0.1', 'tls'),
      tls: material,
      limits: { connectTimeoutMs: 100, maxConnectionsPerSource: 2, fruitlessMs: 0 },
    })
    const { host, port } = harness.listener('tls')
    const silent = net.connect({ host, port })
    const noisy = net.connect({ host, port })
    await Promise.all([once(silent, 'connect'), once(noisy, 'connect')])
    noisy.write('OPTIONS sip:localhost SIP/2.0\r\n\r\n')
    noisy.on('error', () => undefined).resume()
    silent.resume()
    // Not `once`, which rejects where a reset closes one.
    await Promise.all([silent, noisy].map((one) => new Promise((resolve) => one.once('close', resolve))))
    t.strictSame(harness.connections, [], 'neither was ever a connection')
    const phone = await harness.phone('tls')
    phone.send(options(phone))
    await phone.expect(200)
    await harness.until(() => harness.layer.stats.connections === 1)
  },
)

t.test('a renewed certificate is shown to new phones while the old connections live on', async (t) => {
  const harness = await startLayer(t, { specs: on('127.0.0.1', 'tls', 'wss'), tls: material })
  const renewed = await makeSelfSigned(['127.0.0.1'])
  const old = await harness.phone('tls', { ca: material.cert })
  harness.layer.updateTls(renewed)
  for (const transport of ['tls', 'wss'] as const) {
    await t.rejects(harness.phone(transport, { ca: material.cert }))
    const phone = await harness.phone(transport, { ca: renewed.cert })
    phone.send(options(phone))
    await phone.expect(200)
  }
  old.send(options(old))
  await old.expect(200)
  t.throws(() => harness.layer.updateTls({ cert: 'no', key: 'pem' }), { code: 'ETLS' })
  const still = await harness.phone('tls', { ca: renewed.cert })
  still.send(options(still))
  await still.expect(200)
})

t.test('an outgoing connection takes only a server whose certificate is good for the name', async (t) => {
  const server = await startLayer(t, { specs: on('127.0.0.1', 'tls'), tls: material })
  const { host, port } = server.listener('tls')
  const other = await makeSelfSigned(['other.example'])
  const trusting = await startLayer(t, {
    specs: on('127.0.0.1', 'tls'),
    tls: other,
    outgoingTls: { trusted: material.cert },
  })
  const distrusting = await startLayer(t, { specs: on('127.0.0.1', 'tls'), tls: other })
  const careless = await startLayer(t, {
    specs: on('127.0.0.1', 'tls'),
    tls: other,
    outgoingTls: { verify: false },
  })
  const request = (marker: string) =>
    Buffer.from(
      `OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/TLS a;branch=z9hG4bK${marker}\r\nFrom: <sip:a@b>;tag=1\r\n` +
        `To: <sip:x>\r\nCall-ID: ${marker}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n`,
    )
  const send = ({ layer }: Harness, marker: string, serverName: string | undefined, failed: SendFailure) =>
    layer.send(layer.openFlow('tls', host, port, serverName ? { serverName } : {})!, request(marker), failed)
  const answered = async (harness: Harness, marker: string, serverName?: string) => {
    send(harness, marker, serverName, (error) => t.fail(error))
    await harness.until(() => harness.messages.some(({ message }) => message.callId === marker))
  }
  const refused = (harness: Harness, marker: string, serverName: string) =>
    new Promise<Error>((resolve) => send(harness, marker, serverName, resolve))
  await answered(trusting, 'name', 'sip.example')
  await answered(trusting, 'address')
  t.match(await refused(trusting, 'wrong', 'other.example'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
  t.match(await refused(distrusting, 'untrusted', 'sip.example'), Error)
  await answered(careless, 'any', 'whatever.example')
  t.strictSame(
    server.messages.map(({ message }) => message.callId),
    ['name', 'address', 'any'],
    'nothing was told to a server that was not verified',
  )
})

t.test(
  'a connection is shared by those who want the same server, not by those who want another',
  async (t) => {
    const server = await startLayer(t, { specs: on('127.0.0.1', 'tls'), tls: material })
    const { host, port } = server.listener('tls')
    const { layer } = await startLayer(t, {
      specs: on('127.0.0.1', 'tls'),
      tls: material,
      outgoingTls: { trusted: material.cert },
    })
    const flow = layer.openFlow('tls', host, port, { serverName: 'sip.example' })
    t.equal(layer.openFlow('tls', host, port, { serverName: 'sip.example' }), flow)
    t.equal(layer.openFlow('tls', host, port), flow)
    t.equal(layer.findFlow('tls', host, port), flow)
    t.not(layer.openFlow('tls', host, port, { serverName: 'other.example' }), flow)
  },
)

t.test('without a usable certificate the layer does not start', async (t) => {
  const bad = { cert: material.cert, key: (await makeSelfSigned(['x'])).key }
  await t.rejects(startLayer(t, { specs: on('127.0.0.1', 'tls') }), { code: 'ETLS', transport: 'tls' })
  await t.rejects(startLayer(t, { specs: on('127.0.0.1', 'wss'), tls: bad }), {
    code: 'ETLS',
    transport: 'wss',
  })
})
