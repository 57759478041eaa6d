/** The response context where things go wrong: what the caller is told, and that it is told. */
import t from 'tap'
import { SipRequest, type SipResponse } from '../../../src/engine/message/sip-message.js'
import type { ProxyEnvironment } from '../../../src/engine/proxy/client.js'
import { Search } from '../../../src/engine/proxy/search.js'
import type { Flow } from '../../../src/engine/transport/transport.js'
import { FakeNet } from '../../support/fake-net.js'

/** An INVITE to proxy, and what the caller and the observer were told. */
function incoming(net: FakeNet) {
  const request = new SipRequest('INVITE', 'sip:bob@example.com')
  request.append('via', 'SIP/2.0/UDP 192.0.2.50;branch=z9hG4bKcaller')
  request.append('max-forwards', '70')
  request.append('from', '<sip:alice@example.com>;tag=a1')
  request.append('to', '<sip:bob@example.com>')
  request.append('call-id', 'call-1')
  request.append('cseq', '1 INVITE')
  const told: number[] = []
  const ends: string[] = []
  const env = Object.assign(net, { maxForks: 10 }) as unknown as ProxyEnvironment
  const search = new Search(
    env,
    {
      request,
      flow: net.transport.findFlow('udp', '192.0.2.50', 5060) as Flow,
      respond: ({ status }: SipResponse) => told.push(status),
    },
    { simultaneous: true, followRedirects: false, edits: [], record: () => {} },
    { onFinal: () => {}, onDone: () => ends.push('done') },
  )
  return { search, told, ends }
}

const to = (address: string) => ({
  uri: `sip:bob@${address}`,
  flow: { transport: 'udp' as const, address, port: 5060 },
})

t.test('an error of ours is a 500 for the caller, and nobody rings for it', async (t) => {
  const net = new FakeNet()
  const { search, told, ends } = incoming(net)
  const startClient = net.startClient.bind(net)
  let first: SipRequest | undefined
  net.startClient = (request, flow, user) => {
    if (flow.remoteAddress === '192.0.2.2') throw new Error('a mistake of ours')
    first ??= request
    return startClient(request, flow, user)
  }
  t.throws(() => search.start([to('192.0.2.1'), to('192.0.2.2')]), /a mistake of ours/)
  t.strictSame(told, [500])
  t.strictSame(ends, ['done'])
  net.answer(first!, 180)
  t.equal(net.log.at(-1), 'CANCEL udp 192.0.2.1:5060')
  net.answer(first!, 487)
  t.strictSame(told, [500])
})

t.test('a 2xx that comes after the failure is not passed on', async (t) => {
  const net = new FakeNet()
  const { search, told } = incoming(net)
  const sent: SipRequest[] = []
  const startClient = net.startClient.bind(net)
  net.startClient = (request, flow, user) => {
    sent.push(request)
    return startClient(request, flow, user)
  }
  search.start([to('192.0.2.1')])
  net.answer(sent[0]!, 180)
  search.cancel([])
  net.scheduler.advance(2000)
  net.answer(sent[0]!, 200)
  t.strictSame(told, [180, 487])
})
