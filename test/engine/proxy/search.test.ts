/** The response context where things go wrong: what the caller is told, and that it is told. */
import t from 'tap'
import { SipRequest, type SipResponse } from '../../../src/engine/message/sip-message.js'
import type { ProxyEnvironment } from '../../../src/engine/proxy/client.js'
import { Search, type SearchOptions } from '../../../src/engine/proxy/search.js'
import type { Flow } from '../../../src/engine/transport/transport.js'
import { FakeNet } from '../../support/fake-net.js'

/** An INVITE to proxy, and what the caller and the observer were told. */
function incoming(net: FakeNet, options: Partial<SearchOptions> = {}) {
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
    { simultaneous: true, followRedirects: false, edits: [], record: () => {}, ...options },
    { onFinal: () => {}, onDone: () => ends.push('done') },
  )
  return { search, told, ends }
}

const to = (address: string, q?: number) => ({
  ...(q === undefined ? {} : { q }),
  uri: `sip:bob@${address}`,
  flow: { transport: 'udp' as const, address, port: 5060 },
})

/** The INVITEs that leave, by the host of their Request-URI. */
function record(net: FakeNet) {
  const sent = new Map<string, SipRequest>()
  const startClient = net.startClient.bind(net)
  net.startClient = (request, flow, user) => {
    if (request.method === 'INVITE') sent.set(flow.remoteAddress, request)
    return startClient(request, flow, user)
  }
  return {
    hosts: () => [...sent.keys()],
    answer: (host: string, status: number) => net.answer(sent.get(host)!, status),
  }
}

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

t.test(
  'targets of one preference are tried at once, those of a lower one when they have failed',
  async (t) => {
    const net = new FakeNet()
    const { search, told } = incoming(net, { finalTimeoutMs: 60_000 })
    const sent = record(net)
    search.start([to('192.0.2.1', 0.5), to('192.0.2.2'), to('192.0.2.3', 0), to('192.0.2.4', 1)])
    t.strictSame(sent.hosts(), ['192.0.2.2', '192.0.2.4'])
    sent.answer('192.0.2.2', 486)
    t.equal(sent.hosts().length, 2, 'another one still rings')
    sent.answer('192.0.2.4', 480)
    t.strictSame(sent.hosts().slice(2), ['192.0.2.1'])
    sent.answer('192.0.2.1', 404)
    t.strictSame(sent.hosts().slice(3), ['192.0.2.3'])
    sent.answer('192.0.2.3', 200)
    t.strictSame(told, [200])
  },
)

t.test('each preference has its share of the ring time, and the whole is not exceeded', async (t) => {
  const net = new FakeNet()
  const { search, told, ends } = incoming(net, { finalTimeoutMs: 60_000 })
  const sent = record(net)
  search.start([to('192.0.2.1'), to('192.0.2.2'), to('192.0.2.3', 0.5)])
  sent.answer('192.0.2.1', 180)
  sent.answer('192.0.2.2', 180)
  net.scheduler.advance(29_900)
  t.equal(sent.hosts().length, 2)
  net.scheduler.advance(200)
  t.equal(net.log.filter((line) => line.startsWith('CANCEL')).length, 2)
  sent.answer('192.0.2.1', 487)
  t.equal(sent.hosts().length, 2, 'the other is still asked to stop')
  net.scheduler.advance(3000)
  t.strictSame(sent.hosts().slice(2), ['192.0.2.3'], 'it is waited for no longer')
  sent.answer('192.0.2.3', 180)
  net.scheduler.advance(26_800)
  t.equal(ends.length, 0)
  net.scheduler.advance(200)
  sent.answer('192.0.2.3', 487)
  t.strictSame(told, [180, 180, 180, 480])
})

t.test(
  'a refusal for all, and a caller that hangs up, leave those of a lower preference alone',
  async (t) => {
    for (const end of ['declined', 'cancelled'] as const) {
      const net = new FakeNet()
      const { search, told } = incoming(net, { finalTimeoutMs: 60_000 })
      const sent = record(net)
      search.start([to('192.0.2.1'), to('192.0.2.3', 0.5)])
      sent.answer('192.0.2.1', 180)
      if (end === 'cancelled') search.cancel([])
      sent.answer('192.0.2.1', end === 'cancelled' ? 487 : 603)
      net.scheduler.advance(60_000)
      t.strictSame(sent.hosts(), ['192.0.2.1'])
      t.equal(told.at(-1), end === 'cancelled' ? 487 : 603)
    }
  },
)
