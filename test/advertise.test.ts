import t from 'tap'
import { advertise, parseAdvertise } from '../src/advertise.js'
import type { ListenerSpec } from '../src/engine/transport/transport.js'
import { formatHostPort, NotAllowed } from '../src/setting-values.js'

const listeners: ListenerSpec[] = [
  { transport: 'udp', host: '0.0.0.0', port: 5060 },
  { transport: 'udp', host: '10.0.0.1', port: 5070 },
  { transport: 'udp', host: '::', port: 5060 },
  { transport: 'tcp', host: '0.0.0.0', port: 5060 },
]

/** What each listener of the list above advertises under this setting. */
function advertised(text: string): string[] {
  return advertise(listeners, parseAdvertise(text)).map(({ advertise: as }) =>
    as === undefined ? '-' : as.port === undefined ? as.host : formatHostPort({ ...as, port: as.port }),
  )
}

t.test('nothing set: nothing advertised', async (t) => {
  t.same(advertised(''), ['-', '-', '-', '-'])
})

t.test('a plain address is for the listeners of its family, a name for all', async (t) => {
  t.same(advertised('203.0.113.4'), ['203.0.113.4', '203.0.113.4', '-', '203.0.113.4'])
  t.same(advertised('203.0.113.4,[2001:db8::4]'), [
    '203.0.113.4',
    '203.0.113.4',
    '2001:db8::4',
    '203.0.113.4',
  ])
  t.same(advertised('2001:db8::4'), ['-', '-', '2001:db8::4', '-'])
  t.same(advertised('sip.example.org'), Array(4).fill('sip.example.org'))
})

t.test('the closer a pair names a listener, the more it counts', async (t) => {
  t.same(advertised('udp:0.0.0.0:5060=203.0.113.4'), ['203.0.113.4', '-', '-', '-'])
  t.same(advertised('UDP = 203.0.113.4:5062'), [
    '203.0.113.4:5062',
    '203.0.113.4:5062',
    '203.0.113.4:5062',
    '-',
  ])
  t.same(advertised('sip.example.org, udp=203.0.113.4, udp:[::]:5060=[2001:db8::4]:5064'), [
    '203.0.113.4',
    '203.0.113.4',
    '[2001:db8::4]:5064',
    'sip.example.org',
  ])
})

t.test('what cannot be read, fits no listener or competes is refused', async (t) => {
  const wrong = [
    '203.0.113.4:5060',
    'udp=203.0.113.4:0',
    'udp=',
    'sctp=203.0.113.4',
    'udp:5060=203.0.113.4',
    'udp:0.0.0.0:5061=203.0.113.4',
    'tls=203.0.113.4',
    '0.0.0.0',
    'udp=[::]:5060',
    '203.0.113.4,203.0.113.5',
    '203.0.113.4,sip.example.org',
    'udp=203.0.113.4,udp=203.0.113.5',
  ]
  for (const text of wrong) t.throws(() => advertised(text), NotAllowed, text)
})
