/** Session timers (RFC 4028): what is agreed on, and calls kept alive or ended, with a clock of our own. */
import t from 'tap'
import type { Test } from 'tap'
import { answerSession, offerSession, settledSession, tooBrief } from '../../../src/engine/dialog/session.js'
import { SipRequest, SipResponse } from '../../../src/engine/message/sip-message.js'
import { callerSide, inDialog, invite, sdp } from '../../support/call.js'
import { startEdge, type TestEdge } from '../../support/edge.js'
import { FakeClock } from '../../support/fake-clock.js'
import type { Phone, ReceivedMessage } from '../../support/phone.js'
import { settled, type App, type Dialog } from '../../support/srf.js'
import { until } from '../../support/tools.js'

type Headers = Record<string, string>

function invited(headers: Headers): SipRequest {
  const request = new SipRequest('INVITE', 'sip:us@localhost')
  for (const [name, value] of Object.entries(headers)) request.append(name, value)
  return request
}

function answered(headers: Headers): SipResponse {
  const response = new SipResponse(200, 'OK')
  for (const [name, value] of Object.entries(headers)) response.append(name, value)
  return response
}

t.test('what a 2xx of ours agrees to (§9)', async (t) => {
  const timer = { supported: 'timer' }
  const running = { seconds: 600, weRefresh: true, canUpdate: true }
  const cases: [string, Headers, Headers, boolean, string?][] = [
    ['nobody asks', timer, {}, false],
    ['the application, the peer can', timer, { 'session-expires': '1800' }, false, '1800;refresher=uac'],
    ['the application, the peer can not', {}, { 'session-expires': '1800' }, false, '1800;refresher=uas'],
    [
      'nobody can make it refresh',
      {},
      { 'session-expires': '1800;refresher=uac' },
      false,
      '1800;refresher=uas',
    ],
    ['not below 90 s', timer, { 'session-expires': '20;refresher=uas' }, false, '90;refresher=uas'],
    [
      'an offer that leaves the refresher open is declined',
      { ...timer, 'session-expires': '600' },
      {},
      false,
    ],
    [
      'an offer with a refresher is taken',
      { ...timer, 'session-expires': '600; Refresher=UAS' },
      {},
      false,
      '600;refresher=uas',
    ],
    [
      'the application may shorten it, not stretch it',
      { ...timer, 'session-expires': '600;refresher=uac' },
      { 'session-expires': '1800' },
      false,
      '600;refresher=uac',
    ],
    [
      'a refresh is answered, and the roles stay',
      { ...timer, 'session-expires': '700' },
      {},
      true,
      '700;refresher=uas',
    ],
    ['a refresh that asks for none', timer, {}, true],
    ['nonsense is none', { ...timer, 'session-expires': 'x;refresher=uac' }, {}, false],
  ]
  for (const [name, asked, given, session, expected] of cases) {
    const response = answered(given)
    answerSession(invited(asked), response, session ? running : undefined)
    t.equal(response.get('session-expires'), expected, name)
    t.equal(response.get('require'), expected?.endsWith('uac') ? 'timer' : undefined, name)
  }
})

t.test('too short an interval, offers, and what is settled', async (t) => {
  t.strictSame(tooBrief(invited({ supported: 'timer', 'session-expires': '89' })), [['Min-SE', '90']])
  t.equal(tooBrief(invited({ supported: 'timer', 'session-expires': '90' })), undefined)
  t.equal(tooBrief(invited({ 'session-expires': '30' })), undefined, 'the caller would not understand 422')
  t.equal(tooBrief(invited({})), undefined)
  const session = { seconds: 600, weRefresh: false, canUpdate: true }
  const offer = invited({})
  offerSession(offer, session)
  t.match([offer.get('session-expires'), offer.get('supported')], ['600;refresher=uas', 'timer'])
  offerSession(offer, { ...session, seconds: 1 })
  t.equal(offer.get('session-expires'), '600;refresher=uas', 'what is there stays')
  t.strictSame(
    settledSession(
      answered({ 'session-expires': '300' }),
      'uac',
      answered({ allow: 'INVITE, UPDATE' }),
      undefined,
    ),
    {
      seconds: 300,
      weRefresh: true,
      canUpdate: true,
    },
  )
  t.match(settledSession(answered({ 'session-expires': '300' }), 'uas', invited({}), session), {
    weRefresh: false,
    canUpdate: true,
  })
  t.equal(settledSession(answered({}), 'uac', answered({}), session), undefined)
})

interface Scene {
  edge: TestEdge
  clock: FakeClock
  phone: Phone
  app: App
  dialogs: Dialog[]
}

/** An application that answers calls, with these header fields in the 200. */
async function start(t: Test, headers: Headers = {}): Promise<Scene> {
  const clock = new FakeClock()
  const edge = await startEdge(t, { scheduler: clock })
  const app = (await edge.application()) as unknown as App
  const dialogs: Dialog[] = []
  app.invite((req, res) => {
    void app.createUAS(req, res, { localSdp: sdp, headers }).then((dialog) => dialogs.push(dialog))
  })
  await settled(app)
  return { edge, clock, phone: await edge.phone('udp'), app, dialogs }
}

async function call(
  { phone, dialogs }: Scene,
  headers: Headers,
): Promise<{ answer: ReceivedMessage; dialog: Dialog; ended: Promise<string> }> {
  phone.send(invite(phone, { headers: { Supported: 'timer', ...headers } }))
  const answer = await phone.expect(200)
  const dialog = await until('the dialog', () => dialogs[0])
  const acked = new Promise<void>((resolve) => dialog.on('ack', () => resolve()))
  phone.send(inDialog(phone, 'ACK', callerSide(answer)))
  await acked
  return {
    answer,
    dialog,
    ended: new Promise((resolve) => dialog.on('destroy', (_, reason) => resolve(reason))),
  }
}

const refreshed = { headers: { 'Session-Expires': '1800;refresher=uac' } }

t.test('we refresh: by UPDATE where the peer takes it', async (t) => {
  const scene = await start(t, { 'Session-Expires': '1800;refresher=uas' })
  const { clock, phone, edge } = scene
  const { answer } = await call(scene, { Allow: 'INVITE, UPDATE' })
  t.equal(answer.header('session-expires'), '1800;refresher=uas')
  t.equal(answer.header('require'), undefined)
  for (let round = 1; round <= 2; round++) {
    clock.advance(900_000)
    const update = await phone.expect('UPDATE')
    t.equal(update.header('session-expires'), '1800;refresher=uac')
    t.match(update.header('supported'), 'timer')
    t.match(update.header('contact'), `127.0.0.1:${edge.port('udp')}`)
    t.equal(update.body, '')
    phone.reply(update, 200, refreshed)
    await until('the answer is there', () => edge.engine.stats().responses === round)
  }
  t.equal(edge.engine.stats().dialogs, 1)
})

t.test('we refresh: else by a re-INVITE with the last session description', async (t) => {
  const scene = await start(t, { 'Session-Expires': '1800;refresher=uas' })
  const { clock, phone, edge, dialogs } = scene
  await call(scene, {})
  clock.advance(900_000)
  const again = await phone.expect('INVITE')
  t.equal(again.body, sdp)
  t.equal(again.header('content-type'), 'application/sdp')
  phone.reply(again, 491)
  await phone.expect('ACK')
  clock.advance(4100)
  const retry = await phone.expect('INVITE')
  phone.reply(retry, 200, { contact: `sip:alice@127.0.0.1:${phone.localPort}`, body: sdp, ...refreshed })
  const ack = await phone.expect('ACK')
  t.equal(ack.header('cseq'), `${parseInt(retry.header('cseq') ?? '')} ACK`)
  clock.advance(800_000)
  t.equal(dialogs[0]?.connected, true)
  t.equal(edge.engine.stats().dialogs, 1)
})

t.test('a refresh that the peer does not know, or never answers, ends the call', async (t) => {
  for (const status of [481, 408]) {
    const scene = await start(t, { 'Session-Expires': '1800;refresher=uas' })
    const { clock, phone, edge } = scene
    const { ended } = await call(scene, { Allow: 'UPDATE' })
    clock.advance(900_000)
    const update = await phone.expect('UPDATE')
    if (status === 481) phone.reply(update, 481)
    else clock.advance(32_000)
    const bye = await phone.expect('BYE')
    t.match(bye.header('reason'), 'Session timer expired')
    t.equal(await ended, 'Session timer expired')
    t.equal(edge.engine.stats().dialogs, 0)
  }
})

t.test('the peer refreshes, and is answered in kind; when it stops, the call ends', async (t) => {
  const scene = await start(t)
  const { clock, phone, edge } = scene
  const { answer, ended } = await call(scene, { 'Session-Expires': '1800;refresher=uac' })
  t.equal(answer.header('session-expires'), '1800;refresher=uac')
  t.equal(answer.header('require'), 'timer')
  clock.advance(1_700_000)
  const side = callerSide(answer)
  const headers = { Supported: 'timer', 'Session-Expires': '1800' }
  phone.send(inDialog(phone, 'UPDATE', side, { cseq: 2, headers: { ...headers, 'Session-Expires': '60' } }))
  const tooShort = await phone.expect(422)
  t.equal(tooShort.header('min-se'), '90')
  phone.send(inDialog(phone, 'UPDATE', side, { cseq: 3, headers }))
  const updated = await phone.expect((got) => got.header('cseq') === '3 UPDATE')
  t.equal(updated.header('session-expires'), '1800;refresher=uac')
  clock.advance(1_700_000)
  t.equal(edge.engine.stats().dialogs, 1)
  clock.advance(68_000)
  t.match((await phone.expect('BYE')).header('reason'), 'Session timer expired')
  t.equal(await ended, 'Session timer expired')
  t.equal(edge.engine.stats().dialogs, 0)
})

t.test('a new call with too short an interval is 422', async (t) => {
  const { phone, dialogs } = await start(t)
  phone.send(invite(phone, { headers: { Supported: 'timer', 'Session-Expires': '30' } }))
  t.equal((await phone.expect(422)).header('min-se'), '90')
  t.strictSame(dialogs, [])
})

t.test('a call that the application has placed is refreshed as the callee says', async (t) => {
  const { app, clock, phone } = await start(t)
  const contact = `sip:bob@127.0.0.1:${phone.localPort}`
  const calling = app.createUAC(contact, {
    localSdp: sdp,
    headers: { 'Session-Expires': '1800', Supported: 'timer' },
  })
  const call = await phone.expect('INVITE')
  phone.reply(call, 200, {
    contact,
    contentType: 'application/sdp',
    body: sdp,
    headers: { 'Session-Expires': '600;refresher=uac', Allow: 'UPDATE' },
  })
  const dialog = await calling
  await phone.expect('ACK')
  clock.advance(300_000)
  const update = await phone.expect('UPDATE')
  t.equal(update.header('session-expires'), '600;refresher=uac')
  phone.reply(update, 200, { headers: { 'Session-Expires': '600;refresher=uac' } })
  const modified = dialog.modify(sdp)
  const again = await phone.expect('INVITE')
  t.equal(again.header('session-expires'), '600;refresher=uac', 'requests of the application keep it on')
  phone.reply(again, 200, { contact, contentType: 'application/sdp', body: sdp })
  await modified
  await phone.expect('ACK')
  clock.advance(4_000_000)
  t.notOk(
    phone.received.some(({ method }) => method === 'BYE'),
    'the callee has switched it off',
  )
})
