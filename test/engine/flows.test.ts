/** Phones that are reached over the way that they came, whatever their Contact says, and by what name they know us. */
import dgram from 'node:dgram'
import { once } from 'node:events'
import t from 'tap'
import { makeSelfSigned } from '../../src/engine/transport/self-signed.js'
import type { ListenerSpec, TransportName } from '../../src/engine/transport/transport.js'
import { connect, hangUp, inDialog, invite, onRequest, proxyTo, type AppRequest } from '../support/call.js'
import { fastTiming, startEdge, targetOf } from '../support/edge.js'
import type { Phone, PhoneTransport } from '../support/phone.js'
import { param, uriOf } from '../support/sip-text.js'
import { until } from '../support/tools.js'

const tls = await makeSelfSigned(['localhost', '127.0.0.1', '::1'])
const all: TransportName[] = ['udp', 'tcp', 'tls', 'ws', 'wss']

/** A browser, or a phone behind a NAT: it has no address that anybody could connect to. */
function hidden(phone: Phone): Phone {
  const localHost = 'df7jal23ls0d.invalid'
  const request: Phone['request'] = (options) => phone.request({ host: localHost, port: 5060, ...options })
  return Object.assign(Object.create(phone) as Phone, { localHost, request })
}

/** Its flow, and a Contact that leads nowhere. */
function hiddenTarget(phone: Phone, host = '127.0.0.1'): string {
  const transport = phone.transport === 'udp' ? '' : ';transport=ws'
  return `sip:callee@df7jal23ls0d.invalid${transport};flow=${host}:${phone.localPort};flow-transport=${phone.transport}`
}

async function callBothWays(caller: Phone, callee: Phone): Promise<void> {
  const contact = hiddenTarget(callee).replace(/;flow.*/, '')
  const first = await connect(caller, callee, contact)
  callee.send(inDialog(callee, 'INFO', first.callee))
  caller.reply(await caller.expect('INFO'), 200)
  await callee.expect(200)
  await hangUp(caller, first.caller, callee)
  const second = await connect(caller, callee, contact)
  await hangUp(callee, second.callee, caller)
}

t.test(
  'phones with .invalid contacts call each other over their own connections, on all transports',
  async (t) => {
    const specs = all.map((transport): ListenerSpec => ({ transport, host: '127.0.0.1', port: 0 }))
    const edge = await startEdge(t, { listeners: specs, tls })
    const srf = await edge.application()
    let callee: Phone | undefined
    proxyTo(srf, () => (callee ? [hiddenTarget(callee)] : []))
    for (const [from, to] of [
      ['tls', 'wss'],
      ['wss', 'ws'],
      ['ws', 'tls'],
      ['tcp', 'udp'],
      ['udp', 'tcp'],
    ] as const) {
      const caller = hidden(await edge.phone(from))
      callee = hidden(await edge.phone(to))
      await callBothWays(caller, callee)
    }
    t.match(edge.engine.stats().transport, {
      connections: 8,
      tcpConnections: 2,
      tlsConnections: 2,
      wsConnections: 2,
      wssConnections: 2,
    })
  },
)

for (const [host, address, family] of [
  ['127.0.0.1', '203.0.113.9', 4],
  ['::1', '2001:db8::9', 6],
] as const) {
  t.test(`each listener on ${host} is known by its own advertised address and port`, async (t) => {
    const listeners = all.map((transport, index): ListenerSpec => ({
      transport,
      host,
      port: 0,
      advertise: { host: address, port: 6000 + index },
    }))
    const edge = await startEdge(t, { listeners, tls })
    const srf = await edge.application()
    const shown = (transport: PhoneTransport) =>
      `${family === 6 ? `[${address}]` : address}:${6000 + all.indexOf(transport)}`
    let receivedOn = ''
    onRequest(srf, 'register', (req, res) => {
      receivedOn = (req as AppRequest & { receivedOn: string }).receivedOn
      res.send(200)
    })
    let target = ''
    proxyTo(srf, () => [target])
    for (const [from, to] of [
      ['udp', 'tls'],
      ['tls', 'ws'],
      ['wss', 'tcp'],
      ['tcp', 'udp'],
      ['ws', 'wss'],
    ] as const) {
      const [caller, callee] = [
        await edge.phone(from, { localHost: host }),
        await edge.phone(to, { localHost: host }),
      ]
      caller.send(caller.request({ method: 'REGISTER', uri: 'sip:localhost' }))
      await caller.expect(200)
      t.equal(receivedOn, `${address}:${6000 + all.indexOf(from)}`)
      target = targetOf(callee, 'callee')
      const sides = await connect(caller, callee)
      const received = callee.received.find(({ method }) => method === 'INVITE')
      t.match(received?.header('via'), `SIP/2.0/${to.toUpperCase()} ${shown(to)};`)
      const routes = sides.callee.routes.map((route) => uriOf(route).replace(/;lr.*/, ''))
      t.strictSame(
        routes,
        [to, from].map((name) => `sip:${shown(name)}${name === 'udp' ? '' : `;transport=${name}`}`),
        `${from} to ${to}: each side has a Route that it can use`,
      )
      await hangUp(callee, sides.callee, caller)
    }
  })
}

t.test(
  'with several UDP listeners, a phone hears only the one that it knows, in the whole call',
  async (t) => {
    const udp = { transport: 'udp', host: '127.0.0.1', port: 0 } as const
    const edge = await startEdge(t, {
      listeners: [udp, udp, { ...udp, advertise: { host: 'sip.example', port: 5090 } }],
    })
    const srf = await edge.application()
    const [first, second, third] = edge.listeners
    let target = ''
    proxyTo(srf, () => [target])
    for (const [caller, callee, on] of [
      [first, second, `127.0.0.1:${second?.port}`],
      [second, first, `127.0.0.1:${first?.port}`],
      [first, third, 'sip.example:5090'],
    ] as const) {
      if (!caller || !callee) throw new Error('three listeners')
      const [alice, bob] = [
        hidden(await edge.phone('udp', { server: caller })),
        hidden(await edge.phone('udp', { server: callee })),
      ]
      target = `${hiddenTarget(bob)};flow-on=${on}`
      await callBothWays(alice, bob)
      t.strictSame([...new Set(alice.received.map(({ source }) => source.port))], [caller.port])
      t.strictSame([...new Set(bob.received.map(({ source }) => source.port))], [callee.port])
      t.notMatch(bob.received[0]?.uri, /flow/)
    }
    const alice = await edge.phone('udp')
    target = `${targetOf(alice, 'alice')};flow-on=gone.example:1`
    alice.send(invite(alice))
    t.equal(
      (await alice.expect('INVITE')).source.port,
      first?.port,
      'a listener that is gone: that of the caller',
    )
  },
)

t.test(
  'a UDP phone whose program has ended is noticed long before 64*T1, one that is slow is not',
  async (t) => {
    const edge = await startEdge(t, { timing: { ...fastTiming, t1: 100 } })
    const srf = await edge.application()
    const gone = dgram.createSocket('udp4').bind(0, '127.0.0.1')
    await once(gone, 'listening')
    const { port } = gone.address()
    await new Promise<void>((resolve) => gone.close(() => resolve()))
    const [alice, slow] = [await edge.phone('udp'), await edge.phone('udp')]
    let target = `sip:gone@127.0.0.1:${port};flow=127.0.0.1:${port}`
    const { result } = proxyTo(srf, () => [target])
    const started = Date.now()
    alice.send(invite(alice))
    await alice.expect(480)
    const took = Date.now() - started
    t.ok(took >= 300 && took < 1500, `after the second retransmission: ${took} ms`)
    t.match(await result(), { connected: false })

    target = targetOf(slow, 'slow')
    alice.send(invite(alice))
    await slow.until(({ received }) => received.length === 4)
    slow.reply(slow.received[0]!, 486)
    await alice.expect(486)
  },
)

t.test('a request that the network refuses at once fails at once', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  // Broadcast is not permitted to a socket that has not asked for it.
  let target = 'sip:all@255.255.255.255:9'
  proxyTo(srf, () => [target])
  const alice = await edge.phone('udp')
  for (const flow of ['', ';flow=255.255.255.255:9']) {
    target = `sip:all@255.255.255.255:9${flow}`
    const started = Date.now()
    alice.send(invite(alice))
    await alice.expect(flow === '' ? 500 : 480)
    t.ok(Date.now() - started < 400)
  }
})

t.test('the application is told how a client is encrypted, and which certificate it has shown', async (t) => {
  const client = await makeSelfSigned(['phone 12'])
  const edge = await startEdge(t, {
    listeners: [
      { transport: 'tls', host: '127.0.0.1', port: 0 },
      { transport: 'wss', host: '127.0.0.1', port: 0 },
    ],
    tls: { ...tls, clientCa: client.cert },
    clientCertificates: 'request',
  })
  const srf = await edge.application()
  const tokens: (string | undefined)[] = []
  onRequest(srf, 'register', (req, res) => {
    tokens.push((req as AppRequest & { sessionToken?: string }).sessionToken)
    res.send(200)
  })
  for (const transport of ['tls', 'wss'] as const) {
    for (const certificate of [client, tls, undefined]) {
      const phone = await edge.phone(transport, certificate ? { certificate } : {})
      phone.send(phone.request({ method: 'REGISTER', uri: 'sip:localhost' }))
      t.equal(param((await phone.expect(200)).header('via'), 'rport'), String(phone.localPort))
    }
  }
  const plain = /^tls=TLSv1\.3;cipher=TLS_[A-Z0-9_]+$/
  const shown =
    /^tls=TLSv1\.3;cipher=TLS_[A-Z0-9_]+;sha256=([0-9A-F]{2}:){31}[0-9A-F]{2};subject=CN%3Dphone%2012$/
  t.match(tokens, [shown, plain, plain, shown, plain, plain])
})

t.test('a caller whose connection is lost while it rings gets the answer where its Via says', async (t) => {
  const edge = await startEdge(t, { limits: { halfClosedTimeoutMs: 20 } })
  const srf = await edge.application()
  const bob = await edge.phone('udp')
  proxyTo(srf, () => [targetOf(bob, 'bob')])
  const [lost, server] = [await edge.phone('tcp'), await edge.phone('tcp', { listen: true, connect: false })]
  lost.send(invite(lost, { port: server.localPort }))
  const ringing = await bob.expect('INVITE')
  bob.reply(ringing, 180)
  await lost.expect(180)
  await lost.close()
  await until('the connection is gone', () => edge.engine.stats().transport.connections === 0)
  bob.reply(ringing, 200)
  await server.expect(200)
})
