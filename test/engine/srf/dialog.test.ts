/** Inside a dialog, whichever side began it: requests both ways, re-INVITE, hold, the end. */
import t from 'tap'
import { appSdp, callWith, phoneSdp, type Role } from '../../support/app-call.js'
import { inDialog, sdp } from '../../support/call.js'
import { accept, branchOf, contactOf } from '../../support/callee.js'
import { deferred } from '../../support/deferred.js'
import { onEveryEdge, type Edge } from '../../support/edges.js'
import { param } from '../../support/sip-text.js'
import { isSipError, settled, type AppRequest } from '../../support/srf.js'
import { until } from '../../support/tools.js'

const roles = ['uas', 'uac'] as const

function inEveryRole(name: string, test: (t: Tap, edge: Edge, role: Role) => Promise<void>): void {
  for (const role of roles) onEveryEdge(`${name}, as ${role}`, (t, edge) => test(t, edge, role))
}
type Tap = Parameters<Parameters<typeof onEveryEdge>[1]>[0]

function sendsCredentials(edge: Edge, role: Role): boolean {
  return (
    role === 'uac' ||
    edge.differs('credentials within a dialog that the peer began', { embedded: true, drachtioServer: false })
  )
}

/** A version of the session that differs from what was agreed. */
const changed = (text: string, port: number): string =>
  text.replace(/m=audio \d+/, `m=audio ${port}`).replace('o=- 1 1', 'o=- 1 2')

inEveryRole('requests of the application: each gets its answer, and the next CSeq', async (t, edge, role) => {
  const { app, dialog, phone, side } = await callWith(edge, role)
  let last = role === 'uac' ? parseInt(dialog.req.get('cseq') ?? '') : 0
  for (const method of ['INFO', 'MESSAGE', 'OPTIONS', 'NOTIFY', 'REFER', 'UPDATE']) {
    const asked = dialog.request({
      method,
      headers: {
        'Content-Type': 'text/plain',
        'X-Custom': 'Ä',
        'Refer-To': '<sip:333@localhost>',
        Event: 'refer',
      },
      body: 'hello',
    })
    const received = await accept(phone, method, { headers: { 'X-Answer': 'ö' }, body: 'thanks' })
    const answer = await asked
    t.equal(received.uri, contactOf(phone))
    t.equal(received.header('call-id'), side.callId)
    t.equal(param(received.header('from'), 'tag'), param(side.to, 'tag'))
    t.equal(param(received.header('to'), 'tag'), param(side.from, 'tag'))
    t.equal(received.header('x-custom'), 'Ä')
    t.equal(received.body, 'hello')
    const cseq = parseInt(received.header('cseq') ?? '')
    t.ok(last === 0 || cseq === last + 1, `CSeq ${last} then ${cseq}`)
    last = cseq
    t.match(answer, { status: 200, body: 'thanks' })
    t.equal(answer.get('x-answer'), 'ö')
  }
  t.equal(app.idle, true)
})

inEveryRole('a refusal of a request is a response, not an error', async (t, edge, role) => {
  const { dialog, phone } = await callWith(edge, role)
  const asked = dialog.request({ method: 'INFO' })
  phone.reply(await phone.expect('INFO'), 415)
  t.match(await asked, { status: 415 })
})

inEveryRole('a request that is challenged is sent again with credentials', async (t, edge, role) => {
  const { dialog, phone } = await callWith(edge, role)
  const asked = dialog.request({ method: 'INFO', auth: { username: 'alice', password: 'secret' } })
  const first = await phone.expect('INFO')
  phone.reply(first, 401, { headers: { 'WWW-Authenticate': 'Digest realm="r", nonce="n"' } })
  const second = await accept(phone, 'INFO')
  t.equal(/username="alice"/.test(second.header('authorization') ?? ''), sendsCredentials(edge, role))
  t.equal(parseInt(second.header('cseq') ?? ''), parseInt(first.header('cseq') ?? '') + 1)
  t.match(await asked, { status: 200 })
})

inEveryRole('requests of the phone reach the listeners of their method', async (t, edge, role) => {
  const { dialog, phone, ask } = await callWith(edge, role)
  for (const method of ['INFO', 'MESSAGE', 'OPTIONS', 'NOTIFY', 'REFER', 'UPDATE'] as const) {
    const seen = deferred<AppRequest>()
    const event = method.toLowerCase() as Lowercase<typeof method>
    dialog.on(event, (req, res) => {
      seen.resolve(req)
      res.send(202, { headers: { 'X-Answer': 'ö' }, body: 'thanks' })
    })
    const answer = await ask(method, {
      body: 'hello',
      contentType: 'text/plain',
      headers: { 'Refer-To': '<sip:333@localhost>', Event: 'refer', 'Subscription-State': 'active' },
    })
    t.equal(answer.status, 202, method)
    t.equal(answer.header('x-answer'), 'ö')
    t.equal(answer.body, 'thanks')
    t.match(await seen.promise, { method, body: 'hello', stackDialogId: dialog.id, source: 'network' })
  }
  t.equal(phone.received.filter(({ method }) => method === 'BYE').length, 0)
})

inEveryRole('requests of the phone that nobody listens for are answered with 200', async (t, edge, role) => {
  const { ask } = await callWith(edge, role)
  for (const method of ['INFO', 'MESSAGE', 'OPTIONS', 'NOTIFY', 'REFER'])
    t.equal(
      (await ask(method, { headers: { 'Refer-To': '<sip:3@localhost>', Event: 'refer' } })).status,
      200,
      method,
    )
  t.equal((await ask('UPDATE', { body: phoneSdp })).body, appSdp)
})

inEveryRole('modify: re-INVITE, answer, ACK', async (t, edge, role) => {
  const { app, dialog, phone } = await callWith(edge, role)
  const offer = changed(appSdp, 7000)
  const modifying = dialog.modify(offer, { headers: { 'X-Why': 'codec' } })
  const invite = await phone.expect('INVITE')
  t.equal(invite.body, offer)
  t.equal(invite.header('content-type'), 'application/sdp')
  t.equal(invite.header('x-why'), 'codec')
  t.ok(invite.header('contact'))
  phone.reply(invite, 100)
  phone.reply(invite, 200, { contact: contactOf(phone), body: changed(phoneSdp, 4444) })
  const ack = await phone.expect('ACK')
  t.equal(parseInt(ack.header('cseq') ?? ''), parseInt(invite.header('cseq') ?? ''))
  t.not(branchOf(ack), branchOf(invite))
  t.equal(await modifying, changed(phoneSdp, 4444))
  t.equal(dialog.local.sdp, offer)
  t.equal(dialog.remote.sdp, changed(phoneSdp, 4444))
  t.equal(app.idle, true)
})

inEveryRole('modify to hold and back', async (t, edge, role) => {
  const { dialog, phone } = await callWith(edge, role)
  for (const [step, direction] of [
    ['hold', 'inactive'],
    ['unhold', 'sendrecv'],
  ] as const) {
    const modifying = dialog.modify(step)
    const invite = await accept(phone, 'INVITE', { contact: contactOf(phone), body: phoneSdp })
    t.match(invite.body, `a=${direction}`)
    await phone.expect('ACK')
    await modifying
  }
})

inEveryRole('a re-INVITE that is refused leaves the call as it was', async (t, edge, role) => {
  const { dialog, phone, ask } = await callWith(edge, role)
  const modifying = dialog.modify(changed(appSdp, 7000)).catch((error: unknown) => error)
  const invite = await phone.expect('INVITE')
  phone.reply(invite, 488)
  const ack = await phone.expect('ACK')
  t.equal(branchOf(ack), branchOf(invite))
  const error = await modifying
  t.ok(isSipError(error) && error.status === 488)
  t.equal((await ask('INFO')).status, 200)
})

inEveryRole('a re-INVITE without an offer: the answer goes with the ACK', async (t, edge, role) => {
  const { dialog, phone } = await callWith(edge, role)
  const modifying = dialog.modify({ noAck: true })
  const invite = await phone.expect('INVITE')
  t.equal(invite.body, '')
  phone.reply(invite, 200, { contact: contactOf(phone), body: phoneSdp })
  const { sdp: offered, ack } = await modifying
  t.equal(offered, phoneSdp)
  ack(appSdp)
  t.equal((await phone.expect('ACK')).body, appSdp)
})

inEveryRole(
  'a re-INVITE of the phone: to the listener, or answered with what was agreed',
  async (t, edge, role) => {
    const { dialog, phone, ask, acknowledge } = await callWith(edge, role)
    const acks: AppRequest[] = []
    dialog.on('ack', (ack) => acks.push(ack))
    const unheard = await ask('INVITE', { body: changed(phoneSdp, 4004) })
    t.equal(unheard.status, 200)
    t.equal(unheard.body, appSdp)
    t.ok(unheard.header('contact'))
    acknowledge()
    await until('the ACK', () => acks.length === 1)
    t.equal(dialog.remote.sdp, changed(phoneSdp, 4004))
    dialog.on('modify', (req, res) => {
      t.equal(req.body, changed(phoneSdp, 4006))
      res.send(200, { body: changed(appSdp, 6006) })
    })
    const heard = await ask('INVITE', { body: changed(phoneSdp, 4006) })
    t.equal(heard.body, changed(appSdp, 6006))
    acknowledge()
    await until('the ACK', () => acks.length === 2)
    t.equal(phone.received.filter(({ method }) => method === 'BYE').length, 0)
  },
)

inEveryRole('hold, unhold and refresh of the phone are told apart', async (t, edge, role) => {
  const { dialog, ask, acknowledge } = await callWith(edge, role)
  const events: string[] = []
  for (const event of ['hold', 'unhold'] as const) dialog.on(event, () => events.push(event))
  const onHold = await ask('INVITE', { body: phoneSdp.replace('sendrecv', 'sendonly') })
  t.match(onHold.body, 'a=recvonly')
  t.equal(dialog.onHold, true)
  acknowledge()
  const back = await ask('INVITE', { body: phoneSdp })
  t.match(back.body, 'a=sendrecv')
  t.equal(dialog.onHold, false)
  acknowledge()
  dialog.on('refresh', () => events.push('refresh'))
  t.equal((await ask('INVITE', { body: phoneSdp })).status, 200)
  acknowledge()
  t.strictSame(events, ['hold', 'unhold', 'refresh'])
})

inEveryRole(
  'a re-INVITE of the phone without an offer: ours in the answer, theirs in the ACK',
  async (t, edge, role) => {
    const { dialog, ask, acknowledge } = await callWith(edge, role)
    const acked = deferred<AppRequest>()
    dialog.on('ack', acked.resolve)
    dialog.on('modify', (_, res) => res.send(200, { body: appSdp }))
    t.equal((await ask('INVITE', { body: '' })).body, appSdp)
    acknowledge(sdp)
    t.equal((await acked.promise).body, sdp)
    t.equal(dialog.remote.sdp, sdp)
  },
)

inEveryRole(
  'the phone moves: later requests follow its new contact (RFC 3261 §12.2)',
  async (t, edge, role) => {
    const { dialog, phone, side } = await callWith(edge, role)
    const moved = await edge.phone('udp')
    const contact = contactOf(moved)
    moved.send(inDialog(moved, 'INVITE', side, { cseq: 9, contact, body: phoneSdp }))
    await moved.expect(200)
    moved.send(inDialog(moved, 'ACK', side, { cseq: 9 }))
    const follows = edge.differs('a phone that moves', { embedded: true, drachtioServer: false })
    const [bye] = await Promise.all([accept(follows ? moved : phone, 'BYE'), dialog.destroy()])
    t.equal(bye.uri, contactOf(follows ? moved : phone))
  },
)

inEveryRole('two re-INVITEs that cross are told so (RFC 3261 §14.2)', async (t, edge, role) => {
  const { dialog, phone, ask } = await callWith(edge, role)
  const modifying = dialog.modify(changed(appSdp, 7000))
  const invite = await phone.expect('INVITE')
  const crossing = await ask('INVITE', { body: changed(phoneSdp, 4004) })
  t.equal(crossing.status, edge.differs('re-INVITEs that cross', { embedded: 491, drachtioServer: 200 }))
  phone.reply(invite, 200, { contact: contactOf(phone), body: phoneSdp })
  await phone.expect('ACK')
  await modifying
})

inEveryRole('a CSeq that was there already is refused (RFC 3261 §12.2.2)', async (t, edge, role) => {
  const { dialog, phone, ask, send } = await callWith(edge, role)
  const seen: unknown[] = []
  dialog.on('info', (req, res) => {
    seen.push(req.getParsedHeader('cseq').seq)
    res.send(200)
  })
  await ask('INFO', { cseq: 20 })
  send('INFO', { cseq: 19 })
  const late = await phone.expect((got) => got.header('cseq') === '19 INFO')
  const refused = edge.differs('a CSeq that goes back', { embedded: true, drachtioServer: false })
  t.equal(late.status, refused ? 500 : 200)
  send('INFO', { cseq: 21 })
  await phone.expect((got) => got.header('cseq') === '21 INFO')
  t.strictSame(seen, refused ? [20, 21] : [20, 19, 21])
})

inEveryRole('after BYE nothing more belongs to the dialog', async (t, edge, role) => {
  const { app, dialog, ask } = await callWith(edge, role)
  const ended = deferred<AppRequest>()
  dialog.on('destroy', ended.resolve)
  t.equal((await ask('BYE')).status, 200)
  await ended.promise
  await settled(app)
  t.equal((await ask('BYE')).status, 481)
  t.equal((await ask('INVITE', { body: phoneSdp })).status, 481)
  await t.rejects(dialog.request({ method: 'INFO' }), { code: 'ENODIALOG' })
  await t.rejects(dialog.modify(appSdp), /completed dialog/)
})

inEveryRole('a BYE that is challenged is sent again with credentials', async (t, edge, role) => {
  const { dialog, phone } = await callWith(edge, role)
  const ending = dialog.destroy({ auth: { username: 'alice', password: 'secret' } })
  const first = await phone.expect('BYE')
  phone.reply(first, 407, { headers: { 'Proxy-Authenticate': 'Digest realm="r", nonce="n"' } })
  const second = await accept(phone, 'BYE')
  t.equal(/realm="r"/.test(second.header('proxy-authorization') ?? ''), sendsCredentials(edge, role))
  t.ok(await ending)
})

inEveryRole(
  'a call that the phone knows no more is ended by the application, with a BYE',
  async (t, edge, role) => {
    const { dialog, phone } = await callWith(edge, role)
    const asked = dialog.request({ method: 'INFO' })
    phone.reply(await phone.expect('INFO'), 481)
    t.match(await asked, { status: 481 })
    await Promise.all([accept(phone, 'BYE'), dialog.destroy()])
  },
)

for (const transport of ['tcp', 'tls', 'ws', 'wss'] as const) {
  onEveryEdge(
    `a phone on ${transport} is reached over its own connection inside the dialog`,
    async (t, edge) => {
      const { dialog, phone } = await callWith(edge, 'uas', transport)
      const asked = dialog.request({ method: 'INFO' })
      await accept(phone, 'INFO')
      t.match(await asked, { status: 200 })
      const modifying = dialog.modify(changed(appSdp, 7000))
      await accept(phone, 'INVITE', { contact: contactOf(phone), body: phoneSdp })
      await phone.expect('ACK')
      await modifying
      await Promise.all([accept(phone, 'BYE'), dialog.destroy()])
    },
  )
}

onEveryEdge(
  'the requests of a dialog go to the application that has it, whoever else there is',
  async (t, edge) => {
    const { dialog, ask } = await callWith(edge, 'uas')
    await edge.application((other) => {
      other.info((_, res) => res.send(500))
      other.bye((_, res) => res.send(500))
    })
    const seen: string[] = []
    dialog.on('info', (req, res) => {
      seen.push(req.method)
      res.send(200)
    })
    for (let count = 0; count < 4; count++) t.equal((await ask('INFO')).status, 200)
    t.equal(seen.length, 4)
    t.equal((await ask('BYE')).status, 200)
  },
)

onEveryEdge('a dialog whose application is gone', async (t, edge) => {
  const { app, ask } = await callWith(edge, 'uas')
  const closed = new Promise<void>((resolve) => app.once('close', resolve))
  app.disconnect()
  await closed
  const { status } = await ask('INFO')
  t.equal(status, edge.differs('a dialog whose application is gone', { embedded: 503, drachtioServer: 481 }))
})

t.end()
