/** Calls and messages between phones over real sockets, with the real engine and database. */
import t from 'tap'
import type { Phone, ReceivedMessage } from '../../support/phone.js'
import { cancelFor, uriOf, type RequestOptions } from '../../support/sip-text.js'
import { DOMAIN, register, registerOptions, sendAuthenticated, startNetwork, toNumber } from './network.js'

const SDP = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n'

/** A request within the dialog that the caller's 200 made. */
function inDialog(phone: Phone, method: string, cseq: number, call: RequestOptions, answer: ReceivedMessage) {
  const tag = /tag=([^;]+)/.exec(answer.header('to') ?? '')?.[1]
  phone.send(
    phone.request({
      ...call,
      method,
      cseq,
      uri: uriOf(answer.header('contact')),
      to: uriOf(answer.header('to')),
      ...(tag !== undefined && { toTag: tag }),
      route: answer.all('record-route').reverse(),
      headers: {},
    }),
  )
}

t.test('two phones on different transports call each other by number', async (t) => {
  const { person, registered, app } = await startNetwork(t)
  const [ann, bob] = [await person('111'), await person('222', { displayName: 'Bob "the" Builder' })]
  const caller = await registered(bob, 'tcp')
  const callee = await registered(ann, 'udp')
  const headers = {
    'P-Preferred-Identity': '<sip:900@x>',
    y: 'e30.e30.c2ln;info=<https://x/c.pem>',
    'History-Info': '<sip:900@x>;index=1',
    Diversion: '<sip:900@x>;reason=unconditional',
  }
  const call = toNumber(bob, '111', { body: SDP, headers })
  await sendAuthenticated(caller, bob, call)

  const invite = await callee.expect('INVITE')
  t.match(invite.uri, `:${callee.localPort}`, 'the Request-URI is the contact the phone registered')
  t.notMatch(invite.uri, /flow/)
  t.match(invite.header('from'), `"Bob \\"the\\" Builder" <sip:222@${DOMAIN}>;tag=${call.fromTag}`)
  t.equal(invite.header('p-asserted-identity'), `"Bob \\"the\\" Builder" <sip:222@${DOMAIN}>`)
  for (const name of [
    'p-preferred-identity',
    'proxy-authorization',
    'identity',
    'y',
    'history-info',
    'diversion',
  ])
    t.equal(invite.header(name), undefined, `${name} does not travel on`)
  t.equal(invite.body, SDP)

  const contact = `<sip:${ann.username}@127.0.0.1:${callee.localPort}>`
  callee.reply(invite, 180, { contact })
  t.match(
    (await caller.expect(180)).header('from'),
    `sip:${bob.username}@${DOMAIN}`,
    'the caller sees its own From',
  )
  callee.reply(invite, 200, { contact, body: SDP })
  const answer = await caller.expect(200)
  inDialog(caller, 'ACK', 2, call, answer)
  await callee.expect('ACK')
  inDialog(caller, 'BYE', 3, call, answer)
  callee.reply(await callee.expect('BYE'), 200)
  await caller.expect(200)
  while (app.stats.calls.answered === 0) await new Promise((resolve) => setImmediate(resolve))
})

t.test(
  'a call goes on while the application is away, and the next call finds the next application',
  async (t) => {
    const { person, registered, app, restartApp } = await startNetwork(t)
    const [ann, bob] = [await person('111'), await person('222')]
    const caller = await registered(bob)
    const callee = await registered(ann, 'tcp')
    const call = toNumber(bob, '111')
    await sendAuthenticated(caller, bob, call)
    const contact = `<sip:ann@127.0.0.1:${callee.localPort};transport=tcp>`
    callee.reply(await callee.expect('INVITE'), 200, { contact })
    const answer = await caller.expect(200)
    inDialog(caller, 'ACK', 2, call, answer)
    await callee.expect('ACK')
    await app.stop()
    inDialog(caller, 'BYE', 3, call, answer)
    callee.reply(await callee.expect('BYE'), 200)
    await caller.expect(200)

    await restartApp()
    await sendAuthenticated(caller, bob, toNumber(bob, '111'))
    callee.reply(await callee.expect('INVITE'), 486)
    await caller.expect(486)
  },
)

t.test('all three devices ring, one answers, the others are cancelled', async (t) => {
  const { person, registered } = await startNetwork(t)
  const [ann, bob] = [await person('111'), await person('222')]
  const caller = await registered(bob)
  const devices = [await registered(ann), await registered(ann), await registered(ann, 'tcp')] as const
  await sendAuthenticated(caller, bob, toNumber(bob, '111'))
  const invites = await Promise.all(devices.map((device) => device.expect('INVITE')))
  devices.forEach((device, i) => device.reply(invites[i]!, 180))
  await caller.expect(180)
  devices[1].reply(invites[1]!, 200, { contact: `<sip:ann@127.0.0.1:${devices[1].localPort}>` })
  await caller.expect(200)
  for (const i of [0, 2] as const) {
    devices[i].reply(await devices[i].expect('CANCEL'), 200)
    devices[i].reply(invites[i]!, 487)
    await devices[i].expect('ACK')
  }
})

t.test('a caller who gives up stops the ringing', async (t) => {
  const { person, registered, app } = await startNetwork(t)
  const [ann, bob] = [await person('111'), await person('222')]
  const caller = await registered(bob)
  const callee = await registered(ann)
  const { sent } = await sendAuthenticated(caller, bob, toNumber(bob, '111'))
  const invite = await callee.expect('INVITE')
  callee.reply(invite, 180)
  await caller.expect(180)
  caller.send(cancelFor(sent))
  callee.reply(await callee.expect('CANCEL'), 200)
  callee.reply(invite, 487)
  await caller.expect(487)
  while (app.stats.calls.cancelled === 0) await new Promise((resolve) => setImmediate(resolve))
})

t.test('busy is busy, and a call that nobody answers ends with 480', async (t) => {
  const { person, registered, app } = await startNetwork(t, { ringTimeout: 1 })
  const [ann, bob] = [await person('111'), await person('222')]
  const caller = await registered(bob)
  const callee = await registered(ann)
  await sendAuthenticated(caller, bob, toNumber(bob, '111'))
  callee.reply(await callee.expect('INVITE'), 486)
  await caller.expect(486)

  await sendAuthenticated(caller, bob, toNumber(bob, '111'))
  const invite = await callee.expect('INVITE')
  callee.reply(invite, 180)
  callee.reply(await callee.expect('CANCEL'), 200)
  callee.reply(invite, 487)
  await caller.expect(480)
  while (app.stats.calls.no_answer === 0) await new Promise((resolve) => setImmediate(resolve))
  t.match(app.stats.calls, { busy: 1, no_answer: 1 })
})

t.test('a phone behind proxies of its own is called through them (RFC 3327)', async (t) => {
  const { person, phone, registered } = await startNetwork(t)
  const [ann, bob] = [await person('111'), await person('222')]
  const caller = await registered(bob)
  const neighbour = await phone()
  const path = `<sip:127.0.0.1:${neighbour.localPort};lr>`
  const contact = '<sip:ann@192.0.2.9:5099;x=1>'
  const { answer } = await register(neighbour, ann, {
    contact,
    headers: { Supported: 'path', Path: `${path}, <sip:inner.example;lr>` },
  })
  t.match(answer.all('path').join(), path)
  await sendAuthenticated(caller, bob, toNumber(bob, '111'))
  const invite = await neighbour.expect('INVITE')
  t.equal(invite.uri, uriOf(contact), 'the Request-URI is the contact alone')
  t.equal(invite.all('route').join(', '), `${path}, <sip:inner.example;lr>`)
  neighbour.reply(invite, 486)
  await caller.expect(486)
})

t.test('a device whose connection is gone does not spoil the call, and is forgotten', async (t) => {
  const { person, registered, store } = await startNetwork(t)
  const [ann, bob] = [await person('111'), await person('222')]
  const caller = await registered(bob)
  const gone = await registered(ann, 'tcp')
  const alive = await registered(ann, 'udp')
  await gone.close()
  await sendAuthenticated(caller, bob, toNumber(bob, '111'))
  alive.reply(await alive.expect('INVITE'), 486)
  await caller.expect(486)
  for (;;) {
    const bindings = await store.directory.bindings(ann.id)
    if (bindings.length === 1) break
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  t.match(await store.directory.bindings(ann.id), [{ transport: 'udp' }])
})

t.test('failure is clear: 404, 480, 488, 403', async (t) => {
  const { person, registered, store, phone } = await startNetwork(t)
  const bob = await person('222')
  const disabled = await person('333', { enabled: false })
  await person('444', { securityModel: 'end-to-end' })
  await person('555')
  const caller = await registered(bob)
  for (const [number, status] of [
    ['999', 404],
    [bob.username, 404],
    ['333', 480],
    ['444', 488],
    ['555', 480],
  ] as const) {
    await sendAuthenticated(caller, bob, toNumber(bob, number))
    const answer = await caller.expect(status)
    if (status === 488) t.match(answer.header('warning'), /models do not fit/)
  }
  const stranger = await phone()
  await sendAuthenticated(stranger, disabled, toNumber(disabled, '222'))
  await stranger.expect(403)
  caller.send(caller.request({ method: 'INVITE', uri: 'sip:222@elsewhere.example' }))
  await caller.expect(403)
  t.equal(await store.registrations.count(), 1)
})

t.test('a desk phone is served in the networks that are permitted to it, and nowhere else', async (t) => {
  const { person, phone, registered, store } = await startNetwork(t)
  const ann = await person('111', { type: 'deskphone', deny: ['0.0.0.0/0'], permit: ['127.0.0.0/8'] })
  const bob = await person('222')
  const callee = await registered(bob)
  const caller = await registered(ann)
  await sendAuthenticated(caller, ann, toNumber(ann, '222'))
  callee.reply(await callee.expect('INVITE'), 486)
  await caller.expect(486)

  for (const lists of [
    { deny: [], permit: ['192.0.2.0/24', '::/0'] },
    { deny: ['127.0.0.1/32'], permit: [] },
  ]) {
    await store.accounts.update(ann.id, lists)
    await sendAuthenticated(caller, ann, toNumber(ann, '222'))
    const refused = await caller.expect(403)
    t.equal(refused.reason, 'Network Not Permitted')
    t.match(refused.header('warning'), /^399 privateline ".*127\.0\.0\.1/)
    const other = await phone('tcp')
    await sendAuthenticated(other, ann, registerOptions(ann))
    t.match((await other.expect(403)).header('warning'), /may not be used from the network/)
  }
  t.equal(callee.received.filter(({ method }) => method === 'INVITE').length, 1)
  t.equal((await store.directory.bindings(ann.id)).length, 1)
})

t.test('a message arrives with the right sender, and its answer comes back', async (t) => {
  const { person, registered } = await startNetwork(t)
  const [ann, bob] = [await person('111'), await person('222')]
  const sender = await registered(bob)
  const receiver = await registered(ann, 'tcp')
  const message = { method: 'MESSAGE', contentType: 'text/plain', body: 'Grüße 🙂' }
  await sendAuthenticated(sender, bob, toNumber(bob, '111', message))
  const arrived = await receiver.expect('MESSAGE')
  t.equal(arrived.body, 'Grüße 🙂')
  t.match(arrived.header('from'), `sip:222@${DOMAIN}`)
  t.equal(arrived.header('record-route'), undefined)
  receiver.reply(arrived, 200)
  await sender.expect(200)
})

t.test('who asks for privacy is anonymous to the callee', async (t) => {
  const { person, registered } = await startNetwork(t)
  const [ann, bob] = [await person('111'), await person('222')]
  const caller = await registered(bob)
  const callee = await registered(ann)
  await sendAuthenticated(caller, bob, toNumber(bob, '111', { headers: { Privacy: 'id' } }))
  const invite = await callee.expect('INVITE')
  t.match(invite.header('from'), /^"Anonymous" <sip:anonymous@anonymous\.invalid>;tag=/)
  t.equal(invite.header('p-asserted-identity'), undefined)
  callee.reply(invite, 603)
  await caller.expect(603)
})

t.test('a number is reached by every name of the domain, and not in the context of another', async (t) => {
  const { person, registered } = await startNetwork(t)
  const [ann, bob] = [await person('111'), await person('222')]
  const [caller, callee] = [await registered(ann), await registered(bob)]
  for (const uri of [`sip:222@${DOMAIN}.`, `tel:222;phone-context=${DOMAIN}.`, 'tel:2-2-2']) {
    await sendAuthenticated(caller, ann, toNumber(ann, '222', { uri }))
    callee.reply(await callee.expect('INVITE'), 486)
    await caller.expect(486)
  }
  for (const [uri, status] of [
    ['tel:222;phone-context=evil.example', 404],
    [`sips:222@${DOMAIN}`, 480],
  ] as const) {
    await sendAuthenticated(caller, ann, toNumber(ann, '222', { uri }))
    await caller.expect(status)
  }
})

t.test('a phone gets its calls over UDP from the listener at which it registered', async (t) => {
  const udp = { transport: 'udp', host: '127.0.0.1', port: 0 } as const
  const { person, edge } = await startNetwork(t, { listeners: [udp, udp] })
  const [ann, bob] = [await person('111'), await person('222')]
  const [first, second] = edge.listeners
  const caller = await edge.phone('udp', { server: first! })
  const callee = await edge.phone('udp', { server: second! })
  await register(callee, ann)
  const call = toNumber(bob, '111', { body: SDP })
  await sendAuthenticated(caller, bob, call)
  const invite = await callee.expect('INVITE')
  t.equal(invite.source.port, second?.port)
  t.notMatch(invite.uri, /flow/)
  callee.reply(invite, 200, { contact: `<sip:ann@127.0.0.1:${callee.localPort}>`, body: SDP })
  const answer = await caller.expect(200)
  t.equal(answer.source.port, first?.port)
  inDialog(caller, 'ACK', 2, call, answer)
  inDialog(caller, 'BYE', 3, call, answer)
  const bye = await callee.expect('BYE')
  t.equal(bye.source.port, second?.port)
  callee.reply(bye, 200)
  await caller.expect(200)
})
