/** Phones register over real sockets, with the real engine and database. */
import t from 'tap'
import { digestAuthorization, newCallId } from '../../support/sip-text.js'
import { DOMAIN, hashes, register, registerOptions, sendAuthenticated, startNetwork } from './network.js'

t.test('a 200 means that the binding is in the database, with the flow back to the phone', async (t) => {
  const { person, phone, store } = await startNetwork(t)
  const ann = await person('111')
  for (const transport of ['udp', 'tcp'] as const) {
    const own = await phone(transport)
    const { answer, challenge } = await register(own, ann, { headers: { 'User-Agent': 'Fon 1' } })
    t.match(challenge.all('www-authenticate'), [/SHA-256/, /MD5/], 'challenges on lines of their own')
    t.match(answer.all('contact').join(), `:${own.localPort}`)
    const { items } = await store.registrations.list({ search: ann.username })
    const bound = items.find(({ source }) => source === `127.0.0.1:${own.localPort}`)
    t.match(bound, { transport, userAgent: 'Fon 1', virtualNumber: '111', q: 1 })
  }
  t.equal(await store.registrations.count(), 2)
})

t.test(
  'a refresh with the nonce it has costs one round trip; its replay is challenged, not accepted',
  async (t) => {
    const { person, phone } = await startNetwork(t)
    const ann = await person('111')
    const own = await phone()
    const callId = newCallId()
    const { challenge } = await register(own, ann, { callId })
    const credentials = digestAuthorization(challenge.header('www-authenticate') ?? '', {
      ...ann,
      method: 'REGISTER',
      uri: `sip:${DOMAIN}`,
      nc: 2,
    })
    const refresh = { ...registerOptions(ann, { callId }), headers: { Authorization: credentials } }
    own.send(own.request({ ...refresh, cseq: 3 }))
    await own.expect(200)
    own.send(own.request({ ...refresh, cseq: 4 }))
    t.match((await own.expect(401)).header('www-authenticate'), /stale=true/)
  },
)

t.test('unregistering one device leaves the other, the star removes all', async (t) => {
  const { person, registered, phone, store } = await startNetwork(t)
  const ann = await person('111')
  const first = await registered(ann)
  await registered(ann, 'tcp')
  await register(first, ann, { headers: { Expires: 0 } })
  t.strictSame(
    (await store.directory.bindings(ann.id)).map(({ transport }) => transport),
    ['tcp'],
  )
  await register(await phone(), ann, { contact: '*', headers: { Expires: 0 } })
  t.strictSame(await store.directory.bindings(ann.id), [])
})

t.test('wrong password and unknown user end with the same 403', async (t) => {
  const { person, phone } = await startNetwork(t)
  const ann = await person('111')
  const own = await phone()
  for (const who of [
    { ...ann, password: 'no' },
    { ...ann, username: '4711', password: 'no' },
  ]) {
    await sendAuthenticated(own, who, registerOptions(ann))
    t.equal((await own.expect(403)).startLine, 'SIP/2.0 403 Forbidden')
  }
})

t.test(
  'a changed password, a disabled and a deleted account are refused on the very next request',
  async (t) => {
    const { person, registered, store } = await startNetwork(t)
    const ann = await person('111')
    const own = await registered(ann)
    await store.accounts.update(ann.id, { hashes: hashes(ann.username, 'new') })
    t.strictSame(await store.directory.bindings(ann.id), [], 'the bindings are gone')
    await sendAuthenticated(own, ann, registerOptions(ann))
    await own.expect(403)
    const renewed = { ...ann, password: 'new' }
    await register(own, renewed)
    await store.accounts.update(ann.id, { enabled: false })
    await sendAuthenticated(own, renewed, registerOptions(ann))
    t.equal((await own.expect(403)).reason, 'Account Disabled')
    await store.accounts.delete(ann.id)
    await sendAuthenticated(own, renewed, registerOptions(ann))
    t.equal((await own.expect(403)).reason, 'Forbidden')
  },
)

t.test('registrations that arrive together are all answered and all stored', async (t) => {
  const { person, phone, store } = await startNetwork(t)
  const people = await Promise.all(Array.from({ length: 40 }, (_, i) => person(String(200 + i))))
  await Promise.all(people.map(async (one) => register(await phone(), one)))
  t.equal(await store.registrations.count(), 40)
})

t.test('eleven phones of one account: ten are bound, the last is told why not', async (t) => {
  const { person, registered, phone, store } = await startNetwork(t)
  const ann = await person('111')
  await Promise.all(Array.from({ length: 10 }, () => registered(ann)))
  const last = await phone()
  await sendAuthenticated(last, ann, registerOptions(ann))
  t.match((await last.expect(403)).header('warning'), /No more than 10 devices/)
  t.equal((await store.directory.bindings(ann.id)).length, 10)
})

t.test('a phone with instance and reg-id that comes back from another port has one binding', async (t) => {
  const { person, phone, store } = await startNetwork(t)
  const ann = await person('111')
  for (let i = 0; i < 2; i++) {
    const own = await phone('tcp')
    const contact = `<sip:${ann.username}@127.0.0.1:${own.localPort};transport=tcp>;reg-id=1;+sip.instance="<urn:uuid:1>"`
    const { answer } = await register(own, ann, { contact, headers: { Supported: 'outbound, path' } })
    t.equal(answer.header('require'), 'outbound')
    t.match(await store.directory.bindings(ann.id), [{ source: `127.0.0.1:${own.localPort}`, regId: 1 }])
  }
})

t.test('an app that loses its connection again and again does not lock itself out', async (t) => {
  const { person, phone, store } = await startNetwork(t)
  for (const [number, instance, left] of [
    ['111', ';+sip.instance="<urn:uuid:1>"', 1],
    ['222', '', 10],
  ] as const) {
    const ann = await person(number)
    for (let i = 0; i < 12; i++) {
      const own = await phone('tcp')
      const contact = `<sip:${ann.username}@127.0.0.1:${own.localPort};transport=tcp>${instance}`
      await register(own, ann, { contact, headers: { 'User-Agent': 'App 1' } })
      const bindings = await store.directory.bindings(ann.id)
      t.equal(bindings[0]?.source, `127.0.0.1:${own.localPort}`)
      await own.close()
    }
    t.equal((await store.directory.bindings(ann.id)).length, left)
  }
})

t.test('a phone that gives the address of the server as its own is told so', async (t) => {
  const { person, phone, edge, store } = await startNetwork(t)
  const ann = await person('111')
  for (const transport of ['udp', 'tcp'] as const) {
    const contact = `<sip:111@127.0.0.1:${edge.port(transport)}>`
    const own = await phone(transport)
    await sendAuthenticated(own, ann, registerOptions(ann, { contact }))
    t.equal((await own.expect(403)).reason, 'Contact Is This Server')
  }
  t.equal(await store.registrations.count(), 0)
})
