/** Asking a silent UDP peer whether anybody is there. */
import dgram from 'node:dgram'
import { once } from 'node:events'
import t from 'tap'
import { UdpProbes } from '../../../src/engine/transport/udp-probe.js'
import { on, startLayer } from './harness.js'

async function socket(host: string): Promise<dgram.Socket> {
  const made = dgram.createSocket(host.includes(':') ? 'udp6' : 'udp4').bind(0, host)
  await once(made, 'listening')
  return made
}

/** A port at which nobody listens any more. */
async function deadPort(host: string): Promise<number> {
  const made = await socket(host)
  const { port } = made.address()
  await new Promise<void>((resolve) => made.close(() => resolve()))
  return port
}

async function untilRefused(ask: () => Error | undefined): Promise<Error> {
  for (const deadline = Date.now() + 1000; Date.now() < deadline;) {
    const refusal = ask()
    if (refusal) return refusal
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error('no refusal')
}

for (const [host, from] of [
  ['127.0.0.1', '127.0.0.1'],
  ['127.0.0.1', '0.0.0.0'],
  ['::1', '::1'],
] as const) {
  t.test(
    `a port without a listener on ${host} is refused to a probe from ${from}, and only for a while`,
    async (t) => {
      let now = 0
      const probes = new UdpProbes(() => now)
      t.teardown(() => probes.close())
      const port = await deadPort(host)
      t.equal(probes.ask(host, port, from), undefined, 'nothing is known at first')
      t.match(await untilRefused(() => probes.ask(host, port, from)), { code: 'ECONNREFUSED' })
      now = 4_999
      t.match(probes.ask(host, port, from), { code: 'ECONNREFUSED' })
      now = 5_000
      t.equal(probes.ask(host, port, from), undefined, 'asked anew')
      await untilRefused(() => probes.ask(host, port, from))
      probes.heard(host, port)
      t.equal(probes.ask(host, port, from), undefined, 'it has spoken since')
    },
  )
}

t.test('a peer that is there gets one harmless probe, however many ask', async (t) => {
  const probes = new UdpProbes()
  t.teardown(() => probes.close())
  const peer = await socket('127.0.0.1')
  t.teardown(() => peer.close())
  const datagrams: string[] = []
  peer.on('message', (data) => datagrams.push(data.toString('latin1')))
  const { port } = peer.address()
  for (let i = 0; i < 10; i++) t.equal(probes.ask('127.0.0.1', port, '127.0.0.1'), undefined)
  await once(peer, 'message')
  const other = await socket('127.0.0.1')
  await new Promise<void>((resolve) => other.send('last', port, '127.0.0.1', () => resolve()))
  other.close()
  await once(peer, 'message')
  t.strictSame(datagrams, ['\r\n\r\n', 'last'])
})

t.test('no more than 64 are asked at one time', async (t) => {
  const probes = new UdpProbes()
  t.teardown(() => probes.close())
  const peers = await Promise.all(Array.from({ length: 70 }, () => socket('127.0.0.1')))
  t.teardown(() => peers.forEach((peer) => peer.close()))
  let asked = 0
  const allAsked = new Promise<void>((resolve) => {
    for (const peer of peers) peer.on('message', () => ++asked === 64 && resolve())
  })
  for (const peer of peers) probes.ask('127.0.0.1', peer.address().port, '127.0.0.1')
  await allAsked
  t.equal(asked, 64)
  const dead = await deadPort('127.0.0.1')
  probes.ask('127.0.0.1', dead, '127.0.0.1')
  probes.close()
  t.match(await untilRefused(() => probes.ask('127.0.0.1', dead, '127.0.0.1')), { code: 'ECONNREFUSED' })
})

t.test(
  'the layer asks from the address of the listener, and forgets a refusal when the peer speaks',
  async (t) => {
    const harness = await startLayer(t, { specs: on('127.0.0.1', 'udp', 'tcp') })
    const { layer } = harness
    const port = await deadPort('127.0.0.1')
    const flow = layer.findFlow('udp', '127.0.0.1', port)!
    await untilRefused(() => layer.probe(flow))
    const back = await harness.phone('udp', { localPort: port })
    back.send('\r\n\r\n')
    await back.until(({ pongs }) => pongs === 1)
    t.equal(layer.probe(flow), undefined)
    const stream = layer.openFlow('tcp', '127.0.0.1', harness.listener('tcp').port)!
    t.equal(layer.probe(stream), undefined, 'streams report failures themselves')
  },
)
