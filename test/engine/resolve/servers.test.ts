/** What is remembered of DNS and of servers, for how long, and how much at most. */
import t from 'tap'
import { CachedDns, defaultCacheLimits, type CacheLimits } from '../../../src/engine/resolve/cached-dns.js'
import type { Dns } from '../../../src/engine/resolve/dns.js'
import { Gate } from '../../../src/engine/resolve/gate.js'
import { Recent } from '../../../src/engine/resolve/recent.js'
import { Servers } from '../../../src/engine/resolve/servers.js'
import type { Listener } from '../../../src/engine/transport/transport.js'
import { FakeClock } from '../../support/fake-clock.js'
import { srv, StubDns } from '../../support/stub-dns.js'

function cached(dns: Dns, limits: Partial<CacheLimits> = {}) {
  const clock = new FakeClock()
  return { clock, cache: new CachedDns(dns, clock, { ...defaultCacheLimits, ...limits }) }
}

const never: Dns = { query: () => new Promise(() => {}) }

t.test('an answer holds as long as it says, within bounds', async (t) => {
  const dns = new StubDns({ 'A a.example': ['192.0.2.1'] }, 30)
  const { cache, clock } = cached(dns)
  await cache.query('A', 'a.example')
  clock.advance(29_999)
  t.strictSame((await cache.query('A', 'A.EXAMPLE')).records, ['192.0.2.1'], 'names have no case')
  t.equal(dns.asked.length, 1)
  clock.advance(1)
  await cache.query('A', 'a.example')
  t.equal(dns.asked.length, 2)
  for (const [ttl, holds] of [
    [0, 1000],
    [1_000_000, 3_600_000],
    [undefined, 60_000],
  ] as const) {
    dns.ttl = ttl
    const fresh = cached(dns)
    const before = dns.asked.length
    await fresh.cache.query('A', 'a.example')
    fresh.clock.advance(holds - 1)
    await fresh.cache.query('A', 'a.example')
    t.equal(dns.asked.length, before + 1, `ttl ${ttl}`)
    fresh.clock.advance(1)
    await fresh.cache.query('A', 'a.example')
    t.equal(dns.asked.length, before + 2, `ttl ${ttl}`)
  }
})

t.test('that there is nothing holds for a while, that nobody could be asked for a moment', async (t) => {
  const dns = new StubDns({ 'A broken.example': new Error('SERVFAIL') })
  const { cache, clock } = cached(dns)
  const ask = async (): Promise<number> => {
    await cache.query('A', 'nothing.example')
    await t.rejects(cache.query('A', 'broken.example'))
    return dns.asked.length
  }
  t.equal(await ask(), 2)
  clock.advance(4999)
  t.equal(await ask(), 2)
  clock.advance(1)
  t.equal(await ask(), 3, 'the failed one is asked again')
  clock.advance(25_000)
  t.equal(await ask(), 5)
})

t.test('an answer outlives DNS by a day, that there is nothing does not', async (t) => {
  const dns = new StubDns({ 'A a.example': ['192.0.2.1'] })
  const { cache, clock } = cached(dns)
  const ask = async () => (await cache.query('A', 'a.example')).records
  await ask()
  await cache.query('A', 'b.example')
  dns.table['A a.example'] = new Error('SERVFAIL')
  dns.table['A b.example'] = new Error('SERVFAIL')
  clock.advance(60_000)
  for (let hour = 0; hour < 24; hour++) {
    t.strictSame(await ask(), ['192.0.2.1'])
    const { length } = dns.asked
    clock.advance(4999)
    await ask()
    t.equal(dns.asked.length, length, 'nor is it asked for at each use')
    clock.advance(3_595_001)
    await t.rejects(cache.query('A', 'b.example'))
  }
  await t.rejects(ask(), /SERVFAIL/)
  dns.table['A a.example'] = ['192.0.2.2']
  clock.advance(5000)
  t.strictSame(await ask(), ['192.0.2.2'])
})

t.test('the same question of many at once is asked once', async (t) => {
  const dns = new StubDns({ 'A a.example': ['192.0.2.1'] })
  const { cache } = cached(dns)
  await Promise.all(Array.from({ length: 100 }, () => cache.query('A', 'a.example')))
  t.equal(dns.asked.length, 1)
})

t.test('a look-up without an answer fails in time, and makes room for others', async (t) => {
  const { cache, clock } = cached(never, { atOnce: 1, waiting: 1 })
  const first = t.rejects(cache.query('A', 'a.example'), /too long/)
  const second = t.rejects(cache.query('A', 'b.example'), /too long/)
  await t.rejects(cache.query('A', 'c.example'), /too many/)
  clock.advance(2000)
  await first
  // The second has begun only now: its time runs from here.
  await new Promise(setImmediate)
  clock.advance(2000)
  await second
  await new Promise(setImmediate)
  const third = t.rejects(
    cache.query('A', 'c.example'),
    /too long/,
    'that others took all room is not held against it',
  )
  clock.advance(2000)
  await third
  t.equal(clock.pending, 0)
})

t.test('a flood of foreign names leaves a bounded number of answers behind', async (t) => {
  const dns = new StubDns({})
  const { cache } = cached(dns, { entries: 10 })
  for (let index = 0; index < 50; index++) await cache.query('A', `h${index}.example`)
  await cache.query('A', 'h49.example')
  t.equal(dns.asked.length, 50, 'the newest is still known')
  await cache.query('A', 'h39.example')
  t.equal(dns.asked.length, 51, 'the oldest are forgotten')
})

t.test('an answer of absurd length is cut', async (t) => {
  const dns = new StubDns({
    'A a.example': Array.from({ length: 500 }, (_, index) => `192.0.2.${index % 256}`),
  })
  t.equal((await cached(dns).cache.query('A', 'a.example')).records.length, 32)
})

t.test('a gate lets the next one in whether a task works or throws', async (t) => {
  const gate = new Gate(1, 10)
  const log: string[] = []
  const failing = gate.run(async () => {
    log.push('first')
    throw new Error('it failed')
  })
  const after = gate.run(async () => void log.push('second'))
  await t.rejects(failing, /it failed/)
  await after
  await gate.run(async () => void log.push('third'))
  t.strictSame(log, ['first', 'second', 'third'])
})

t.test(
  'what is remembered for a while is forgotten in time, and the oldest when it is too much',
  async (t) => {
    const clock = new FakeClock()
    const recent = new Recent(clock, 2)
    recent.add('a', 100)
    clock.advance(50)
    recent.add('b', 100)
    t.ok(recent.has('a'))
    clock.advance(50)
    t.notOk(recent.has('a'))
    t.ok(recent.has('b'))
    recent.add('c', 100)
    recent.add('d', 100)
    t.notOk(recent.has('b'), 'only two have room')
    recent.delete('d')
    t.notOk(recent.has('d'))
  },
)

t.test('a server that failed is tried last for a while, or until it answers again', async (t) => {
  const clock = new FakeClock()
  const dns = new StubDns({
    'SRV _sip._udp.example.com': [srv('a.example.com', 5060, 1), srv('b.example.com', 5060, 2)],
    'A a.example.com': ['192.0.2.1'],
    'A b.example.com': ['192.0.2.2'],
  })
  const listener: Listener = { id: 1, transport: 'udp', family: 4, host: '0.0.0.0', port: 5060 }
  const servers = new Servers(
    dns,
    clock,
    () => [listener],
    () => 0,
  )
  const order = async (): Promise<string[]> =>
    (await servers.find('sip:example.com')).map(({ address }) => address)
  const a = { transport: 'udp', address: '192.0.2.1', port: 5060 } as const
  const b = { ...a, address: '192.0.2.2' }
  t.strictSame(await order(), ['192.0.2.1', '192.0.2.2'])
  servers.failed(a)
  t.strictSame(await order(), ['192.0.2.2', '192.0.2.1'])
  servers.failed(b)
  t.strictSame(await order(), ['192.0.2.1', '192.0.2.2'], 'if all have failed, as DNS has it')
  servers.answered(b)
  t.strictSame(await order(), ['192.0.2.2', '192.0.2.1'])
  clock.advance(30_000)
  t.strictSame(await order(), ['192.0.2.1', '192.0.2.2'])
  servers.failed(a, 86_400_000)
  clock.advance(300_000)
  t.strictSame(await order(), ['192.0.2.1', '192.0.2.2'], 'a Retry-After of a day is not believed')
})
