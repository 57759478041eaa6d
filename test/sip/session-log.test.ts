import t from 'tap'
import { createSessionLog } from '../../src/sip/session-log.js'
import { readConnectionNews, type ConnectionNews } from '../../src/sip/connection-news.js'
import type { NewSipEvent } from '../../src/store/sip-event.js'
import type { Registration, SipAccount } from '../../src/store/types.js'

const account = { id: 7, username: '1007', virtualNumber: '7' } as SipAccount

const asking = (port: number, more: { address?: string; cipher?: string } = {}) => ({
  source: { address: more.address ?? '192.0.2.1', port, transport: 'tls' as const },
  cipher: more.cipher,
  header: (name: string) => (name === 'contact' ? '<sip:7@192.0.2.1>' : 'Phone 1'),
})

const news = (
  state: 'open' | 'closed',
  port: number,
  more: Partial<ConnectionNews> = {},
): ConnectionNews => ({ state, transport: 'tls', address: '192.0.2.1', port, ...more })

function aLog(maxConnections?: number) {
  const events: NewSipEvent[] = []
  let time = 1000
  const log = createSessionLog(
    (event) => events.push(event),
    () => time,
    maxConnections,
  )
  return { log, events, pass: (ms: number) => (time += ms), types: () => events.map(({ type }) => type) }
}

t.test('a connection belongs to the account that registers over it, from its beginning', (t) => {
  const { log, events, pass, types } = aLog()
  log.connection(news('open', 1, { cipher: 'TLSv1.3 AES' }))
  t.same(types(), [], 'nobody is known yet')
  pass(10)
  log.registered(asking(1), account, { added: 1, removed: 0 })
  log.registered(asking(1), account, { added: 0, removed: 0 })
  log.registered(asking(1), account, { added: 0, removed: 1 })
  pass(10)
  log.connection(news('closed', 1, { cipher: 'TLSv1.3 AES', reason: 'idle for too long' }))
  t.same(types(), ['CONNECT', 'REGISTER', 'UNREGISTER', 'DISCONNECT'], 'a refresh is no news')
  t.match(events[0], { at: 1000, accountId: 7, address: '192.0.2.1:1', cipher: 'TLSv1.3 AES' })
  t.match(events[1], { at: 1010, accountId: 7, contact: '<sip:7@192.0.2.1>', userAgent: 'Phone 1' })
  t.match(events[3], { at: 1020, accountId: 7, username: '1007', reason: 'idle for too long' })
  t.equal(new Set(events.map(({ key }) => key)).size, 4)
  t.end()
})

t.test('a flood of connections of strangers makes few entries, which say how many it was', (t) => {
  const { log, events, pass } = aLog()
  for (let n = 0; n < 5000; n++) {
    const address = `10.0.${n >> 8}.${n & 255}`
    log.connection(news('open', n, { address }))
    log.connection(news('closed', n, { address }))
  }
  t.equal(events.length, 200)
  for (let n = 0; n < 5000; n++) {
    log.connection(news('open', n))
    log.connection(news('closed', n))
  }
  t.equal(events.length, 200)
  pass(60_000)
  log.connection(news('open', 1, { address: '10.0.0.1' }))
  log.connection(news('closed', 1, { address: '10.0.0.1' }))
  t.equal(events.length, 202)
  t.equal(
    events.filter(({ type }) => type === 'DISCONNECT').reduce((sum, { count }) => sum + count, 0),
    10_001,
    'all are counted',
  )
  t.end()
})

t.test('the memory of open connections is bounded; who is forgotten is a stranger', (t) => {
  const { log, events, types } = aLog(2)
  for (const port of [1, 2, 3]) log.connection(news('open', port))
  log.registered(asking(1), account, { added: 1, removed: 0 })
  t.same(types(), ['REGISTER'])
  log.connection(news('closed', 1))
  t.match(events[1], { type: 'DISCONNECT', accountId: null })
  t.end()
})

t.test('wrong passwords make few entries, whatever their number', (t) => {
  const { log, events, pass } = aLog()
  for (let n = 0; n < 1000; n++) log.authFailed(asking(n), 'ann', 'wrong password')
  t.equal(events.length, 1)
  pass(60_000)
  log.authFailed(asking(1), 'ann', 'wrong password')
  t.match(events[1], { type: 'AUTH_FAILED', username: 'ann', count: 1000, reason: 'wrong password' })
  for (let n = 0; n < 10_000; n++) log.authFailed(asking(1), `guess ${n}`, 'unknown')
  t.ok(events.length <= 102)
  t.end()
})

t.test('a binding that expired is told of with the time when it did', (t) => {
  const { log, events } = aLog()
  log.expired([
    {
      ...{ accountId: 7, source: '192.0.2.1:5060', transport: 'udp', contact: 'sip:7@x', userAgent: null },
      expiresAt: 500,
    } as Registration,
  ])
  t.match(events[0], { type: 'EXPIRE', at: 500, accountId: 7, address: '192.0.2.1:5060', contact: 'sip:7@x' })
  t.end()
})

t.test('news of connections are read from their event, and nothing else is', (t) => {
  const read = (facts: string, source = 'connection') => readConnectionNews([source, '12:00:00', facts, {}])
  t.same(read('state=open&transport=wss&address=2001%3Adb8%3A%3A1&port=5061&tls=TLSv1.3&cipher=AES'), {
    ...{ state: 'open', transport: 'wss', address: '2001:db8::1', port: 5061, cipher: 'TLSv1.3 AES' },
  })
  t.same(read('state=closed&transport=tcp&address=192.0.2.1&port=1&reason=a%7Cb'), {
    ...{ state: 'closed', transport: 'tcp', address: '192.0.2.1', port: 1, reason: 'a|b' },
  })
  t.equal(read('uas', 'network'), undefined)
  t.equal(read('state=half&address=1&port=1'), undefined)
  t.equal(readConnectionNews([]), undefined)
  t.end()
})
