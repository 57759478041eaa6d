import t from 'tap'
import type { Registration } from '../../src/store/types.js'
import { dialledNumber, refuseDowngrade, refuseWeakCaller, route, targetUri } from '../../src/sip/routing.js'
import { account } from './fake-store.js'
import { binding } from './registers.js'

function registration(contact: string, more: Partial<Registration> = {}): Registration {
  return { ...binding(contact), id: 1, accountId: 2, ...more }
}

t.test('the number dialled is found in every form that phones send', async (t) => {
  for (const [uri, number] of [
    ['sip:111@example.org', '111'],
    ['sips:+49301234@example.org:5061;transport=tls', '+49301234'],
    ['sip:%2B4930@h', '+4930'],
    ['sip:11%31@h', '111'],
    ['sip:111;phone-context=x@h', '111'],
    ['sip:111:password@h', '111'],
    ['sip:+49-(30).12@h;user=phone', '+493012'],
    ['tel:+49-30-(12)34', '+49301234'],
    ['tel:111;phone-context=example.org', '111'],
    ['tel:111;Phone-Context=EXAMPLE.org.', '111'],
    ['tel:111', '111'],
    ['tel:111;phone-context=evil.example', undefined],
    ['tel:111;ext=1;phone-context=evil.example', undefined],
    ['tel:111;phone-context=+49', undefined],
    ['tel:111;phone-context', '111'],
    ['tel:+111;phone-context=evil.example', '+111'],
    ['TEL:+1', '+1'],
    ['sip:1-1@h', undefined],
    ['sip:alice@h', undefined],
    ['sip:h', undefined],
    ['sip:%00111@h', undefined],
    ['sip:%E0%80@h', undefined],
    ['sip:1+1@h', undefined],
    ['sip:+@h', undefined],
    [`sip:${'1'.repeat(40)}@h`, undefined],
    ['tel:', undefined],
    ['mailto:111@h', undefined],
  ] as const)
    t.equal(
      dialledNumber(uri, (domain) => domain === 'example.org'),
      number,
      uri,
    )
})

t.test('a target is the contact as the phone gave it, and the flow that leads there', async (t) => {
  const flow = ';flow=192.0.2.7:5060;flow-transport=udp'
  for (const [contact, expected] of [
    ['sip:a@10.0.0.1:5062', `sip:a@10.0.0.1:5062${flow}`],
    ['sip:10.0.0.1', `sip:10.0.0.1${flow}`],
    ['sip:a%20b:pw@h;ob;x=1', `sip:a%20b:pw@h;ob;x=1${flow}`],
    ['sip:a@h;x=1?Subject=y&Route=z', `sip:a@h;x=1${flow}`],
    ['sips:a@[2001:db8::1]:5061', `sip:a@[2001:db8::1]:5061${flow}`],
    ['sip:a@h;flow=203.0.113.9:25;Flow-Transport=tcp', `sip:a@h${flow}`],
    ['sip:a@h;Flow-Route=%3Csip:evil%3E;flow-route', `sip:a@h${flow}`],
    ['sip:a@h;flow-on=198.51.100.1:5060', `sip:a@h${flow}`],
    ['sip:a@h;flow-q=0.1', `sip:a@h${flow}`],
  ] as const)
    t.equal(targetUri(registration(contact)), expected, contact)
  t.match(
    targetUri(registration('sip:a@h', { source: '[2001:db8::7]:5060', transport: 'wss' })),
    /;flow=\[2001:db8::7\]:5060;flow-transport=wss$/,
  )
  t.equal(targetUri(registration('not a uri')), undefined)
  t.match(targetUri(registration('sip:a@h', { q: 0.5 })), /;flow-q=0\.5$/, 'less preferred than others')
  const known = { receivedOn: '[2001:db8::1]:5060' }
  t.match(targetUri(registration('sip:a@h', known)), /;flow-transport=udp;flow-on=\[2001:db8::1\]:5060$/)
  t.notMatch(
    targetUri(registration('sip:a@h', { ...known, transport: 'tcp' })),
    /flow-on/,
    'a connection is enough',
  )
})

t.test('who registered through proxies is reached through them (RFC 3327)', async (t) => {
  const through = (path: string[], more: Partial<Registration> = {}) =>
    targetUri(registration('sip:a@10.0.0.1:5062', { path, ...more })) ?? ''
  const path = ['<sip:edge.example.org;lr>;x="é,|"', '<sip:t%20k@10.0.0.9:5070;transport=tcp;lr>']
  const route = /;flow-route=([\w.!~*'()%-]+)$/.exec(through(path))?.[1] ?? ''
  t.equal(decodeURIComponent(route), path.join(', '), 'all of them, the topmost first, escaped as one value')
  t.match(through(path), /^sip:a@10\.0\.0\.1:5062;flow=192\.0\.2\.7:5060;flow-transport=udp;/)

  const source = '10.0.0.1:40000'
  t.match(through([], { source }), /;flow=10\.0\.0\.1:5062;/, 'a phone without a NAT listens where it says')
  t.match(through(['<sip:10.0.0.9;lr>'], { source }), /;flow=10\.0\.0\.1:40000;/, 'it is not our neighbour')
  t.match(through(['<sip:10.0.0.1;lr>'], { source }), /;flow=10\.0\.0\.1:5060;/, 'the topmost proxy is')
})

t.test('every failure has its own answer', async (t) => {
  const bound = [registration('sip:a@h')]
  const caller = account(1)
  t.match(route(caller, undefined, []), { reply: { status: 404 } })
  t.match(route(caller, account(2, { enabled: false }), bound), { reply: { status: 480 } })
  t.match(route(caller, account(2), []), { reply: { status: 480 } })
  const refused = route(caller, account(2, { securityModel: 'end-to-end' }), bound)
  t.match(refused, {
    reply: { status: 488, headers: { Warning: /^399 privateline ".*standard.*end-to-end"$/ } },
  })
  t.match(route(caller, account(2), bound), { targets: [{ uri: /^sip:a@h;flow=/ }] })
})

t.test('all devices ring, and the flows of one device count once: the newest', async (t) => {
  const device = (id: number, regId: number) => ({ instance: '<urn:1>', regId, id })
  const way = route(account(1), account(2), [
    registration('sip:a@h', device(5, 1)),
    registration('sip:a@h2', device(4, 2)),
    registration('sip:b@h', { instance: '<urn:2>', id: 3 }),
    registration('sip:c@h', { instance: '<urn:2>', id: 2 }),
    registration('sip:d@h', { id: 1 }),
  ])
  t.strictSame('targets' in way && way.targets.map(({ registration }) => registration.id), [5, 3, 2, 1])
})

t.test('a secure account is never rung over an insecure transport, nor may it call over one', async (t) => {
  for (const securityModel of ['end-to-site', 'end-to-end'] as const) {
    const caller = account(1, { securityModel })
    const callee = account(2, { securityModel })
    const way = route(caller, callee, [
      registration('sip:u@h', { transport: 'udp' }),
      registration('sip:t@h', { transport: 'tls' }),
      registration('sip:w@h', { transport: 'ws' }),
      registration('sip:s@h', { transport: 'wss' }),
    ])
    t.strictSame('targets' in way && way.targets.map(({ registration }) => registration.transport), [
      'tls',
      'wss',
    ])
    t.match(route(caller, callee, [registration('sip:u@h')]), { reply: { status: 480 } })
    t.match(refuseWeakCaller(caller, 'tcp'), { status: 488, headers: { Warning: /TLS or WSS/ } })
    t.equal(refuseWeakCaller(caller, 'wss'), undefined)
  }
  t.equal(refuseWeakCaller(account(1), 'udp'), undefined)
})

t.test('sips: is never downgraded in silence, neither on the way in nor on the way out', async (t) => {
  const refusal = { status: 480, headers: { Warning: /^380 privateline "SIPS Not Allowed: .*TLS or WSS/ } }
  for (const transport of ['udp', 'tcp', 'ws'] as const) {
    t.match(refuseDowngrade('SIPS:222@h', transport), refusal, transport)
    t.equal(refuseDowngrade('sip:222@h', transport), undefined, transport)
  }
  for (const transport of ['tls', 'wss'] as const)
    t.equal(refuseDowngrade('sips:222@h', transport), undefined, transport)

  const bound = (['udp', 'tls', 'tcp', 'wss', 'ws'] as const).map((transport) =>
    registration(`sip:${transport}@h`, { transport }),
  )
  const way = route(account(1), account(2), bound, true)
  t.strictSame('targets' in way && way.targets.map(({ registration }) => registration.transport), [
    'tls',
    'wss',
  ])
  t.match(route(account(1), account(2), [registration('sip:u@h')], true), { reply: refusal })
  t.match(route(account(1), account(2), [], true), { reply: { status: 480, reason: 'Not Registered' } })
})
