/** What the session log says of phones over real sockets. */
import t from 'tap'
import { makeSelfSigned } from '../../../src/engine/transport/self-signed.js'
import type { SipEvent } from '../../../src/store/sip-event.js'
import { register, registerOptions, sendAuthenticated, startNetwork, type Network } from './network.js'

/** Waits for so many events, and gives them in the order in which they happened. */
async function logged({ store }: Network, count: number): Promise<SipEvent[]> {
  for (;;) {
    const { items } = await store.sipEvents.list({})
    if (items.length >= count) return items.reverse()
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

t.test('the life of a phone over TLS is in the log, tied to its account', async (t) => {
  const tls = await makeSelfSigned(['localhost'])
  const network = await startNetwork(t, {
    tls,
    listeners: [
      { transport: 'udp', host: '127.0.0.1', port: 0 },
      { transport: 'tls', host: '127.0.0.1', port: 0 },
    ],
  })
  const ann = await network.person('111')
  const phone = await network.registered(ann, 'tls')
  await register(phone, ann, { headers: { Expires: '0' } })
  await phone.close()
  const events = await logged(network, 4)
  t.same(
    events.map(({ type }) => type),
    ['CONNECT', 'REGISTER', 'UNREGISTER', 'DISCONNECT'],
  )
  for (const event of events)
    t.match(event, {
      ...{ accountId: ann.id, username: ann.username, number: '111', groupName: 'Everybody' },
      ...{ transport: 'tls', cipher: /^TLSv1\.3 TLS_/, address: /^127\.0\.0\.1:\d+$/ },
    })
  t.match(events[3]?.reason, /closed by the peer/)
})

t.test('a wrong password is in the log with the account that it was tried on', async (t) => {
  const network = await startNetwork(t)
  const ann = await network.person('111')
  const phone = await network.phone()
  await sendAuthenticated(phone, { ...ann, password: 'wrong' }, registerOptions(ann))
  await phone.expect(403)
  const [failure] = await logged(network, 1)
  t.match(failure, {
    type: 'AUTH_FAILED',
    username: ann.username,
    accountId: ann.id,
    transport: 'udp',
    count: 1,
  })
})
