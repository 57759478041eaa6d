import fc from 'fast-check'
import t from 'tap'
import { isNetwork } from '../../src/admin/networks.js'

t.test('networks', async (t) => {
  const good = [
    '0.0.0.0/0',
    '10.0.0.0/8',
    '192.0.2.1/32',
    '192.0.2.128/25',
    '::/0',
    '2001:db8::/32',
    '2001:DB8::1/128',
    '::1/128',
    'fe80::/10',
    '::ffff:192.0.2.0/120',
    '1:2:3:4:5:6:7:8/128',
  ]
  for (const network of good) t.ok(isNetwork(network), network)
})

t.test('no networks', async (t) => {
  const bad = [
    '',
    '/',
    '10.0.0.0',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/08',
    '10.0.0.1/8',
    '256.0.0.0/8',
    '10.0.0/8',
    '10.0.0.0/255.0.0.0',
    '::/129',
    '2001:db8::1/64',
    'fe80::1%eth0/128',
    '::1::/128',
    ' 10.0.0.0/8',
    '10.0.0.0/8\n',
    'a/8',
    '::ffff:192.0.2.1/120',
  ]
  for (const network of bad) t.notOk(isNetwork(network), JSON.stringify(network))
})

t.test('a network is one exactly when no bit is set behind its prefix', async () => {
  fc.assert(
    fc.property(fc.nat({ max: 0xffffffff }), fc.integer({ min: 0, max: 32 }), (address, length) => {
      const text = [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.')
      const rest = BigInt(address) & ((1n << BigInt(32 - length)) - 1n)
      return isNetwork(`${text}/${length}`) === (rest === 0n)
    }),
  )
})
