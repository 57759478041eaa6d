/** The server machines against the state diagrams of RFC 3261 §17.2 and RFC 6026 §7.1, with a clock of our own. */
import t from 'tap'
import { InviteServerTransaction } from '../../../src/engine/transaction/invite-server.js'
import { NonInviteServerTransaction } from '../../../src/engine/transaction/non-invite-server.js'
import type { TransportName } from '../../../src/engine/transport/transport.js'
import { FakeWire, fakeFlow } from '../../support/fake-wire.js'

function server<Machine>(
  make: new (
    env: FakeWire,
    flow: ReturnType<typeof fakeFlow>,
    user: { onFailure(error: Error): void; onTerminated(): void },
  ) => Machine,
  transport: TransportName,
) {
  const wire = new FakeWire()
  const events: string[] = []
  const user = {
    onFailure: (error: Error) => void events.push(`failure: ${error.message}`),
    onTerminated: () => void events.push('terminated'),
  }
  return { wire, events, clock: wire.scheduler, machine: new make(wire, fakeFlow(transport), user) }
}

const bytes = (text: string): Buffer => Buffer.from(text)

t.test('a repeated INVITE gets the last provisional response again', async (t) => {
  const { wire, machine } = server(InviteServerTransaction, 'udp')
  machine.receiveRetransmission()
  t.equal(wire.sent.length, 0, 'nothing to say yet')
  machine.respond(100, bytes('100'))
  machine.receiveRetransmission()
  machine.respond(180, bytes('180'))
  machine.receiveRetransmission()
  t.strictSame(
    wire.sent.map(({ text }) => text),
    ['100', '100', '180', '180'],
  )
})

t.test('a final response over UDP is repeated on timer G up to T2, until timer H gives up', async (t) => {
  const { wire, events, clock, machine } = server(InviteServerTransaction, 'udp')
  machine.respond(486, bytes('486'))
  clock.advance(31_999)
  t.strictSame(wire.times, [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500])
  clock.advance(1)
  t.match(events, [/timer H/, 'terminated'])
  t.equal(clock.pending, 0)
})

t.test('the ACK stops the repetition; further ACKs are absorbed for T4', async (t) => {
  const { wire, events, clock, machine } = server(InviteServerTransaction, 'udp')
  machine.respond(404, bytes('404'))
  clock.advance(600)
  machine.receiveAck()
  machine.receiveAck()
  clock.advance(4999)
  t.equal(wire.sent.length, 2)
  t.strictSame(events, [])
  clock.advance(1)
  t.strictSame(events, ['terminated'])
})

t.test('over TCP a final response is sent once and the ACK ends the transaction at once', async (t) => {
  const { wire, events, clock, machine } = server(InviteServerTransaction, 'tcp')
  machine.respond(404, bytes('404'))
  clock.advance(10_000)
  t.equal(wire.sent.length, 1)
  machine.receiveAck()
  t.strictSame(events, ['terminated'])
})

t.test('after a 2xx the INVITE is absorbed and further 2xx pass for 64*T1 (RFC 6026)', async (t) => {
  const { wire, events, clock, machine } = server(InviteServerTransaction, 'udp')
  t.equal(machine.respond(200, bytes('200 from a')), true)
  machine.receiveRetransmission()
  t.equal(machine.respond(200, bytes('200 from b')), true)
  t.equal(machine.respond(486, bytes('486')), false, 'the call is answered')
  t.strictSame(
    wire.sent.map(({ text }) => text),
    ['200 from a', '200 from b'],
  )
  clock.advance(32_000)
  t.strictSame(events, ['terminated'])
})

t.test('one final failure is enough', async (t) => {
  const { wire, machine } = server(InviteServerTransaction, 'udp')
  t.equal(machine.respond(486, bytes('486')), true)
  t.equal(machine.respond(200, bytes('200')), false)
  t.equal(machine.respond(180, bytes('180')), false)
  t.equal(wire.sent.length, 1)
})

t.test('a non-INVITE answers repetitions from memory for 64*T1 over UDP', async (t) => {
  const { wire, events, clock, machine } = server(NonInviteServerTransaction, 'udp')
  machine.receiveRetransmission()
  t.equal(wire.sent.length, 0)
  machine.respond(200, bytes('200'))
  clock.advance(31_999)
  machine.receiveRetransmission()
  t.equal(wire.sent.length, 2)
  clock.advance(1)
  t.strictSame(events, ['terminated'])
  machine.receiveRetransmission()
  t.equal(wire.sent.length, 2)
})

t.test('a non-INVITE over TCP is over with its answer', async (t) => {
  const { events, clock, machine } = server(NonInviteServerTransaction, 'tcp')
  machine.respond(200, bytes('200'))
  t.strictSame(events, ['terminated'])
  t.equal(clock.pending, 0)
})

t.test('a response that can not be sent is reported', async (t) => {
  const { wire, events, machine } = server(NonInviteServerTransaction, 'udp')
  machine.respond(200, bytes('200'))
  wire.failLastSend(new Error('unreachable'))
  t.strictSame(events, ['failure: unreachable'])
})

t.test('a failure for a sender that nothing vouches for is repeated only when the INVITE is', async (t) => {
  const { wire, clock, machine } = server(InviteServerTransaction, 'udp')
  machine.respond(407, bytes('407'), false)
  clock.advance(10_000)
  t.equal(wire.sent.length, 1)
  machine.receiveRetransmission()
  t.equal(wire.sent.length, 2)
})

t.test(
  'once a provisional response was sent a failure is repeated for anybody, but for strangers only twice',
  async (t) => {
    const { wire, clock, machine } = server(InviteServerTransaction, 'udp')
    machine.respond(100, bytes('100'), false)
    machine.respond(404, bytes('404'), false)
    clock.advance(31_999)
    t.strictSame(wire.times, [0, 0, 500, 1500])
    machine.receiveRetransmission()
    t.equal(wire.sent.length, 5)
  },
)
