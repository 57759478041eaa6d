/** Calls outlive the connections that they were made over: a phone that has come back hears what the other side says. */
import t, { type Test } from 'tap'
import { makeSelfSigned } from '../../src/engine/transport/self-signed.js'
import type { ListenerSpec } from '../../src/engine/transport/transport.js'
import { connect, hangUp, inDialog, onRequest, proxyTo } from '../support/call.js'
import { startEdge, targetOf, type TestEdge } from '../support/edge.js'
import type { Phone, PhoneTransport } from '../support/phone.js'
import { until } from '../support/tools.js'

const tls = await makeSelfSigned(['localhost', '127.0.0.1'])
const streams = ['tcp', 'tls', 'ws', 'wss'] as const
const listeners = (['udp', ...streams] as const).map((transport): ListenerSpec => ({
  transport,
  host: '127.0.0.1',
  port: 0,
}))
/** As a browser has it; it stays the same when the phone comes back. */
const contact = 'sip:q7@df7jal23ls0d.invalid;transport=ws'

interface Registration {
  account?: string
  contact?: string
  instance?: string
}

/** A registrar that lets everybody in, and calls to the phone that registered last. */
async function registrar(edge: TestEdge): Promise<{ target: string; leave: () => void }> {
  const srf = await edge.application()
  const last = { target: '', leave: () => srf.disconnect() }
  onRequest(srf, 'register', (req, res) => res.send(/nobody/.test(req.get('To')) ? 403 : 200))
  proxyTo(srf, () => [last.target])
  return last
}

async function register(phone: Phone, { account = 'bob', ...more }: Registration = {}): Promise<void> {
  const instance = more.instance === undefined ? '' : `;+sip.instance="<urn:uuid:${more.instance}>"`
  phone.send(
    phone.request({
      method: 'REGISTER',
      uri: 'sip:localhost',
      from: `sip:${account}@localhost`,
      to: `sip:${account}@localhost`,
      contact: `<${more.contact ?? contact}>${instance}`,
    }),
  )
  await phone.expect(account === 'nobody' ? 403 : 200)
}

function flowTarget(phone: Phone, uri = contact): string {
  return `${uri};flow=127.0.0.1:${phone.localPort};flow-transport=${phone.transport}`
}

async function lose(edge: TestEdge, phone: Phone): Promise<void> {
  const before = edge.engine.stats().transport.connections
  await phone.close()
  await until('the connection is gone', () => edge.engine.stats().transport.connections < before)
}

/** A registered Bob, and Alice in a call with him. */
async function inCall(t: Test, transport: PhoneTransport, registration: Registration = {}) {
  const edge = await startEdge(t, { listeners, tls })
  const application = await registrar(edge)
  const [alice, bob] = [await edge.phone('udp'), await edge.phone(transport)]
  await register(bob, registration)
  application.target = flowTarget(bob, registration.contact)
  const sides = await connect(alice, bob, registration.contact ?? contact)
  return { edge, application, alice, bob, sides }
}

for (const transport of streams) {
  t.test(`a called phone that comes back over another ${transport} connection is reached`, async (t) => {
    const { edge, alice, bob, sides } = await inCall(t, transport)
    await lose(edge, bob)
    const again = await edge.phone(transport)
    await register(again)
    alice.send(inDialog(alice, 'INVITE', sides.caller))
    again.reply(await again.expect('INVITE'), 200)
    alice.send(inDialog(alice, 'ACK', sides.caller))
    await again.expect('ACK')
    await hangUp(alice, sides.caller, again)
  })
}

t.test('a caller that comes back is reached; its port and transport may be others', async (t) => {
  const edge = await startEdge(t, { listeners, tls })
  const application = await registrar(edge)
  const [alice, bob] = [await edge.phone('tcp'), await edge.phone('udp')]
  // The Contact of an INVITE names the port of the connection, and so it is another one the next time.
  await register(alice, {
    account: 'alice',
    contact: `sip:alice@127.0.0.1:${alice.localPort}`,
    instance: 'a',
  })
  application.target = targetOf(bob, 'bob')
  const sides = await connect(alice, bob)
  await lose(edge, alice)
  const again = await edge.phone('tls')
  await register(again, { account: 'alice', contact: 'sip:alice@192.0.2.7;transport=tls', instance: 'a' })
  await hangUp(bob, sides.callee, again)
})

t.test('it stays so over a restart of the server', async (t) => {
  const key = Buffer.alloc(32, 5)
  const first = await startEdge(t, { listeners, tls, key })
  const application = await registrar(first)
  const [alice, bob] = [await first.phone('udp'), await first.phone('wss')]
  await register(bob)
  application.target = flowTarget(bob)
  const sides = await connect(alice, bob, contact)
  application.leave()
  await first.engine.stop()
  const same = first.listeners.map(({ transport, host, port }) => ({ transport, host, port }))
  const second = await startEdge(t, { listeners: same, tls, key })
  await registrar(second)
  const again = await second.phone('wss')
  await register(again)
  await hangUp(alice, sides.caller, again)
})

t.test('nobody else gets what is for a phone that is away', async (t) => {
  const { edge, alice, bob, sides } = await inCall(t, 'tls', { instance: 'b' })
  await lose(edge, bob)
  const [mallory, refused, clear, other] = [
    await edge.phone('tls'),
    await edge.phone('tls'),
    await edge.phone('tcp'),
    await edge.phone('tls'),
  ]
  await register(mallory, { account: 'mallory', instance: 'b' })
  await register(refused, { account: 'nobody', instance: 'b' })
  await register(clear, { instance: 'b' })
  await register(other, { instance: 'c' })
  alice.send(inDialog(alice, 'BYE', sides.caller))
  await alice.expect(480)
  for (const phone of [mallory, refused, clear, other]) {
    t.notOk(phone.received.some(({ method }) => method === 'BYE'))
  }
})

t.test(
  'a device that has registered anew hears it there, though its old connection still seems open',
  async (t) => {
    const { edge, alice, bob, sides } = await inCall(t, 'tls', { instance: 'b' })
    const again = await edge.phone('tls')
    await register(again, { instance: 'b' })
    await hangUp(alice, sides.caller, again)
    t.notOk(bob.received.some(({ method }) => method === 'BYE'))
  },
)

t.test('of two phones of an account that look alike, the one that is in the call stays in it', async (t) => {
  const { edge, alice, bob, sides } = await inCall(t, 'tcp', { contact: 'sip:bob@192.168.1.20' })
  const elsewhere = await edge.phone('tcp')
  await register(elsewhere, { contact: 'sip:bob@192.168.1.20' })
  await hangUp(alice, sides.caller, bob)
  t.notOk(elsewhere.received.some(({ method }) => method === 'BYE'))
})
