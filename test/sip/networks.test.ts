import t from 'tap'
import fc from 'fast-check'
import { refuseNetwork } from '../../src/sip/networks.js'
import { account, type FakeAccount } from './fake-store.js'

const desk = (more: Partial<FakeAccount>) => account(1, { type: 'deskphone', ...more })

t.test('permit lets in what deny shuts out; without a deny it means these and no others', async (t) => {
  const lan = '10.0.0.0/8'
  const office = '10.1.0.0/16'
  const v6 = '2001:db8::/33'
  for (const [deny, permit, address, allowed] of [
    [[], [], '192.0.2.1', true],
    [[lan], [], '10.1.2.3', false],
    [[lan], [], '11.0.0.0', true],
    [[lan], [], '9.255.255.255', true],
    [[], [lan], '10.255.255.255', true],
    [[], [lan], '11.0.0.0', false],
    [[lan], [office], '10.1.2.3', true],
    [[lan], [office], '10.2.2.3', false],
    [[lan], [office], '192.0.2.1', true],
    [[office], [lan], '10.1.2.3', true],
    [[office], [lan], '192.0.2.1', true],
    [['0.0.0.0/0', '::/0'], [lan], '10.1.2.3', true],
    [['0.0.0.0/0', '::/0'], [lan], '192.0.2.1', false],
    [['0.0.0.0/0', '::/0'], [lan], '2001:db8::1', false],
    [[lan, '192.0.2.1/32'], [], '192.0.2.1', false],
    [[lan, '192.0.2.1/32'], [], '192.0.2.2', true],
    [['0.0.0.0/0'], [], '192.0.2.1', false],
    [['0.0.0.0/0'], [], '2001:db8::1', true],
    [['::/0'], [], '192.0.2.1', true],
    [['::/0'], [], '2001:db8::1', false],
    [[], ['0.0.0.0/0'], '2001:db8::1', false],
    [[v6], [], '2001:db8:7fff::1', false],
    [[v6], [], '2001:db8:8000::1', true],
    [[], [v6], '2001:DB8::1', true],
    [[], [v6, lan], '10.0.0.1', true],
    [[lan], [], '::ffff:10.1.2.3', false],
    [[], [lan], '::ffff:10.1.2.3', true],
    [[], [lan], '::1', false],
    [['fe80::/10'], [], 'fe80::1%eth0', false],
  ] as [string[], string[], string, boolean][]) {
    const reply = refuseNetwork(desk({ deny, permit }), address)
    t.equal(reply === undefined, allowed, `${address} with deny [${deny.join()}] permit [${permit.join()}]`)
    if (reply)
      t.match(reply, { status: 403, headers: { Warning: /^399 privateline ".*desk phone.*network/ } })
  }
})

t.test('the lists are those of desk phones', async (t) => {
  t.equal(refuseNetwork(account(1, { deny: ['0.0.0.0/0'], permit: ['10.0.0.0/8'] }), '192.0.2.1'), undefined)
})

t.test('a list that can not be read lets nobody in', async (t) => {
  for (const network of ['10.0.0.0', '10.0.0.0/33', 'everywhere', '10.0.0.0/', '10.0.0.0/x', ''])
    t.throws(() => refuseNetwork(desk({ deny: [network] }), '192.0.2.1'), network)
})

t.test('an address is in a network if their first bits agree, for any length', async () => {
  const bits = (numbers: readonly number[], width: number) =>
    numbers.map((number) => number.toString(2).padStart(width, '0')).join('')
  for (const { count, width, write } of [
    { count: 4, width: 8, write: (n: readonly number[]) => n.join('.') },
    { count: 8, width: 16, write: (n: readonly number[]) => n.map((one) => one.toString(16)).join(':') },
  ]) {
    // No groups of zeros, which could be an IPv4 address in IPv6 clothes.
    const number = fc.integer({ min: 1, max: 2 ** width - 1 })
    const address = fc.array(number, { minLength: count, maxLength: count })
    fc.assert(
      fc.property(address, fc.nat(count), number, fc.nat(count * width), (network, same, other, length) => {
        const source = network.map((one, i) => (i < same ? one : i === same ? other : one))
        const inside = bits(network, width).slice(0, length) === bits(source, width).slice(0, length)
        const reply = refuseNetwork(desk({ deny: [`${write(network)}/${length}`] }), write(source))
        return (reply !== undefined) === inside
      }),
    )
  }
})
