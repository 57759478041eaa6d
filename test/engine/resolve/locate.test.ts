/** RFC 3263 §4 by table: which servers a URI means, given what DNS says and what we can speak. */
import t from 'tap'
import { locate } from '../../../src/engine/resolve/locate.js'
import { inSrvOrder } from '../../../src/engine/resolve/srv-order.js'
import type { TransportName } from '../../../src/engine/transport/transport.js'
import { naptr, srv, StubDns } from '../../support/stub-dns.js'

const all: TransportName[] = ['udp', 'tcp', 'tls', 'ws', 'wss']

function find(uri: string, dns = new StubDns({}), have = all, families: readonly (4 | 6)[] = [4]) {
  const listeners = have.flatMap((transport) => families.map((family) => ({ transport, family })))
  return locate(uri, { dns, listeners, random: () => 0 })
}

/** `udp 192.0.2.1 5060`, and behind it whom the certificate is for. */
async function servers(...wanted: Parameters<typeof find>): Promise<string[]> {
  return (await find(...wanted)).map(({ transport, address, port, serverName = '' }) =>
    `${transport} ${address} ${port} ${serverName}`.trim(),
  )
}

t.test('an address is taken as it is, at once and without DNS', async (t) => {
  for (const [uri, expected] of [
    ['sip:bob@192.0.2.1', 'udp 192.0.2.1 5060'],
    ['sip:bob@192.0.2.1:5070;transport=TCP', 'tcp 192.0.2.1 5070'],
    ['sip:bob@192.0.2.1;transport=tls', 'tls 192.0.2.1 5061'],
    ['sip:bob@192.0.2.1;transport=ws', 'ws 192.0.2.1 80'],
    ['sips:bob@192.0.2.1', 'tls 192.0.2.1 5061'],
    ['sips:bob@192.0.2.1;transport=tcp', 'tls 192.0.2.1 5061'],
    ['sips:bob@192.0.2.1;transport=ws', 'wss 192.0.2.1 443'],
    ['sip:bob@[2001:db8::1]', 'udp 2001:db8::1 5060'],
    ['sip:bob@example.com;maddr=192.0.2.9', 'udp 192.0.2.9 5060 example.com'],
  ] as const) {
    const dns = new StubDns({})
    t.ok(Array.isArray(find(uri, dns)), uri)
    t.strictSame(await servers(uri, dns), [expected], uri)
    t.strictSame(dns.asked, [])
  }
})

t.test('what can be no next hop has no server', async (t) => {
  for (const uri of [
    'tel:+4930123',
    'sips:bob@192.0.2.1;transport=udp',
    'sip:bob@192.0.2.1;transport=sctp',
    'sip:bob@x7f3.invalid',
    'nonsense',
  ]) {
    t.strictSame(await servers(uri), [], uri)
  }
  t.strictSame(await servers('sips:bob@192.0.2.1', new StubDns({}), ['udp', 'tcp']), [], 'we have no TLS')
})

t.test('with a port only the addresses are asked for', async (t) => {
  const dns = new StubDns({ 'A pbx.example.com': ['192.0.2.1', '192.0.2.2'] })
  t.strictSame(await servers('sip:pbx.example.com:5080;transport=tcp', dns), [
    'tcp 192.0.2.1 5080 pbx.example.com',
    'tcp 192.0.2.2 5080 pbx.example.com',
  ])
  t.strictSame(dns.asked, ['A pbx.example.com'])
})

t.test('with a transport its SRV records are asked for, without them the addresses', async (t) => {
  const dns = new StubDns({
    'SRV _sip._tcp.example.com': [srv('b.example.com', 5070, 20), srv('a.example.com', 5060, 10)],
    'A a.example.com': ['192.0.2.1'],
    'A b.example.com': ['192.0.2.2'],
    'A example.com': ['192.0.2.9'],
  })
  t.strictSame(await servers('sip:example.com;transport=tcp', dns), [
    'tcp 192.0.2.1 5060 example.com',
    'tcp 192.0.2.2 5070 example.com',
  ])
  t.notOk(dns.asked.some((question) => question.startsWith('NAPTR')))
  t.strictSame(await servers('sip:example.com;transport=udp', dns), ['udp 192.0.2.9 5060 example.com'])
  t.strictSame(await servers('sip:example.com;transport=ws', dns), ['ws 192.0.2.9 80 example.com'])
})

t.test('NAPTR decides on the transport, by order and preference, among those that we have', async (t) => {
  const dns = new StubDns({
    'NAPTR example.com': [
      naptr('SIP+D2U', '_sip._udp.example.com', 30),
      naptr('SIP+D2T', '_sip._tcp.example.com', 20),
      naptr('SIPS+D2T', '_sips._tcp.example.com', 20, 5),
      naptr('SIPS+D2W', 'ws.example.com', 40),
      naptr('SIP+D2S', '_sip._sctp.example.com', 1),
      naptr('E2U+sip', '', 1, 1, 'u'),
    ],
    'SRV _sip._udp.example.com': [srv('u.example.com', 5060)],
    'SRV _sip._tcp.example.com': [srv('t.example.com', 5060)],
    'SRV _sips._tcp.example.com': [srv('s.example.com', 5061)],
    'SRV ws.example.com': [srv('w.example.com', 443)],
    'A u.example.com': ['192.0.2.1'],
    'A t.example.com': ['192.0.2.2'],
    'A s.example.com': ['192.0.2.3'],
    'A w.example.com': ['192.0.2.4'],
  })
  t.strictSame(await servers('sip:bob@Example.com', dns), [
    'tls 192.0.2.3 5061 example.com',
    'tcp 192.0.2.2 5060 example.com',
    'udp 192.0.2.1 5060 example.com',
  ])
  t.strictSame(await servers('sip:example.com', dns, ['udp', 'ws']), ['udp 192.0.2.1 5060 example.com'])
  t.strictSame(
    await servers('sips:example.com', dns),
    ['tls 192.0.2.3 5061 example.com', 'wss 192.0.2.4 443 example.com'],
    'sips takes none without TLS',
  )
})

t.test('without NAPTR the SRV records of each transport that we have are asked for', async (t) => {
  const dns = new StubDns({
    'SRV _sip._tcp.example.com': [srv('t.example.com', 5060)],
    'SRV _sips._tcp.example.com': [srv('s.example.com', 5061)],
    'A t.example.com': ['192.0.2.2'],
    'A s.example.com': ['192.0.2.3'],
  })
  t.strictSame(await servers('sip:example.com', dns), [
    'tcp 192.0.2.2 5060 example.com',
    'tls 192.0.2.3 5061 example.com',
  ])
  t.strictSame(await servers('sips:example.com', dns), ['tls 192.0.2.3 5061 example.com'])
})

t.test('without any of it the name itself is the server', async (t) => {
  const dns = new StubDns({ 'A example.com': ['192.0.2.9'] })
  t.strictSame(await servers('sip:example.com', dns), ['udp 192.0.2.9 5060 example.com'])
  t.strictSame(await servers('sips:example.com', dns), ['tls 192.0.2.9 5061 example.com'])
  t.strictSame(await servers('sip:example.com', dns, ['tcp']), ['tcp 192.0.2.9 5060 example.com'])
})

t.test('a look-up that fails counts as one that finds nothing', async (t) => {
  const dns = new StubDns({
    'NAPTR example.com': new Error('SERVFAIL'),
    'SRV _sip._udp.example.com': new Error('SERVFAIL'),
    'A example.com': ['192.0.2.9'],
  })
  t.strictSame(await servers('sip:example.com', dns), ['udp 192.0.2.9 5060 example.com'])
})

t.test('a domain that says it has no such service is believed', async (t) => {
  const dns = new StubDns({
    'SRV _sip._udp.example.com': [srv('.', 0)],
    'A example.com': ['192.0.2.9'],
  })
  t.strictSame(await servers('sip:example.com;transport=udp', dns), [])
})

t.test('addresses of the families that we have, in the order of our listeners', async (t) => {
  const dns = new StubDns({ 'A example.com': ['192.0.2.9'], 'AAAA example.com': ['2001:db8::9'] })
  const uri = 'sip:example.com:5060'
  t.strictSame(await servers(uri, dns), ['udp 192.0.2.9 5060 example.com'])
  t.strictSame(await servers(uri, dns, ['udp'], [6, 4]), [
    'udp 2001:db8::9 5060 example.com',
    'udp 192.0.2.9 5060 example.com',
  ])
})

t.test('what DNS does not know, the system may: /etc/hosts, search domains', async (t) => {
  const dns = new StubDns({ 'HOST pbx': ['2001:db8::7', '192.0.2.7'] })
  t.strictSame(await servers('sip:pbx:5070', dns), ['udp 192.0.2.7 5070 pbx'])
})

t.test('localhost is this machine, and nobody is asked (RFC 6761)', async (t) => {
  const dns = new StubDns({})
  t.strictSame(await servers('sip:localhost', dns), ['udp 127.0.0.1 5060 localhost'])
  t.strictSame(dns.asked, [])
})

t.test('a zone that names hundreds of servers makes few look-ups and few attempts', async (t) => {
  const many = Array.from({ length: 100 }, (_, index) => index)
  const dns = new StubDns({
    'SRV _sip._udp.example.com': many.map((index) => srv(`h${index}.example.com`, 5060, index)),
    ...Object.fromEntries(
      many.map((index) => [`A h${index}.example.com`, many.map((last) => `192.0.${index}.${last}`)]),
    ),
  })
  t.ok((await servers('sip:example.com;transport=udp', dns)).length <= 10)
  t.ok(dns.asked.length <= 20)
})

t.test('SRV: priority first, within one at random in proportion to weight (RFC 2782)', async (t) => {
  const records = [srv('c', 1, 20, 0), srv('a', 1, 10, 1), srv('b', 1, 10, 3), srv('z', 1, 10, 0)]
  const names = (random: () => number): string =>
    inSrvOrder(records, random)
      .map(({ target }) => target)
      .join('')
  t.equal(
    names(() => 0),
    'zabc',
    'the smallest number chooses the one of weight 0',
  )
  t.equal(
    names(() => 0.99),
    'bazc',
  )
  let seed = 1
  const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647
  const first = { a: 0, b: 0, z: 0 } as Record<string, number>
  for (let round = 0; round < 5000; round++) {
    const name = names(random).charAt(0)
    first[name] = (first[name] ?? 0) + 1
  }
  // Running sums 0, 1, 4 of numbers 0 to 4: one fifth, one fifth, three fifths.
  t.ok(Math.abs((first['b'] ?? 0) - 3000) < 200, `b was first ${first['b']} times of 5000`)
  t.ok(Math.abs((first['a'] ?? 0) - 1000) < 200, `a was first ${first['a']} times of 5000`)
})
