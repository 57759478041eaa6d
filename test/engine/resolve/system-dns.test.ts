/** Node's resolver against a name server on loopback. */
import t from 'tap'
import { SystemDns } from '../../../src/engine/resolve/system-dns.js'
import { startDnsServer } from '../../support/dns-server.js'
import { naptr, srv } from '../../support/stub-dns.js'

t.test('each kind of record is read, with its time where Node tells it', async (t) => {
  const server = await startDnsServer(t, {
    'example.com': {
      A: ['192.0.2.1', '192.0.2.2'],
      AAAA: ['2001:db8:0:0:0:0:0:1'],
      NAPTR: [naptr('SIP+D2U', '_sip._udp.example.com', 1, 2)],
      ttl: 300,
    },
    '_sip._udp.example.com': { SRV: [srv('a.example.com', 5070, 3, 4), srv('.', 0)] },
  })
  const dns = new SystemDns([server.address])
  t.strictSame(await dns.query('A', 'example.com'), { records: ['192.0.2.1', '192.0.2.2'], ttl: 300 })
  t.strictSame(await dns.query('AAAA', 'example.com'), { records: ['2001:db8::1'], ttl: 300 })
  t.match(await dns.query('NAPTR', 'example.com'), {
    records: [naptr('SIP+D2U', '_sip._udp.example.com', 1, 2)],
    ttl: undefined,
  })
  t.strictSame(await dns.query('SRV', '_sip._udp.example.com'), {
    records: [srv('a.example.com', 5070, 3, 4), srv('', 0)],
    ttl: undefined,
  })
})

t.test('no such name and no such record are empty answers; silence is a failure, soon', async (t) => {
  const server = await startDnsServer(t, { 'example.com': { A: ['192.0.2.1'] } })
  const dns = new SystemDns([server.address], 50)
  t.strictSame(await dns.query('A', 'nowhere.example'), { records: [], ttl: undefined })
  t.strictSame(await dns.query('SRV', 'example.com'), { records: [], ttl: undefined })
  server.silent = true
  const start = performance.now()
  await t.rejects(dns.query('A', 'slow.example'), { code: 'ETIMEOUT' })
  t.ok(performance.now() - start < 1000)
})

t.test('the system is asked for what only it knows', async (t) => {
  const found = await new SystemDns().query('HOST', 'localhost')
  t.ok(found.records.some((address) => address === '127.0.0.1' || address === '::1'))
})
