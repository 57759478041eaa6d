/** What the table of transactions holds on to, with a clock of our own. */
import t from 'tap'
import { parseMessage } from '../../../src/engine/message/parse.js'
import { SipRequest } from '../../../src/engine/message/sip-message.js'
import { Incoming } from '../../../src/engine/transaction/incoming.js'
import { TransactionTable } from '../../../src/engine/transaction/table.js'
import type { TransportName } from '../../../src/engine/transport/transport.js'
import { FakeNet } from '../../support/fake-net.js'
import { request } from '../../support/sip-text.js'

const many = 1000

function tableOf(maxKeptBytes: number) {
  const net = new FakeNet()
  const table = new TransactionTable(net, maxKeptBytes)
  let count = 0
  const receive = (method: string, transport: TransportName, callId: string): Incoming => {
    const text = request({
      method,
      uri: 'sip:b@example.org',
      callId,
      transport,
      host: '192.0.2.1',
      port: 5060,
    })
    const parsed = parseMessage(Buffer.from(text), { maxMessageBytes: 65_536, maxHeaders: 99 }, 'datagram')
    const flow = net.transport.findFlow(transport, '192.0.2.1', 5060)
    if (parsed.kind !== 'message' || !(parsed.message instanceof SipRequest) || !flow) throw new Error(text)
    return new Incoming(net, table, net.transport, parsed.message, flow, String(++count), () => {})
  }
  return { net, table, receive }
}

t.test('large answers that are kept for repetitions fill the table before their number does', async (t) => {
  for (const method of ['INVITE', 'REGISTER']) {
    const { net, table, receive } = tableOf(100_000)
    const long = 'x'.repeat(20_000)
    for (let n = 0; n < 4; n++) receive(method, 'udp', long).reply(407)
    t.equal(table.isFull(many), false)
    receive(method, 'udp', long).reply(407)
    t.equal(table.isFull(many), true)
    t.equal(table.makeRoom(), true)
    t.equal(table.isFull(many), false)
    for (let n = 0; n < 9; n++) receive(method, 'udp', long).reply(407)
    net.scheduler.advance(64 * net.timing.t1)
    t.equal(table.size, 0)
    t.equal(table.isFull(many), false, 'what has ended no longer counts')
  }
})

t.test('what is not kept does not count', async (t) => {
  const { table, receive } = tableOf(1000)
  for (let n = 0; n < 50; n++) receive('REGISTER', 'tcp', 'x'.repeat(500)).reply(401)
  t.equal(table.size, 0)
  t.equal(table.isFull(many), false)
})
