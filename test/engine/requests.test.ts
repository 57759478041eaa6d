/**
 * Requests of an application against phones that misbehave, fork, fall silent or vanish, and applications that do. What
 * drachtio-srf's API promises is tested on both edges in srf/.
 */
import t from 'tap'
import type { Test } from 'tap'
import type { Engine } from '../../src/engine/engine.js'
import type { Dns } from '../../src/engine/resolve/dns.js'
import { answer, branchOf, contactOf, takeCall } from '../support/callee.js'
import { calleeSide, callerSide, inDialog, sdp } from '../support/call.js'
import { deferred } from '../support/deferred.js'
import { startEdge, targetOf, type TestEdge } from '../support/edge.js'
import { FakeClock } from '../support/fake-clock.js'
import { createPhone, type Phone, type ReceivedMessage } from '../support/phone.js'
import { digestAuthorization, param, uriOf } from '../support/sip-text.js'
import {
  isSipError,
  type App,
  type AppRequest,
  type AppResponse,
  type Dialog,
  type SipError,
} from '../support/srf.js'
import { until } from '../support/tools.js'

/** Nobody waits for it. */
const fourHours = 4 * 3600_000

interface Setting {
  edge: TestEdge
  app: App
  clock: FakeClock
  phone: Phone
}

/** Time stands still, so that nothing is sent twice unless a test lets it pass. */
async function set(t: Test, transport: 'udp' | 'tcp' = 'udp', more: { dns?: Dns } = {}): Promise<Setting> {
  const clock = new FakeClock()
  const edge = await startEdge(t, { scheduler: clock, ...more })
  const app = await applicationOn(edge)
  return { edge, app, clock, phone: await edge.phone(transport) }
}

async function applicationOn(edge: TestEdge): Promise<App> {
  return (await edge.application()) as unknown as App
}

/** How a call failed. */
function failure(call: Promise<unknown>): Promise<SipError> {
  return call.then(
    () => Promise.reject(new Error('it has succeeded')),
    (error: SipError) => error,
  )
}

/** A 2xx of another fork than the one that the phone's other answers are of. */
function answerAs(phone: Phone, invite: ReceivedMessage, toTag: string): void {
  answer(phone, invite, { toTag, contact: contactOf(phone, toTag) })
}

function requestsOf(phone: Phone, method: string): ReceivedMessage[] {
  return phone.received.filter((message) => message.method === method)
}

const noDialogs =
  (engine: Engine): (() => boolean) =>
  () =>
    engine.stats().dialogs === 0

t.test('every fork that answers too is acknowledged and told that nobody wants it', async (t) => {
  const { app, phone, edge, clock } = await set(t)
  const calling = app.createUAC(contactOf(phone), { localSdp: sdp })
  const invite = await phone.expect('INVITE')
  for (const toTag of ['one', 'two']) phone.reply(invite, 180, { toTag, contact: contactOf(phone, toTag) })
  answerAs(phone, invite, 'two')
  t.equal(uriOf((await phone.expect('ACK')).uri), contactOf(phone, 'two'))
  const dialog = await calling
  t.equal(dialog.sip.remoteTag, 'two')
  for (const toTag of ['one', 'three']) {
    answerAs(phone, invite, toTag)
    const ack = await phone.expect('ACK')
    t.match(ack, { uri: contactOf(phone, toTag) })
    t.equal(ack.header('cseq'), '1 ACK')
    const bye = await phone.expect('BYE')
    t.equal(param(bye.header('to'), 'tag'), toTag)
    phone.reply(bye, 200)
    answerAs(phone, invite, toTag)
    t.equal(branchOf(await phone.expect('ACK')), branchOf(ack), 'repeated for a repeated answer')
  }
  t.equal(requestsOf(phone, 'BYE').length, 2)
  t.equal(app.findDialogById(dialog.id), dialog)
  clock.advance(fourHours)
  t.equal(edge.engine.stats().dialogs, 1)
  t.equal(edge.engine.stats().transactions, 0)
})

t.test('reliable provisional responses of two forks: each PRACK goes to its fork, once', async (t) => {
  const { app, phone } = await set(t)
  const seen: number[] = []
  const calling = app.createUAC(
    contactOf(phone),
    { localSdp: sdp, headers: { Supported: '100rel' } },
    { cbProvisional: ({ status }) => seen.push(status) },
  )
  const invite = await phone.expect('INVITE')
  const ring = (toTag: string, status: number, rseq: number): string =>
    phone.reply(invite, status, {
      toTag,
      contact: contactOf(phone, toTag),
      headers: { Require: '100rel', RSeq: rseq },
    })
  for (const toTag of ['one', 'two']) {
    ring(toTag, 183, 7)
    const prack = await phone.expect('PRACK')
    t.equal(prack.uri, contactOf(phone, toTag))
    t.equal(param(prack.header('to'), 'tag'), toTag)
    t.equal(prack.header('rack'), '7 1 INVITE')
    t.equal(prack.header('cseq'), '2 PRACK')
    phone.reply(prack, 200)
  }
  // Repeated, and one ahead of one that was lost: RFC 3262 §4.
  ring('one', 183, 7)
  ring('one', 180, 9)
  ring('one', 181, 8)
  const prack = await phone.expect('PRACK')
  t.equal(prack.header('rack'), '8 1 INVITE')
  phone.reply(prack, 200)
  t.strictSame(seen, [183, 183, 181])
  answerAs(phone, invite, 'two')
  await phone.expect('ACK')
  t.equal((await calling).sip.remoteTag, 'two')
})

t.test('an answer that the application never acknowledges is acknowledged and ended', async (t) => {
  const { app, phone, edge, clock } = await set(t)
  const told = deferred<AppRequest>()
  app.use('bye', (req) => told.resolve(req))
  const request = await app.request(contactOf(phone), { method: 'INVITE', body: sdp })
  const answered = new Promise<AppResponse>((resolve) => request.on('response', (res) => resolve(res)))
  const invite = await phone.expect('INVITE')
  answer(phone, invite)
  const { stackDialogId } = await answered
  t.equal(stackDialogId, `${invite.header('call-id')};from-tag=${param(invite.header('from'), 'tag')}`)
  clock.advance(31_000)
  t.equal(requestsOf(phone, 'ACK').length, 0)
  clock.advance(1000)
  await phone.expect('ACK')
  phone.reply(await phone.expect('BYE'), 200)
  t.match(await told.promise, { source: 'application', stackTxnId: 'unsolicited', stackDialogId })
  t.ok(noDialogs(edge.engine)())
})

t.test('a cancelled call that nobody ever answers ends, whatever the phone does', async (t) => {
  for (const reaction of ['nothing', 'late ringing', 'ringing on'] as const) {
    await t.test(reaction, async (t) => {
      const { app, phone, edge, clock } = await set(t)
      const request = deferred<AppRequest>()
      const ringing = deferred<AppResponse>()
      const outcome = failure(
        app.createUAC(
          contactOf(phone),
          { localSdp: sdp },
          { cbRequest: (_, sent) => request.resolve(sent), cbProvisional: ringing.resolve },
        ),
      )
      const invite = await phone.expect('INVITE')
      if (reaction === 'ringing on') {
        phone.reply(invite, 180)
        await ringing.promise
      }
      const cancelled = deferred<unknown>()
      ;(await request.promise).cancel((error) => cancelled.resolve(error))
      t.equal(await cancelled.promise, null)
      if (reaction === 'ringing on') phone.reply(await phone.expect('CANCEL'), 200)
      clock.advance(33_000)
      t.match(await outcome, { status: reaction === 'ringing on' ? 487 : 408 })
      if (reaction === 'late ringing') {
        phone.reply(invite, 180)
        t.equal(requestsOf(phone, 'CANCEL').length, 0, 'timer B has ended the transaction')
      }
      clock.advance(fourHours)
      t.match(edge.engine.stats(), { transactions: 0, dialogs: 0 })
      t.equal(app.idle, true)
    })
  }
})

t.test('a transaction that has its final response can not be cancelled any more', async (t) => {
  const { app, phone } = await set(t)
  const request = await app.request(contactOf(phone), { method: 'INVITE', body: sdp })
  phone.reply(await phone.expect('INVITE'), 486)
  await phone.expect('ACK')
  await new Promise<void>((resolve) => {
    request.cancel((error) => {
      t.match(error, { message: `unable to cancel unknown transaction id: ${request.stackTxnId}` })
      resolve()
    })
  })
})

t.test('an answer without Contact can not become a dialog, and is not left ringing', async (t) => {
  const { app, phone, edge } = await set(t)
  const outcome = failure(app.createUAC(contactOf(phone), { localSdp: sdp }))
  const invite = await phone.expect('INVITE')
  phone.reply(invite, 200, { body: sdp })
  await phone.expect('ACK')
  const bye = await phone.expect('BYE')
  t.equal(bye.uri, invite.uri)
  t.match(await outcome, { status: 500 })
  await until('no dialog is left', noDialogs(edge.engine))
})

t.test('the ACK carries the credentials and the number of its INVITE', async (t) => {
  const { app, phone } = await set(t)
  const auth = { username: 'app', password: 'secret' }
  const calling = app.createUAC(contactOf(phone), { localSdp: sdp, auth })
  const first = await phone.expect('INVITE')
  const challenge = 'Digest realm="r", nonce="n", qop="auth"'
  phone.reply(first, 407, { headers: { 'Proxy-Authenticate': challenge } })
  await phone.expect('ACK')
  const { invite, ack } = await takeCall(phone)
  t.equal(invite.header('cseq'), '2 INVITE')
  t.equal(invite.header('call-id'), first.header('call-id'))
  t.equal(invite.header('from'), first.header('from'))
  t.equal(ack.header('cseq'), '2 ACK')
  t.equal(ack.header('proxy-authorization'), invite.header('proxy-authorization'))
  const dialog = await calling
  const ended = dialog.destroy({ auth })
  const bye = await phone.expect('BYE')
  phone.reply(bye, 407, { headers: { 'Proxy-Authenticate': challenge } })
  const again = await phone.expect('BYE')
  t.equal(again.header('cseq'), '4 BYE', 'the dialog goes on with its numbers')
  t.match(again.header('proxy-authorization'), /username="app"/)
  phone.reply(again, 200)
  await ended
  t.ok(digestAuthorization(challenge, { ...auth, method: 'BYE', uri: bye.uri! }))
})

t.test('BYE while a re-INVITE of ours is open cancels that first', async (t) => {
  const { app, phone, edge } = await set(t)
  const calling = app.createUAC(contactOf(phone), { localSdp: sdp })
  await takeCall(phone)
  const dialog = await calling
  const modified = failure(dialog.modify(sdp))
  const invite = await phone.expect('INVITE')
  phone.reply(invite, 100)
  await until('the provisional response is in', () => edge.engine.stats().responses === 3)
  const ended = dialog.destroy()
  const [cancel, bye] = [await phone.expect('CANCEL'), await phone.expect('BYE')]
  t.equal(branchOf(cancel), branchOf(invite))
  phone.reply(cancel, 200)
  phone.reply(bye, 200)
  phone.reply(invite, 487)
  await ended
  t.match(await modified, { status: 487 })
  t.ok(noDialogs(edge.engine)())
})

t.test('an INVITE while another one is open in the dialog is 491, and not sent', async (t) => {
  const { app, phone } = await set(t)
  const calling = app.createUAC(contactOf(phone), { localSdp: sdp })
  await takeCall(phone)
  const dialog = await calling
  const modifying = dialog.modify(sdp)
  const invite = await phone.expect('INVITE')
  t.match(await dialog.request({ method: 'INVITE', body: sdp }), { status: 491 })
  answer(phone, invite)
  await phone.expect('ACK')
  await modifying
  t.equal(requestsOf(phone, 'INVITE').length, 2)
})

t.test('a NOTIFY that overtakes the answer to its SUBSCRIBE waits for it (RFC 6665 §4.1.2.4)', async (t) => {
  const { app, phone, edge, clock } = await set(t)
  const subscribing = app.createUAC(contactOf(phone), {
    method: 'SUBSCRIBE',
    // drachtio-srf looks for the end of a subscription under From, and keeps it under To.
    headers: { Event: 'presence', Expires: '600', From: `<${contactOf(phone)}>` },
  })
  const subscribe = await phone.expect('SUBSCRIBE')
  const side = calleeSide(subscribe, `To: ${subscribe.header('to')};tag=notifier`)
  const notify = (state: string, cseq: number): string =>
    inDialog(phone, 'NOTIFY', side, {
      cseq,
      headers: { Event: 'presence', 'Subscription-State': state },
    })
  phone.send(notify('active;expires=600', 1))
  await until('the NOTIFY is in', () => edge.engine.stats().requests === 1)
  phone.reply(subscribe, 200, { toTag: 'notifier', contact: contactOf(phone), headers: { Expires: 600 } })
  const dialog = await subscribing
  const states: unknown[] = []
  dialog.on('notify', (req, res) => {
    states.push(req.get('subscription-state'))
    res.send(200)
  })
  clock.advance(20)
  await phone.expect(200)
  phone.send(notify('terminated;reason=timeout', 2))
  await phone.expect(200)
  t.strictSame(states, ['active;expires=600', 'terminated;reason=timeout'])
  t.ok(noDialogs(edge.engine)())
})

t.test(
  'a NOTIFY to a SUBSCRIBE that fails is for nobody; neither is one that nobody waits for',
  async (t) => {
    const { app, phone, edge, clock } = await set(t)
    const outcome = failure(
      app.createUAC(contactOf(phone), { method: 'SUBSCRIBE', headers: { Event: 'presence' } }),
    )
    const subscribe = await phone.expect('SUBSCRIBE')
    const side = calleeSide(subscribe, `To: ${subscribe.header('to')};tag=notifier`)
    const headers = { Event: 'presence', 'Subscription-State': 'active' }
    phone.send(inDialog(phone, 'NOTIFY', side, { cseq: 1, headers }))
    await until('the NOTIFY is in', () => edge.engine.stats().requests === 1)
    t.notOk(phone.received.some(({ status }) => status === 481))
    phone.reply(subscribe, 489)
    t.match(await outcome, { status: 489 })
    clock.advance(20)
    await phone.expect(481)
    phone.send(inDialog(phone, 'NOTIFY', side, { cseq: 2, headers }))
    await phone.expect(481)
  },
)

t.test(
  'a NOTIFY that has waited long enough makes the dialog itself, of the fork that sent it',
  async (t) => {
    const { app, phone, edge, clock } = await set(t, 'tcp')
    const seen: AppRequest[] = []
    app.notify((req, res) => {
      seen.push(req)
      res.send(200)
    })
    const subscribing = app.createUAC(targetOf(phone, 'bob'), {
      method: 'SUBSCRIBE',
      headers: { Event: 'presence', Expires: '600' },
    })
    const subscribe = await phone.expect('SUBSCRIBE')
    const side = calleeSide(subscribe, `To: ${subscribe.header('to')};tag=notifier`)
    const route = `<sip:127.0.0.1:${phone.localPort};transport=tcp;lr>`
    phone.send(
      inDialog(phone, 'NOTIFY', side, {
        headers: { Event: 'presence', 'Subscription-State': 'active', 'Record-Route': route },
      }),
    )
    await until('the NOTIFY is in', () => edge.engine.stats().requests === 1)
    clock.advance(500)
    await phone.expect(200)
    phone.reply(subscribe, 202, { toTag: 'notifier', contact: contactOf(phone) })
    const dialog = await subscribing
    t.strictSame(
      seen.map((req) => req.stackDialogId),
      [dialog.id],
    )
    const refreshing = dialog.request({ method: 'SUBSCRIBE', headers: { Event: 'presence', Expires: '0' } })
    const refresh = await phone.expect('SUBSCRIBE')
    t.equal(refresh.header('route'), route)
    phone.reply(refresh, 200)
    await refreshing
  },
)

t.test('a subscription whose notifier falls silent ends with its time', async (t) => {
  const { app, phone, edge, clock } = await set(t)
  const headers = { Event: 'presence', Expires: '600' }
  const subscribing = app.createUAC(contactOf(phone), { method: 'SUBSCRIBE', headers })
  phone.reply(await phone.expect('SUBSCRIBE'), 202, { contact: contactOf(phone), headers: { Expires: 60 } })
  const dialog = await subscribing
  clock.advance(50_000)
  const refreshing = dialog.request({ method: 'SUBSCRIBE', headers })
  phone.reply(await phone.expect('SUBSCRIBE'), 200, { contact: contactOf(phone), headers: { Expires: 60 } })
  t.match(await refreshing, { status: 200 })
  clock.advance(59_000)
  t.equal(edge.engine.stats().dialogs, 1)
  clock.advance(60_000)
  t.equal(edge.engine.stats().dialogs, 0)
})

t.test('an application that goes: what rings is cancelled, what was just answered is ended', async (t) => {
  const { app, phone, edge, clock } = await set(t)
  const ringing = deferred<AppResponse>()
  void app
    .createUAC(contactOf(phone), { localSdp: sdp }, { cbProvisional: ringing.resolve })
    .catch(() => undefined)
  const rung = await phone.expect('INVITE')
  phone.reply(rung, 180)
  await ringing.promise
  const request = await app.request(contactOf(phone), { method: 'INVITE', body: sdp })
  const answered = new Promise((resolve) => request.on('response', resolve))
  const invite = await phone.expect('INVITE')
  answer(phone, invite)
  await answered
  await app.request(contactOf(phone), {
    method: 'MESSAGE',
    headers: { 'Content-Type': 'text/plain' },
    body: 'hi',
  })
  await phone.expect('MESSAGE')
  app.disconnect()
  const cancel = await phone.expect('CANCEL')
  t.equal(branchOf(cancel), branchOf(rung))
  phone.reply(cancel, 200)
  // It was picked up at the same moment.
  answer(phone, rung)
  for (const call of [invite, rung]) {
    const ofCall = (method: string) => (message: ReceivedMessage) =>
      message.method === method && message.header('call-id') === call.header('call-id')
    await phone.expect(ofCall('ACK'))
    phone.reply(await phone.expect(ofCall('BYE')), 200)
  }
  clock.advance(fourHours)
  t.match(edge.engine.stats(), { dialogs: 0, transactions: 0 })
})

t.test(
  'a request whose next hop is still being looked up is known at once, and can be cancelled',
  async (t) => {
    const dns: Dns = { query: () => new Promise(() => undefined) }
    const { app } = await set(t, 'udp', { dns })
    const request = deferred<AppRequest>()
    const outcome = failure(
      app.createUAC(
        'sip:bob@example.com',
        { localSdp: sdp },
        { cbRequest: (_, sent) => request.resolve(sent) },
      ),
    )
    const sent = await request.promise
    t.match(sent.get('contact'), /^<sip:127\.0\.0\.1:\d+>$/)
    t.match(sent.get('from'), /^<sip:127\.0\.0\.1:\d+>;tag=/)
    sent.cancel()
    t.match(await outcome, { status: 487 })
  },
)

t.test(
  'a phone is reached over the connection that it has registered over, as long as that is there',
  async (t) => {
    const { app, phone, edge } = await set(t, 'tcp')
    app.register((req, res) => res.send(200, { headers: { Contact: `${req.get('contact')};expires=60` } }))
    const contact = 'sip:bob@a1b2.invalid;ob'
    phone.send(
      phone.request({ method: 'REGISTER', uri: 'sip:localhost', from: 'sip:bob@localhost', contact }),
    )
    await phone.expect(200)
    const neighbour = await edge.phone('tcp')
    neighbour.send(
      neighbour.request({
        method: 'REGISTER',
        uri: 'sip:localhost',
        from: 'sip:bob@localhost',
        contact: 'sip:bob@a1b2.invalid:5080;ob',
      }),
    )
    await neighbour.expect(200)
    const calling = app.createUAC(contact, { localSdp: sdp })
    const invite = await phone.expect('INVITE')
    t.equal(invite.uri, contact)
    t.match(invite.header('contact'), /;transport=tcp>$/)
    answer(phone, invite, { contact })
    await phone.expect('ACK')
    const dialog = await calling
    const asking = dialog.request({ method: 'INFO' })
    phone.reply(await phone.expect('INFO'), 200)
    t.match(await asking, { status: 200 })
    t.notOk(neighbour.received.some(({ method }) => method !== undefined))
    // The connection breaks, and the phone comes back over another one.
    await phone.close()
    await until('the connection is gone', () => edge.engine.stats().transport.connections === 1)
    t.match(await failure(app.createUAC(contact, { localSdp: sdp })), { status: 503 })
    const back = await edge.phone('tcp')
    back.send(back.request({ method: 'REGISTER', uri: 'sip:localhost', from: 'sip:bob@localhost', contact }))
    await back.expect(200)
    const ended = dialog.destroy()
    const bye = await back.expect('BYE')
    t.equal(bye.uri, contact)
    back.reply(bye, 200)
    await ended
  },
)

t.test('a target that is the far end of a connection is that phone, whatever its Contact says', async (t) => {
  const { app, phone } = await set(t, 'tcp')
  const calling = app.createUAC(contactOf(phone), { localSdp: sdp })
  const invite = await phone.expect('INVITE')
  const contact = 'sip:bob@10.9.8.7:5060;transport=tcp'
  answer(phone, invite, { contact })
  t.equal((await phone.expect('ACK')).uri, contact)
  const ended = (await calling).destroy()
  phone.reply(await phone.expect('BYE'), 200)
  await ended
})

t.test('a connection that breaks under a request is 410; a named flow that is gone is 430', async (t) => {
  const { app, phone, edge } = await set(t, 'tcp')
  app.register((req, res) => res.send(200, { headers: { Contact: `${req.get('contact')};expires=60` } }))
  const contact = 'sip:bob@a1b2.invalid'
  phone.send(phone.request({ method: 'REGISTER', uri: 'sip:localhost', from: 'sip:bob@localhost', contact }))
  await phone.expect(200)
  const named = targetOf(phone, 'bob').replace(/@[^;]*;transport=tcp/, '@a1b2.invalid')
  const outcomes = [contact, named].map((uri) => failure(app.createUAC(uri, { localSdp: sdp })))
  const invites = [await phone.expect('INVITE'), await phone.expect('INVITE')]
  t.strictSame(
    invites.map(({ uri }) => uri),
    [contact, contact],
    'the parameters that name the flow are ours',
  )
  await phone.close()
  t.match(await Promise.all(outcomes), [{ status: 410 }, { status: 430 }])
  await until('the connection is gone', () => edge.engine.stats().transport.connections === 0)
  t.match(await failure(app.createUAC(named, { localSdp: sdp })), {
    status: 430,
  })
})

for (const [from, to] of [
  ['udp', 'tcp'],
  ['tcp', 'udp'],
] as const) {
  t.test(`a call through a B2BUA, from ${from} to a phone behind NAT on ${to}`, async (t) => {
    const { app, edge, phone: alice } = await set(t, from)
    const bob = await edge.phone(to)
    // What it says of itself is an address that can't be reached from here.
    const behindNat = 'sip:bob@192.0.2.77:5062'
    const bridged = deferred<{ uas: Dialog; uac: Dialog }>()
    app.invite((req, res) => {
      const target = targetOf(bob, 'bob').replace(/@[^;]*/, '@192.0.2.77:5062')
      app.createB2BUA(req, res, target, { localSdpB: req.body }).then(bridged.resolve, bridged.reject)
    })
    alice.send(
      alice.request({
        method: 'INVITE',
        uri: 'sip:bob@localhost',
        from: 'sip:alice@localhost',
        body: sdp,
      }),
    )
    const invite = await bob.expect('INVITE')
    t.match(invite.header('from'), /sip:alice@127\.0\.0\.1:\d+>?;tag=/)
    bob.reply(invite, 180, { contact: behindNat })
    await alice.expect(180)
    const sent = bob.reply(invite, 200, { contact: behindNat, body: sdp })
    const answered = await alice.expect(200)
    const ack = await bob.expect('ACK')
    t.equal(ack.uri, behindNat)
    const caller = {
      target: uriOf(answered.header('contact')),
      from: answered.header('from') ?? '',
      to: answered.header('to') ?? '',
      callId: answered.header('call-id') ?? '',
      routes: [],
    }
    alice.send(inDialog(alice, 'ACK', caller))
    const { uas, uac } = await bridged.promise
    const modifying = uac.modify(sdp)
    const reinvite = await bob.expect('INVITE')
    t.equal(reinvite.header('contact'), invite.header('contact'))
    bob.reply(reinvite, 200, { contact: behindNat, body: sdp })
    t.equal((await bob.expect('ACK')).header('cseq'), reinvite.header('cseq')?.replace('INVITE', 'ACK'))
    t.equal(await modifying, sdp)
    uac.on('destroy', () => void uas.destroy())
    bob.send(inDialog(bob, 'BYE', calleeSide(invite, sent)))
    await bob.expect(200)
    alice.reply(await alice.expect('BYE'), 200)
    await until('no dialog is left', noDialogs(edge.engine))
  })
}

t.test('an engine that stops lets nobody ring for an application', async (t) => {
  const { app, phone, edge } = await set(t)
  const ringing = deferred<AppResponse>()
  const outcome = failure(
    app.createUAC(contactOf(phone), { localSdp: sdp }, { cbProvisional: ringing.resolve }),
  )
  const invite = await phone.expect('INVITE')
  phone.reply(invite, 180)
  await ringing.promise
  const drained = edge.engine.drain(0)
  phone.reply(await phone.expect('CANCEL'), 200)
  phone.reply(invite, 487)
  t.match(await outcome, { status: 487 })
  await drained
})

t.test('a request with Call-ID and From tag of a dialog is sent within it', async (t) => {
  const { app, phone } = await set(t)
  const calling = app.createUAC(contactOf(phone), { localSdp: sdp })
  const { sent } = await takeCall(phone)
  const { sip } = await calling
  const headers = { 'Call-ID': sip.callId, From: `<sip:x@localhost>;tag=${sip.localTag}` }
  await app.request('sip:other@192.0.2.1', { method: 'INFO', headers })
  const info = await phone.expect('INFO')
  t.equal(info.header('cseq'), '2 INFO')
  t.equal(info.header('to'), /^To: (.*)$/m.exec(sent)?.[1]?.trim())
  t.equal(info.uri, 'sip:other@192.0.2.1', 'as the application wants it')
})

t.test('a status that drachtio-srf does not know counts as 183 or x00 (RFC 3261 §8.1.3.2)', async (t) => {
  const { app, phone } = await set(t)
  const seen: number[] = []
  const call = app.createUAC(
    contactOf(phone),
    { localSdp: sdp },
    { cbProvisional: ({ status }) => seen.push(status) },
  )
  const received = await phone.expect('INVITE')
  phone.reply(received, 185)
  phone.reply(received, 180)
  phone.reply(received, 607)
  const failed = await call.catch((error: unknown) => error)
  t.ok(isSipError(failed) && failed.status === 600)
  t.strictSame(seen, [183, 180])
})

t.test('a Contact that drachtio-srf can not read does not end the application', async (t) => {
  const { app, edge, phone } = await set(t)
  const call = async (status: number, contact: string): Promise<unknown> => {
    const outcome = app.createUAC(contactOf(phone), { localSdp: sdp, followRedirects: true }).then(
      ({ remote }) => remote.uri,
      (error: unknown) => (isSipError(error) ? error.status : error),
    )
    phone.reply(await phone.expect('INVITE'), status, { headers: { Contact: contact } })
    return outcome
  }
  t.equal(await call(302, ''), 302)
  t.equal(await call(302, ';'), 302)
  const good = contactOf(phone)
  t.equal(await call(200, `<${good}>,`), good)
  t.equal(await call(200, ';'), 500)
  phone.reply(await phone.expect('BYE'), 200)
  t.equal(edge.engine.stats().dialogs, 1, 'only the one that the application knows')
})

t.test('when its connection is gone, a phone is reached where it takes new ones', async (t) => {
  const { app, edge, phone } = await set(t, 'tcp')
  const uas = deferred<Dialog>()
  app.invite((req, res) => void app.createUAS(req, res, { localSdp: sdp }).then(uas.resolve, uas.reject))
  const listening = await createPhone({
    transport: 'tcp',
    server: { host: '127.0.0.1', port: edge.port('tcp') },
    listen: true,
    connect: false,
  })
  t.teardown(() => listening.close())
  const contact = contactOf(listening)
  phone.send(phone.request({ method: 'INVITE', uri: 'sip:x@localhost', contact, body: sdp }))
  const side = callerSide(await phone.expect(200))
  const dialog = await uas.promise
  const acked = new Promise<unknown>((resolve) => dialog.on('ack', resolve))
  phone.send(inDialog(phone, 'ACK', side))
  await acked
  await phone.close()
  await until('the connection is gone', () => edge.engine.stats().transport.connections === 0)
  const ended = dialog.destroy()
  listening.reply(await listening.expect('BYE'), 200)
  await ended
})

t.test('the records of a call that an application places', async (t) => {
  const { app, phone } = await set(t)
  const records: string[] = []
  app.on('cdr:attempt', (source, _, message) => void records.push(`attempt ${source} ${message.get('cseq')}`))
  app.on('cdr:start', (source, _, role) => void records.push(`start ${source} ${role}`))
  app.on('cdr:stop', (source, _, reason) => void records.push(`stop ${source} ${reason}`))
  const refused = failure(app.createUAC(contactOf(phone), { localSdp: sdp }))
  phone.reply(await phone.expect('INVITE'), 603)
  await refused
  const calling = app.createUAC(contactOf(phone), { localSdp: sdp })
  await takeCall(phone)
  const ended = (await calling).destroy()
  phone.reply(await phone.expect('BYE'), 200)
  await ended
  t.strictSame(records, [
    'attempt application 1 INVITE',
    'stop network call-rejected',
    'attempt application 1 INVITE',
    'start network uac',
    'stop application normal-release',
  ])
})

t.test('text that is not ASCII is counted in bytes', async (t) => {
  const { app, phone } = await set(t, 'tcp')
  await app.request(targetOf(phone, 'bob'), {
    method: 'MESSAGE',
    headers: { 'Content-Type': 'text/plain;charset=UTF-8', Subject: 'Grüße' },
    body: 'schöne Grüße',
  })
  const message = await phone.expect('MESSAGE')
  t.equal(message.body, 'schöne Grüße')
  t.equal(message.header('content-length'), String(Buffer.byteLength('schöne Grüße')))
  t.equal(message.header('subject'), 'Grüße')
})
