/** A request on its way: which server gets it, over what, when the next one has its turn, and what the user is told. */
import t from 'tap'
import { Outgoing, type OutgoingRequest } from '../../../src/engine/client/outgoing.js'
import { SipRequest } from '../../../src/engine/message/sip-message.js'
import { defaultTiming } from '../../../src/engine/transaction/timers.js'
import { NotConnected, type Flow } from '../../../src/engine/transport/transport.js'
import { FakeNet } from '../../support/fake-net.js'
import { naptr, srv, StubDns } from '../../support/stub-dns.js'

function request(method: string, uri: string, padding = 0): SipRequest {
  const message = new SipRequest(method, uri)
  message.append('max-forwards', '70')
  message.append('from', '<sip:alice@example.com>;tag=a1')
  message.append('to', `<${uri}>`)
  message.append('call-id', 'call-1')
  message.append('cseq', `1 ${method}`)
  message.body = Buffer.alloc(padding, 'x')
  return message
}

/** Sends, and gives what the user was told. */
function send(net: FakeNet, message: SipRequest, more: Partial<OutgoingRequest> = {}) {
  const told: string[] = []
  const copies: SipRequest[] = []
  const flows: Flow[] = []
  const outgoing = new Outgoing(
    net,
    { request: message, branch: () => `z9hG4bK${net.unique()}`, ...more },
    {
      onSent: (copy, flow) => {
        copies.push(copy)
        flows.push(flow)
      },
      onResponse: ({ status }) => void told.push(String(status)),
      onFailure: (status, error) => void told.push(`failed ${status}${error ? `: ${error.message}` : ''}`),
    },
  )
  outgoing.start()
  const copy = (index: number): SipRequest => {
    const found = copies[index]
    if (!found) throw new Error(`attempt ${index} was not made; made: ${net.log.join(', ')}`)
    return found
  }
  return { outgoing, told, copies, flows, copy }
}

/** Look-ups are promises: all that are answered have had their effect. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** example.com has two servers, a before b. */
function twoServers(transport: 'udp' | 'tcp' = 'udp'): StubDns {
  const at = (host: string, priority: number) => srv(`${host}.example.com`, 5060, priority)
  const servers = [at('a', 1), at('b', 2)]
  return new StubDns({
    ...(transport === 'udp'
      ? { 'SRV _sip._udp.example.com': servers }
      : { 'SRV _sip._tcp.example.com': servers }),
    'A a.example.com': ['192.0.2.1'],
    'A b.example.com': ['192.0.2.2'],
  })
}

t.test('to an address: at once, with our Via, and what was given stays as it is', async (t) => {
  const net = new FakeNet()
  const message = request('OPTIONS', 'sip:bob@192.0.2.4:5070;transport=tcp')
  const { copy, flows, told } = send(net, message, {
    finish: (out, flow) => out.append('contact', `<sip:${flow.transport}>`),
  })
  t.strictSame(net.log, ['OPTIONS tcp 192.0.2.4:5070'])
  t.equal(copy(0).get('via'), 'SIP/2.0/TCP 192.0.2.99:5061;branch=z9hG4bK1;rport')
  t.equal(copy(0).get('contact'), '<sip:tcp>')
  t.equal(flows[0]?.remotePort, 5070)
  t.equal(message.get('via'), undefined)
  t.equal(message.get('contact'), undefined)
  net.answer(copy(0), 200)
  t.strictSame(told, ['200'])
})

t.test('the next hop is the topmost Route, else the Request-URI, unless another is named', async (t) => {
  const net = new FakeNet()
  const routed = request('OPTIONS', 'sip:bob@192.0.2.4')
  routed.append('route', '<sip:192.0.2.5;lr>, <sip:192.0.2.6;lr>')
  send(net, routed)
  send(net, routed, { nextHop: 'sip:192.0.2.7' })
  send(net, routed, { flow: { transport: 'tcp', address: '192.0.2.8', port: 40_000 } })
  t.strictSame(net.log, [
    'OPTIONS udp 192.0.2.5:5060',
    'OPTIONS udp 192.0.2.7:5060',
    'OPTIONS tcp 192.0.2.8:40000',
  ])
})

t.test('over TLS the certificate is to be for the domain, not for the server that DNS named', async (t) => {
  const net = new FakeNet(
    new StubDns({
      'SRV _sips._tcp.example.com': [srv('a.provider.example', 5061)],
      'A a.provider.example': ['192.0.2.1'],
    }),
  )
  send(net, request('OPTIONS', 'sips:example.com'))
  await settled()
  t.match(net.opened, [{ to: 'tls 192.0.2.1:5061', serverName: 'example.com' }])
})

t.test('a 503 leads to the next server, in a new transaction, and is not shown', async (t) => {
  const net = new FakeNet(twoServers())
  const { told, copy } = send(net, request('INVITE', 'sip:bob@example.com'))
  await settled()
  net.answer(copy(0), 100)
  net.answer(copy(0), 503)
  t.not(copy(0).via.branch, copy(1).via.branch)
  net.answer(copy(1), 180)
  net.answer(copy(1), 200)
  net.answer(copy(1), 200)
  t.strictSame(told, ['100', '180', '200', '200'])
  t.strictSame(net.log, ['INVITE udp 192.0.2.1:5060', 'ACK udp 192.0.2.1:5060', 'INVITE udp 192.0.2.2:5060'])
  t.equal(net.scheduler.now(), 0)
  const later = send(net, request('INVITE', 'sip:bob@example.com'))
  await settled()
  t.equal(later.flows[0]?.remoteAddress, '192.0.2.2', 'the one that failed is tried last now')
})

t.test('the 503 of the last server is shown, as is any other answer of the first', async (t) => {
  const net = new FakeNet(twoServers())
  const refused = send(net, request('OPTIONS', 'sip:example.com'))
  await settled()
  net.answer(refused.copy(0), 503)
  net.answer(refused.copy(1), 503)
  t.strictSame(refused.told, ['503'])
  const busy = send(net, request('OPTIONS', 'sip:example.com'))
  await settled()
  net.answer(busy.copy(0), 500)
  t.strictSame(busy.told, ['500'])
  t.equal(busy.copies.length, 1)
})

t.test('a server that can not be reached gives way at once', async (t) => {
  const net = new FakeNet(twoServers('tcp'))
  const { told, copy } = send(net, request('INVITE', 'sip:example.com;transport=tcp'))
  await settled()
  net.failLast()
  net.answer(copy(1), 200)
  t.strictSame(told, ['200'])
  const none = send(net, request('OPTIONS', 'sip:example.com;transport=tcp'))
  await settled()
  net.failLast(new Error('one'))
  net.failLast(new Error('two'))
  t.strictSame(none.told, ['failed 503: two'])
  const nowhere = send(net, request('OPTIONS', 'sip:nowhere.example'))
  await settled()
  t.strictSame(nowhere.told, ['failed 503'])
})

t.test('a silent server gives way: to INVITE after 8*T1, to others after 16*T1', async (t) => {
  for (const [method, limit] of [
    ['INVITE', 4000],
    ['OPTIONS', 8000],
  ] as const) {
    const net = new FakeNet(twoServers())
    const { told, copies, copy } = send(net, request(method, 'sip:example.com'))
    await settled()
    net.scheduler.advance(limit - 1)
    t.equal(copies.length, 1)
    net.scheduler.advance(1)
    t.equal(copies.length, 2)
    net.answer(copy(1), 200)
    t.strictSame(told, ['200'])
  }
})

t.test('a server that has said anything is waited for', async (t) => {
  const net = new FakeNet(twoServers())
  const { copies, copy } = send(net, request('INVITE', 'sip:example.com'))
  await settled()
  net.answer(copy(0), 100)
  net.scheduler.advance(120_000)
  t.equal(copies.length, 1)
})

t.test('however many servers are silent, after 64*T1 it is over', async (t) => {
  const hosts = Array.from({ length: 8 }, (_, index) => index)
  const net = new FakeNet(
    new StubDns({
      'SRV _sip._udp.example.com': hosts.map((index) => srv(`h${index}`, 5060, index)),
      ...Object.fromEntries(hosts.map((index) => [`A h${index}`, [`192.0.2.${index}`, `192.0.3.${index}`]])),
    }),
  )
  const { told, copies } = send(net, request('OPTIONS', 'sip:example.com'))
  await settled()
  net.scheduler.advance(31_999)
  t.strictSame(told, [])
  t.equal(copies.length, 4)
  net.scheduler.advance(1)
  t.strictSame(told, ['failed 408'])
  t.equal(copies.length, 4, 'nobody is asked when it is over')
  t.equal(net.scheduler.pending, 0)
  t.equal(net.table.size, 0)
})

t.test('a look-up that takes for ever ends like silence', async (t) => {
  const net = new FakeNet()
  net.servers.find = () => new Promise(() => {})
  const { told } = send(net, request('OPTIONS', 'sip:example.com'))
  net.scheduler.advance(32_000)
  t.strictSame(told, ['failed 408'])
})

t.test(
  'a server that was given up and rings late is cancelled; if it answers all the same, it has won',
  async (t) => {
    const net = new FakeNet(twoServers())
    const { told, copy } = send(net, request('INVITE', 'sip:example.com'))
    await settled()
    net.scheduler.advance(4000)
    net.answer(copy(1), 180)
    net.answer(copy(0), 180)
    t.strictSame(net.log.at(-1), 'CANCEL udp 192.0.2.1:5060')
    net.answer(copy(0), 200)
    t.strictSame(net.log.at(-1), 'CANCEL udp 192.0.2.2:5060')
    t.strictSame(told, ['180', '200'], 'one ringing, one answer')
  },
)

t.test(
  'CANCEL waits for the first reaction, carries its headers, and ends the way from server to server',
  async (t) => {
    const net = new FakeNet(twoServers())
    const { told, copy, copies, outgoing } = send(net, request('INVITE', 'sip:example.com'))
    await settled()
    outgoing.cancel([['Reason', 'SIP;cause=200']])
    t.strictSame(net.log, ['INVITE udp 192.0.2.1:5060'])
    net.answer(copy(0), 100)
    const cancel = net.sent.at(-1)?.text ?? ''
    t.match(cancel, /^CANCEL sip:example\.com SIP\/2\.0\r\n/)
    t.match(cancel, `Via: ${copy(0).get('via') ?? ''}\r\n`)
    t.match(cancel, 'Reason: SIP;cause=200\r\n')
    net.answer(copy(0), 503)
    t.strictSame(told, ['100', '503'])
    t.equal(copies.length, 1)
  },
)

t.test(
  'a cancelled request goes nowhere if it is still being looked up, or its server stays silent',
  async (t) => {
    const net = new FakeNet(twoServers())
    const early = send(net, request('INVITE', 'sip:example.com'))
    early.outgoing.cancel([])
    t.strictSame(early.told, ['failed 487'])
    await settled()
    t.equal(net.sent.length, 0)
    const silent = send(net, request('INVITE', 'sip:example.com'))
    await settled()
    silent.outgoing.cancel([])
    net.scheduler.advance(4000)
    t.strictSame(silent.told, ['failed 408'])
    t.equal(silent.copies.length, 1)
  },
)

t.test('an INVITE that rings on in spite of its CANCEL is given up after 64*T1', async (t) => {
  const net = new FakeNet()
  const { told, copy, outgoing } = send(net, request('INVITE', 'sip:192.0.2.1'))
  net.answer(copy(0), 180)
  outgoing.cancel([])
  net.scheduler.advance(31_999)
  t.strictSame(told, ['180'])
  net.scheduler.advance(1)
  t.strictSame(told, ['180', 'failed 487'])
  net.scheduler.advance(64_000)
  t.equal(net.table.size, 0)
})

t.test(
  'an INVITE that rings for too long is cancelled: timer C, which all but 100 start again',
  async (t) => {
    const net = new FakeNet()
    const { told, copy } = send(net, request('INVITE', 'sip:192.0.2.1'))
    const untilCancel = (ms: number): void => {
      net.scheduler.advance(ms - 1)
      t.equal(net.log.length, 1)
      net.scheduler.advance(1)
      t.equal(net.log.at(-1), 'CANCEL udp 192.0.2.1:5060')
    }
    net.answer(copy(0), 100)
    net.scheduler.advance(100_000)
    net.answer(copy(0), 183)
    net.scheduler.advance(100_000)
    net.answer(copy(0), 100)
    untilCancel(defaultTiming.timerC - 100_000)
    net.scheduler.advance(24 * 3_600_000)
    t.equal(told.at(-1), 'failed 487')
    t.equal(net.table.size, 0)
    t.equal(net.scheduler.pending, 0)
  },
)

t.test('timer C of one server is not that of the next', async (t) => {
  const net = new FakeNet(twoServers())
  const { copy } = send(net, request('INVITE', 'sip:example.com'))
  await settled()
  net.answer(copy(0), 180)
  net.scheduler.advance(10_000)
  net.answer(copy(0), 503)
  net.answer(copy(1), 100)
  net.scheduler.advance(defaultTiming.timerC - 1)
  t.equal(net.log.at(-1), 'INVITE udp 192.0.2.2:5060')
  net.scheduler.advance(1)
  t.equal(net.log.at(-1), 'CANCEL udp 192.0.2.2:5060')
})

t.test('what is abandoned says no more; only a dialog that comes of it is told', async (t) => {
  const net = new FakeNet()
  const invite = send(net, request('INVITE', 'sip:192.0.2.1'))
  invite.outgoing.abandon()
  net.answer(invite.copy(0), 180)
  t.equal(net.log.at(-1), 'CANCEL udp 192.0.2.1:5060')
  net.answer(invite.copy(0), 200)
  t.strictSame(invite.told, ['200'])
  const options = send(net, request('OPTIONS', 'sip:192.0.2.1'))
  options.outgoing.abandon()
  net.answer(options.copy(0), 200)
  t.strictSame(options.told, [])
  net.scheduler.advance(64_000)
  t.equal(net.table.size, 0)
})

t.test(
  'over a flow: 430 when the connection is gone, before or meanwhile; 408 when it is silent',
  async (t) => {
    const net = new FakeNet()
    const flow = { transport: 'tls', address: '192.0.2.1', port: 40_000 } as const
    net.gone.add('tls 192.0.2.1:40000')
    t.strictSame(send(net, request('INVITE', 'sip:bob@x.invalid'), { flow }).told, ['failed 430'])
    net.gone.clear()
    const lost = send(net, request('INVITE', 'sip:bob@x.invalid'), { flow })
    net.failLast()
    t.strictSame(lost.told, ['failed 430: refused'])
    const silent = send(net, request('INVITE', 'sip:bob@x.invalid'), { flow })
    net.scheduler.advance(32_000)
    t.strictSame(silent.told, ['failed 408'])
    const busy = send(net, request('INVITE', 'sip:bob@x.invalid'), { flow })
    net.answer(busy.copy(0), 503)
    t.strictSame(busy.told, ['503'])
  },
)

t.test('over 1,300 bytes TCP is taken instead of UDP, and Via says so', async (t) => {
  const net = new FakeNet()
  const small = send(net, request('INVITE', 'sip:192.0.2.1', 900))
  t.equal(small.flows[0]?.transport, 'udp')
  const large = send(net, request('INVITE', 'sip:192.0.2.1;transport=udp', 1300))
  t.strictSame(net.log.at(-1), 'INVITE tcp 192.0.2.1:5060')
  t.match(large.copy(0).get('via'), /^SIP\/2\.0\/TCP /)
  t.equal(net.opened.at(-1)?.connectTimeoutMs, 2000, 'a firewall may not hold it up for long')
  net.answer(large.copy(0), 200)
  t.strictSame(large.told, ['200'])
})

t.test('the size counts as it leaves, with Via and what is added for the flow', async (t) => {
  const net = new FakeNet()
  const sendWith = (length: number) =>
    send(net, request('INVITE', 'sip:192.0.2.1'), {
      finish: (copy) => (copy.body = Buffer.alloc(length)),
    })
  const overhead = sendWith(1000).copy(0).serialize().length - 1000
  t.equal(sendWith(1300 - overhead).flows[0]?.transport, 'udp')
  t.equal(sendWith(1301 - overhead).flows[0]?.transport, 'tcp')
})

t.test('who takes no TCP gets it over UDP, now and for the next ten minutes', async (t) => {
  const net = new FakeNet()
  const first = send(net, request('INVITE', 'sip:192.0.2.1', 1300))
  net.failLast(new NotConnected(new Error('refused')))
  t.strictSame(net.log, ['INVITE tcp 192.0.2.1:5060', 'INVITE udp 192.0.2.1:5060'])
  t.equal(net.scheduler.now(), 0)
  net.answer(first.copy(1), 200)
  t.strictSame(first.told, ['200'])
  const second = send(net, request('INVITE', 'sip:192.0.2.1', 1300))
  t.equal(second.flows[0]?.transport, 'udp')
  net.scheduler.advance(600_000)
  const later = send(net, request('INVITE', 'sip:192.0.2.1', 1300))
  t.equal(later.flows[0]?.transport, 'tcp')
})

t.test('a connection that breaks says nothing about the next one', async (t) => {
  const net = new FakeNet()
  const first = send(net, request('INVITE', 'sip:192.0.2.1', 1300))
  net.failLast(new Error('connection closed'))
  t.equal(first.flows[1]?.transport, 'udp')
  const second = send(net, request('INVITE', 'sip:192.0.2.1', 1300))
  t.equal(second.flows[0]?.transport, 'tcp')
})

t.test('what no datagram can hold goes to the servers that take connections', async (t) => {
  const net = new FakeNet(
    new StubDns({
      'NAPTR example.com': [naptr('SIP+D2U', 'u.example.com', 1), naptr('SIP+D2T', 't.example.com', 2)],
      'SRV u.example.com': [srv('a.example.com', 5060)],
      'SRV t.example.com': [srv('b.example.com', 5060)],
      'A a.example.com': ['192.0.2.1'],
      'A b.example.com': ['192.0.2.2'],
    }),
  )
  const { told, copy } = send(net, request('MESSAGE', 'sip:example.com', 65_500))
  await settled()
  net.failLast(new NotConnected(new Error('refused')))
  t.strictSame(net.log, ['MESSAGE tcp 192.0.2.1:5060', 'MESSAGE tcp 192.0.2.2:5060'])
  net.answer(copy(1), 200)
  t.strictSame(told, ['200'])
})

t.test('who takes connections but says nothing gets it over UDP', async (t) => {
  const net = new FakeNet()
  const { told, flows, copy } = send(net, request('INVITE', 'sip:192.0.2.1', 1300))
  net.scheduler.advance(4000)
  t.strictSame(
    flows.map(({ transport }) => transport),
    ['tcp', 'udp'],
  )
  net.answer(copy(1), 200)
  t.strictSame(told, ['200'])
})

t.test('a large request stays on UDP without TCP of our own, and over a flow', async (t) => {
  const without = new FakeNet(new StubDns({}), ['udp'])
  t.equal(send(without, request('INVITE', 'sip:192.0.2.1', 1300)).flows[0]?.transport, 'udp')
  const net = new FakeNet()
  const flow = { transport: 'udp', address: '192.0.2.1', port: 40_000 } as const
  t.equal(send(net, request('INVITE', 'sip:bob@10.0.0.1', 1300), { flow }).flows[0]?.transport, 'udp')
  t.strictSame(send(net, request('INVITE', 'sip:bob@10.0.0.1', 65_500), { flow }).told, ['failed 513'])
})

t.test('the ACK to a 2xx is sent once, to the next server only if it could not leave', async (t) => {
  const net = new FakeNet(twoServers('tcp'))
  const { told } = send(net, request('ACK', 'sip:example.com;transport=tcp'))
  await settled()
  net.scheduler.advance(64_000)
  t.strictSame(net.log, ['ACK tcp 192.0.2.1:5060'])
  send(net, request('ACK', 'sip:example.com;transport=tcp'))
  await settled()
  net.failLast()
  net.scheduler.advance(64_000)
  t.strictSame(net.log.slice(1), ['ACK tcp 192.0.2.1:5060', 'ACK tcp 192.0.2.2:5060'])
  t.equal(net.sent.length, 3)
  t.equal(net.table.size, 0)
  t.strictSame(told, [])
})
