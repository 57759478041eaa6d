/** The client machines against the state diagrams of RFC 3261 §17.1 and RFC 6026 §7.2, with a clock of our own. */
import t from 'tap'
import { SipRequest, SipResponse } from '../../../src/engine/message/sip-message.js'
import { InviteClientTransaction } from '../../../src/engine/transaction/invite-client.js'
import { NonInviteClientTransaction } from '../../../src/engine/transaction/non-invite-client.js'
import type { TransportName } from '../../../src/engine/transport/transport.js'
import { FakeWire, fakeFlow } from '../../support/fake-wire.js'

function request(method: string): SipRequest {
  const message = new SipRequest(method, 'sip:bob@192.0.2.4')
  message.append('via', 'SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabc')
  message.append('route', '<sip:proxy.example;lr>')
  message.append('from', '<sip:alice@example.com>;tag=a1')
  message.append('to', '<sip:bob@example.com>')
  message.append('call-id', 'call-1')
  message.append('cseq', `7 ${method}`)
  return message
}

function response(status: number, method: string, toTag = 'b1'): SipResponse {
  const message = new SipResponse(status, 'x')
  message.append('via', 'SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabc')
  message.append('from', '<sip:alice@example.com>;tag=a1')
  message.append('to', `<sip:bob@example.com>;tag=${toTag}`)
  message.append('call-id', 'call-1')
  message.append('cseq', `7 ${method}`)
  return message
}

function client(method: 'INVITE' | 'OPTIONS', transport: TransportName) {
  const wire = new FakeWire()
  const events: string[] = []
  const user = {
    onResponse: (message: SipResponse) => void events.push(String(message.status)),
    onTimeout: () => void events.push('timeout'),
    onTransportError: () => void events.push('transport error'),
    onTerminated: () => void events.push('terminated'),
  }
  const make = method === 'INVITE' ? InviteClientTransaction : NonInviteClientTransaction
  const machine = new make(wire, fakeFlow(transport), request(method), user)
  machine.start()
  return {
    wire,
    events,
    machine,
    clock: wire.scheduler,
    receive: (status: number) => machine.receive(response(status, method)),
  }
}

t.test('an INVITE over UDP is repeated on timer A, doubling, until timer B ends it', async (t) => {
  const { wire, events, clock } = client('INVITE', 'udp')
  clock.advance(31_999)
  t.strictSame(wire.times, [0, 500, 1500, 3500, 7500, 15_500, 31_500])
  t.strictSame(events, [])
  clock.advance(1)
  t.strictSame(events, ['timeout', 'terminated'])
  t.equal(clock.pending, 0, 'no timer is left')
})

t.test('an INVITE over TCP is sent once', async (t) => {
  const { wire, events, clock } = client('INVITE', 'tcp')
  clock.advance(32_000)
  t.equal(wire.sent.length, 1)
  t.strictSame(events, ['timeout', 'terminated'])
})

t.test('a provisional response stops the repetition and timer B', async (t) => {
  const { wire, events, clock, receive } = client('INVITE', 'udp')
  receive(100)
  receive(180)
  clock.advance(120_000)
  t.equal(wire.sent.length, 1)
  t.strictSame(events, ['100', '180'])
})

t.test(
  'a final response to INVITE is acknowledged as §17.1.1.3 says, and again for each repetition',
  async (t) => {
    const { wire, events, clock, receive } = client('INVITE', 'udp')
    receive(486)
    receive(486)
    t.strictSame(events, ['486'], 'the user hears of it once')
    const acks = wire.sent.slice(1).map(({ text }) => text)
    t.equal(acks.length, 2)
    const ack = acks[0] ?? ''
    t.match(ack, /^ACK sip:bob@192\.0\.2\.4 SIP\/2\.0\r\n/)
    t.match(ack, 'Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabc\r\n')
    t.match(ack, 'Route: <sip:proxy.example;lr>\r\n')
    t.match(ack, 'To: <sip:bob@example.com>;tag=b1\r\n', 'the To of the response')
    t.match(ack, 'CSeq: 7 ACK\r\n')
    clock.advance(31_999)
    t.notMatch(events, ['486', 'terminated'])
    clock.advance(1)
    t.strictSame(events, ['486', 'terminated'], 'timer D')
  },
)

t.test('over a reliable transport timer D is zero', async (t) => {
  const { events, receive } = client('INVITE', 'tcp')
  receive(404)
  t.strictSame(events, ['404', 'terminated'])
})

t.test(
  'each 2xx to INVITE reaches the user for 64*T1 (RFC 6026), unacknowledged by the transaction',
  async (t) => {
    const { wire, events, clock, receive } = client('INVITE', 'udp')
    receive(200)
    clock.advance(20_000)
    receive(200)
    t.equal(wire.sent.length, 1)
    clock.advance(12_000)
    t.strictSame(events, ['200', '200', 'terminated'])
    receive(200)
    t.equal(events.length, 3, 'afterwards it is a stray')
  },
)

t.test('a late error of the network ends an INVITE only before the peer has answered', async (t) => {
  const early = client('INVITE', 'tcp')
  early.wire.failLastSend()
  t.strictSame(early.events, ['transport error', 'terminated'])
  const late = client('INVITE', 'tcp')
  late.receive(180)
  late.wire.failLastSend()
  t.strictSame(late.events, ['180'])
})

t.test('a non-INVITE over UDP is repeated on timer E up to T2 until timer F', async (t) => {
  const { wire, events, clock } = client('OPTIONS', 'udp')
  clock.advance(32_000)
  t.strictSame(wire.times, [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500])
  t.strictSame(events, ['timeout', 'terminated'])
})

t.test('after a provisional response a non-INVITE is repeated every T2', async (t) => {
  const { wire, clock, receive } = client('OPTIONS', 'udp')
  clock.advance(400)
  receive(100)
  clock.advance(9000)
  t.strictSame(wire.times, [0, 500, 4500, 8500])
})

t.test('a non-INVITE keeps absorbing repeated answers for T4', async (t) => {
  const { events, clock, receive } = client('OPTIONS', 'udp')
  receive(200)
  receive(200)
  clock.advance(4999)
  t.strictSame(events, ['200'])
  clock.advance(1)
  t.strictSame(events, ['200', 'terminated'])
  t.equal(clock.pending, 0)
})

for (const [method, patience] of [
  ['INVITE', [0, 500]],
  ['OPTIONS', [0, 500, 1500]],
] as const) {
  t.test(
    `${method}: a refused peer is given up after ${patience.length} datagrams, if it is silent until then`,
    async (t) => {
      const { wire, events, clock } = client(method, 'udp')
      wire.refusal = new Error('refused')
      clock.advance(method === 'INVITE' ? 1499 : 3499)
      t.strictSame(wire.times, patience, 'one lost datagram tells nothing')
      t.strictSame(events, [])
      clock.advance(1)
      t.strictSame(wire.times, patience)
      t.strictSame(events, ['transport error', 'terminated'])
      t.equal(clock.pending, 0)

      const alive = client(method, 'udp')
      alive.clock.advance(600)
      alive.receive(100)
      alive.wire.refusal = new Error('refused')
      alive.clock.advance(5000)
      t.strictSame(alive.events, ['100'], 'it has spoken: a firewall, not a peer that is gone')

      const late = client(method, 'udp')
      late.clock.advance(3000)
      late.wire.refusal = new Error('refused')
      late.clock.advance(500)
      t.strictSame(
        late.events,
        ['transport error', 'terminated'],
        'a peer that ends meanwhile is noticed too',
      )
    },
  )
}
