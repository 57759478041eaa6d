/** The server side of dialogs through the whole engine, with the real drachtio-srf and a clock of our own. */
import t from 'tap'
import type { Test } from 'tap'
import type { EngineLimits } from '../../../src/engine/engine.js'
import { calleeSide, callerSide, inDialog, invite, sdp, type Dialog as Side } from '../../support/call.js'
import { startEdge, targetOf, type TestEdge } from '../../support/edge.js'
import { FakeClock } from '../../support/fake-clock.js'
import type { Phone, ReceivedMessage } from '../../support/phone.js'
import { cancelFor, param, uriOf } from '../../support/sip-text.js'
import { settled, type App, type AppRequest, type AppResponse, type Dialog } from '../../support/srf.js'
import { until } from '../../support/tools.js'

interface Scene {
  edge: TestEdge
  clock: FakeClock
  phone: Phone
}

async function start(
  t: Test,
  limits: Partial<EngineLimits> = {},
  transport: 'udp' | 'tcp' = 'udp',
): Promise<Scene> {
  const clock = new FakeClock()
  const edge = await startEdge(t, { scheduler: clock, limits })
  return { edge, clock, phone: await edge.phone(transport) }
}

async function application(edge: TestEdge, prepare: (app: App) => void): Promise<App> {
  const app = (await edge.application()) as unknown as App
  prepare(app)
  await settled(app)
  return app
}

/** An application that answers each call; `dialogs` has them in order. */
async function answering(edge: TestEdge, headers: Record<string, string> = {}): Promise<Dialog[]> {
  const dialogs: Dialog[] = []
  await application(edge, (app) =>
    app.invite((req, res) => {
      void app.createUAS(req, res, { localSdp: sdp, headers }).then(
        (dialog) => dialogs.push(dialog),
        () => {},
      )
    }),
  )
  return dialogs
}

const ofRequest = (cseq: string) => (got: ReceivedMessage) =>
  got.header('cseq') === cseq && (got.status ?? 0) >= 200

interface Call {
  dialog: Dialog
  side: Side
  answer: ReceivedMessage
  /** Sends a request and gives its final answer. */
  ask: (method: string, cseq: number, more?: Parameters<typeof inDialog>[3]) => Promise<ReceivedMessage>
}

/** A call that is answered and acknowledged. */
async function call(
  phone: Phone,
  dialogs: Dialog[],
  options: Parameters<typeof invite>[1] = {},
): Promise<Call> {
  const before = dialogs.length
  phone.send(invite(phone, options))
  const answer = await phone.expect(200)
  await until('the dialog', () => dialogs.length > before)
  const dialog = dialogs.at(-1)
  if (!dialog) throw new Error('no dialog')
  const side = callerSide(answer)
  const acked = new Promise<void>((resolve) => dialog.on('ack', () => resolve()))
  phone.send(inDialog(phone, 'ACK', side))
  await acked
  return {
    dialog,
    side,
    answer,
    ask: async (method, cseq, more = {}) => {
      phone.send(inDialog(phone, method, side, { cseq, ...more }))
      return phone.expect(ofRequest(`${cseq} ${method}`))
    },
  }
}

t.test('an INVITE without Contact is 400, and no application sees it', async (t) => {
  const { edge, phone } = await start(t)
  const dialogs = await answering(edge)
  phone.send(invite(phone, { contact: false }))
  await phone.expect(400)
  phone.send(invite(phone, { contact: '*' }))
  await phone.expect(400)
  t.strictSame(dialogs, [])
  t.equal(edge.engine.stats().dialogs, 0)
})

t.test('the application may choose the To tag, and leave our address to us', async (t) => {
  const { edge, phone } = await start(t, {}, 'tcp')
  await application(edge, (app) =>
    app.invite((req, res) => {
      const headers = { To: `${req.get('to')};tag=chosen`, Contact: '<sip:me@localhost;x=y>' }
      res.send(180, { headers: { ...headers } })
      res.send(200, { headers: { ...headers, To: `${req.get('to')};tag=other` }, body: sdp })
    }),
  )
  phone.send(invite(phone))
  const ringing = await phone.expect(180)
  const answer = await phone.expect(200)
  t.equal(param(ringing.header('to'), 'tag'), 'chosen')
  t.equal(param(answer.header('to'), 'tag'), 'chosen', 'one dialog')
  t.equal(uriOf(answer.header('contact')), `sip:me@127.0.0.1:${edge.port('tcp')};x=y;transport=tcp`)
  t.equal(answer.header('from'), ringing.header('from'))
  t.match(answer.header('from'), 'alice@localhost', 'the caller gets its own From back')
  t.equal(edge.engine.stats().dialogs, 1)
})

t.test('requests within a dialog: in order, one INVITE at a time', async (t) => {
  const { edge, phone, clock } = await start(t)
  const dialogs = await answering(edge)
  const { dialog, ask, side } = await call(phone, dialogs)
  const open: AppResponse[] = []
  dialog.on('modify', (_, res) => open.push(res))
  t.equal((await ask('INFO', 5)).status, 200)
  t.equal((await ask('INFO', 4)).status, 500, 'it was overtaken')
  phone.send(inDialog(phone, 'INVITE', side, { cseq: 6, body: sdp }))
  await until('the re-INVITE', () => open.length === 1)
  clock.advance(200)
  await phone.expect((got) => got.status === 100 && got.header('cseq') === '6 INVITE')
  const early = await ask('INVITE', 7)
  t.equal(early.status, 500)
  t.match(early.header('retry-after'), /^(\d|10)$/)
  open[0]?.send(200, { body: sdp })
  await phone.expect(ofRequest('6 INVITE'))
  t.equal((await ask('INVITE', 8)).status, 491, 'the ACK is still to come')
  t.equal((await ask('INFO', 9)).status, 200)
  phone.send(inDialog(phone, 'ACK', side, { cseq: 6 }))
  phone.send(inDialog(phone, 'ACK', side, { cseq: 6 }))
  phone.send(inDialog(phone, 'INVITE', side, { cseq: 10, body: sdp }))
  await until('the next re-INVITE', () => open.length === 2)
  t.equal(edge.engine.stats().strayAcks, 1, 'the repeated ACK')
})

t.test('CANCEL of a re-INVITE, and a BYE while one is open', async (t) => {
  const { edge, phone, clock } = await start(t)
  const dialogs = await answering(edge)
  const { dialog, ask, side } = await call(phone, dialogs)
  const cancelled: string[] = []
  dialog.on('modify', (req) => req.on('cancel', () => cancelled.push('cancel')))
  const first = inDialog(phone, 'INVITE', side, { cseq: 2, body: sdp })
  phone.send(first)
  await until('the re-INVITE', () => edge.engine.stats().unanswered === 1)
  phone.send(cancelFor(first))
  t.equal((await phone.expect(ofRequest('2 INVITE'))).status, 487)
  await until('cancelled', () => cancelled.length === 1)
  t.equal((await ask('INFO', 3)).status, 200, 'the call goes on')
  phone.send(inDialog(phone, 'INVITE', side, { cseq: 4, body: sdp }))
  await until('the re-INVITE', () => edge.engine.stats().unanswered === 1)
  t.equal((await ask('BYE', 5)).status, 200)
  t.equal((await phone.expect(ofRequest('4 INVITE'))).status, 487)
  t.equal(edge.engine.stats().dialogs, 0)
  t.equal((await ask('INFO', 6)).status, 481)
  clock.advance(64_000)
  t.equal(edge.engine.stats().transactions, 0)
  t.equal(clock.pending, 0, 'nothing waits for anything')
})

t.test(
  'UPDATE with an offer waits for an INVITE that is open (RFC 3311 §5.2), another one does not',
  async (t) => {
    const { edge, phone } = await start(t)
    const dialogs = await answering(edge)
    const { dialog, ask, side } = await call(phone, dialogs)
    dialog.on('modify', (req) => req.on('update', (_, res) => res.send(200)))
    phone.send(inDialog(phone, 'INVITE', side, { cseq: 2, body: sdp }))
    await until('the re-INVITE', () => edge.engine.stats().unanswered === 1)
    const refused = await ask('UPDATE', 3, { body: sdp })
    t.equal(refused.status, 500)
    t.ok(refused.header('retry-after'))
    t.equal((await ask('UPDATE', 4)).status, 200)
  },
)

t.test('one UPDATE at a time, and no offer that crosses ours (RFC 3311 §5.2)', async (t) => {
  const { edge, phone } = await start(t)
  const dialogs = await answering(edge)
  const { dialog, ask, side } = await call(phone, dialogs)
  const open: AppResponse[] = []
  dialog.on('update', (_, res) => open.push(res))
  phone.send(inDialog(phone, 'UPDATE', side, { cseq: 2 }))
  await until('the UPDATE', () => open.length === 1)
  const second = await ask('UPDATE', 3)
  t.equal(second.status, 500)
  t.ok(second.header('retry-after'))
  open[0]?.send(200)
  t.equal((await phone.expect(ofRequest('2 UPDATE'))).status, 200)
  const ours = dialog.request({ method: 'UPDATE', body: sdp })
  const offer = await phone.expect('UPDATE')
  t.equal((await ask('UPDATE', 4, { body: sdp })).status, 491)
  phone.reply(offer, 488)
  await ours
  const third = ask('UPDATE', 5, { body: sdp })
  await until('the UPDATE', () => open.length === 2)
  open[1]?.send(200)
  t.equal((await third).status, 200)
})

t.test('BYE of the callee waits for the ACK to its 2xx (§15)', async (t) => {
  const { edge, phone, clock } = await start(t)
  const dialogs = await answering(edge)
  phone.send(invite(phone))
  const side = callerSide(await phone.expect(200))
  await until('the dialog', () => dialogs.length === 1)
  let cseq = 1
  /** drachtio-srf itself answers with 200. */
  const hasHungUp = async (side: Side): Promise<void> => {
    for (let status: number | undefined = 200; status === 200;) {
      phone.send(inDialog(phone, 'INFO', side, { cseq: ++cseq }))
      status = (await phone.expect(ofRequest(`${cseq} INFO`))).status
    }
  }
  const ended = dialogs[0]?.destroy()
  await hasHungUp(side)
  t.notOk(phone.received.some(({ method }) => method === 'BYE'))
  phone.send(inDialog(phone, 'ACK', side))
  const bye = await phone.expect('BYE')
  phone.reply(bye, 200)
  const shown = await ended
  t.equal(shown?.get('call-id'), bye.header('call-id'))
  t.equal(shown?.get('cseq'), bye.header('cseq'))
  t.equal(shown?.uri, bye.uri)
  t.equal(edge.engine.stats().dialogs, 0)

  phone.send(invite(phone))
  const other = callerSide(await phone.expect(200))
  await until('the dialog', () => dialogs.length === 2)
  const given = dialogs[1]?.destroy()
  await hasHungUp(other)
  clock.advance(32_000)
  phone.reply(await phone.expect('BYE'), 200)
  await given
  t.equal(phone.received.filter(({ method }) => method === 'BYE').length, 2, 'one for each call')
  t.equal(edge.engine.stats().dialogs, 0)
})

t.test('what crosses the BYE of the application is not given to it', async (t) => {
  const { edge, phone } = await start(t)
  let calls = 0
  const dialogs: Dialog[] = []
  await application(edge, (app) =>
    app.invite((req, res) => {
      calls++
      void app.createUAS(req, res, { localSdp: sdp }).then((dialog) => dialogs.push(dialog))
    }),
  )
  const { dialog, ask } = await call(phone, dialogs)
  const ended = dialog.destroy()
  const bye = await phone.expect('BYE')
  phone.reply(bye, 401)
  await ended
  t.equal((await ask('INVITE', 2, { body: sdp })).status, 481, 'to drachtio-srf it would be a new call')
  t.equal(calls, 1)
  t.equal((await ask('BYE', 3)).status, 200, 'both have hung up')
  t.equal(edge.engine.stats().dialogs, 0)
})

t.test(
  'over which flow it goes is for the application to say, not for who has written the URI',
  async (t) => {
    const { edge, phone } = await start(t)
    const seen: (string | undefined)[] = []
    await application(edge, (app) =>
      app.invite((req, res) => {
        seen.push(req.uri, req.get('contact'))
        res.send(486)
      }),
    )
    const steer = ';Flow=127.0.0.1:9;flow-transport=tcp;flow-on=127.0.0.1:5060;flow-route=%3Csip:x%3E'
    const contact = `<sip:a@127.0.0.1:${phone.localPort}${steer};ob>;expires=60, <sip:b@localhost;flows=1;flow>`
    phone.send(invite(phone, { uri: `sip:222@localhost${steer};x=y`, contact }))
    await phone.expect(486)
    t.strictSame(seen, [
      'sip:222@localhost;x=y',
      `<sip:a@127.0.0.1:${phone.localPort};ob>;expires=60, <sip:b@localhost;flows=1>`,
    ])
  },
)

t.test("a caller can't have its dialog taken for that of another", async (t) => {
  const { edge, phone } = await start(t)
  const dialogs = await answering(edge)
  const victim = await call(phone, dialogs, { callId: 'one', fromTag: 'tag' })
  const ends: string[] = []
  victim.dialog.on('destroy', () => ends.push('victim'))
  for (const identity of [
    { callId: 'one;from-tag=tag|', fromTag: 'x' },
    { callId: 'one', fromTag: 'tag|x' },
  ]) {
    const other = await call(phone, dialogs, identity)
    t.not(other.dialog.id, victim.dialog.id)
    other.dialog.on('destroy', () => ends.push('other'))
    t.equal((await other.ask('BYE', 2)).status, 200)
  }
  t.strictSame(ends, ['other', 'other'])
  t.equal((await victim.ask('INFO', 2)).status, 200)
})

t.test('a To that drachtio-srf can not read does not get to an application that is subscribed', async (t) => {
  const { edge, phone } = await start(t)
  const app = await application(edge, () => {})
  const subscribed = app.createUAC(`sip:bob@127.0.0.1:${phone.localPort}`, {
    method: 'SUBSCRIBE',
    headers: { Event: 'presence', Expires: '60' },
  })
  const received = await phone.expect('SUBSCRIBE')
  const sent = phone.reply(received, 200, { contact: `sip:bob@127.0.0.1:${phone.localPort}` })
  const seen: (string | undefined)[] = []
  const dialog = await subscribed
  dialog.on('notify', (req, res) => {
    seen.push(req.get('to'))
    res.send(200)
  })
  const side = calleeSide(received, sent)
  const odd = side.to.replace(/<[^>]*>/, '<mailto:nobody@localhost>')
  const headers = { Event: 'presence', 'Subscription-State': 'terminated' }
  phone.send(inDialog(phone, 'NOTIFY', { ...side, to: odd }, { headers }))
  const answer = await phone.expect(ofRequest('2 NOTIFY'))
  t.equal(answer.status, 200)
  t.match(answer.header('to'), 'mailto:', 'the peer gets its own To back')
  t.strictSame(seen, [received.header('from')])
  t.equal(edge.engine.stats().dialogs, 0)
})

t.test('a CANCEL that crosses the answer changes nothing (RFC 3261 §9.2)', async (t) => {
  const { edge, phone } = await start(t)
  const dialogs = await answering(edge)
  const text = invite(phone)
  phone.send(text)
  const answer = await phone.expect(200)
  phone.send(cancelFor(text))
  await phone.expect(ofRequest('1 CANCEL'))
  phone.send(inDialog(phone, 'ACK', callerSide(answer)))
  phone.send(inDialog(phone, 'INFO', callerSide(answer)))
  t.equal((await phone.expect(ofRequest('2 INFO'))).status, 200)
  t.equal(dialogs[0]?.connected, true)
  t.equal(edge.engine.stats().dialogs, 1)
})

t.test('an application that rings itself, and then leaves the call to the proxy', async (t) => {
  const { edge, phone } = await start(t)
  const bob = await edge.phone('udp')
  await application(edge, (app) =>
    app.invite((req, res) => {
      res.send(183, { headers: { Require: '100rel' }, body: sdp })
      void req.proxy({ destination: targetOf(bob, 'bob'), recordRoute: true })
    }),
  )
  phone.send(invite(phone, { headers: { Supported: '100rel' } }))
  await phone.expect(183)
  const there = await bob.expect('INVITE')
  t.equal(edge.engine.stats().dialogs, 0, 'its early dialog is none any more')
  bob.reply(there, 200, { contact: `sip:bob@127.0.0.1:${bob.localPort}`, body: sdp })
  const side = callerSide(await phone.expect(200))
  phone.send(inDialog(phone, 'ACK', side))
  await bob.expect('ACK')
  t.equal(edge.engine.stats().dialogs, 0)
})

t.test('a caller may end an early dialog with BYE', async (t) => {
  const { edge, phone } = await start(t)
  let cancelled = false
  await application(edge, (app) =>
    app.invite((req, res) => {
      req.on('cancel', () => (cancelled = true))
      res.send(180)
    }),
  )
  phone.send(invite(phone))
  const ringing = await phone.expect(180)
  t.equal(edge.engine.stats().dialogs, 1)
  phone.send(inDialog(phone, 'BYE', callerSide(ringing)))
  t.equal((await phone.expect(ofRequest('2 BYE'))).status, 200)
  t.equal((await phone.expect(ofRequest('1 INVITE'))).status, 487)
  await until('the application is told', () => cancelled)
  t.equal(edge.engine.stats().dialogs, 0)
})

t.test('a call that fails, or is cancelled, leaves no dialog', async (t) => {
  const { edge, phone } = await start(t)
  const seen: string[] = []
  let release: (() => void) | undefined
  await application(edge, (app) =>
    app.invite((req, res) => {
      res.send(183, { headers: { Require: '100rel' }, body: sdp })
      res.send(180)
      if (req.get('subject') === 'fail') release = () => res.send(486)
      req.on('cancel', () => seen.push('cancelled'))
    }),
  )
  const supported = { Supported: '100rel' }
  phone.send(invite(phone, { headers: { ...supported, Subject: 'fail' } }))
  await phone.expect(180)
  t.equal(edge.engine.stats().dialogs, 1)
  release?.()
  await phone.expect(486)
  t.equal(edge.engine.stats().dialogs, 0)
  const text = invite(phone, { headers: supported })
  phone.send(text)
  await phone.expect(180)
  phone.send(cancelFor(text))
  await phone.expect(487)
  await until('told', () => seen.length === 1)
  t.equal(edge.engine.stats().dialogs, 0)
})

t.test('no PRACK: the call is refused with 504, and the application told', async (t) => {
  const { edge, phone, clock } = await start(t)
  let cancelled = false
  await application(edge, (app) =>
    app.invite((req, res) => {
      req.on('cancel', () => (cancelled = true))
      res.send(183, { headers: { Require: '100rel' }, body: sdp })
    }),
  )
  phone.send(invite(phone, { headers: { Supported: '100rel' } }))
  const progress = await phone.expect(183)
  const rack = `${Number(progress.header('rseq')) + 1} 1 INVITE`
  phone.send(inDialog(phone, 'PRACK', callerSide(progress), { headers: { RAck: rack } }))
  t.equal((await phone.expect(ofRequest('2 PRACK'))).status, 481, 'it acknowledges something else')
  clock.advance(32_000)
  await phone.expect(504)
  await until('told', () => cancelled)
  t.equal(edge.engine.stats().dialogs, 0)
})

t.test('an application that never answers a request within a dialog', async (t) => {
  const { edge, phone, clock } = await start(t)
  const dialogs = await answering(edge)
  const { dialog, ask } = await call(phone, dialogs)
  const seen: AppRequest[] = []
  dialog.on('info', (req, res) => {
    seen.push(req)
    if (req.get('subject') === 'wait') res.send(183)
  })
  const forgotten = ask('INFO', 2)
  await until('it is there', () => seen.length === 1)
  clock.advance(5000)
  t.match((await forgotten).header('retry-after'), /^\d+$/)
  const slow = ask('INFO', 3, { headers: { Subject: 'wait' } })
  await phone.expect(183)
  clock.advance(26_000)
  t.equal(phone.received.filter((got) => got.header('cseq') === '3 INFO').length, 1, 'it may take its time')
  clock.advance(5000)
  t.equal((await slow).status, 503, 'but not longer than the caller waits (RFC 4320)')
})

t.test(
  'a dialog outlives its application: another one takes it, and without any it can still end',
  async (t) => {
    const { edge, phone } = await start(t)
    let dialog: Dialog | undefined
    const first = await application(edge, (app) =>
      app.invite(
        (req, res) => void app.createUAS(req, res, { localSdp: sdp }).then((made) => (dialog = made)),
      ),
    )
    phone.send(invite(phone))
    const side = callerSide(await phone.expect(200))
    phone.send(inDialog(phone, 'ACK', side))
    await until('the dialog', () => dialog !== undefined)
    first.disconnect()
    await until('it is gone', () => edge.engine.stats().applications === 0)
    const ask = async (method: string, cseq: number): Promise<ReceivedMessage> => {
      phone.send(inDialog(phone, method, side, { cseq }))
      return phone.expect(ofRequest(`${cseq} ${method}`))
    }
    const nobody = await ask('INFO', 2)
    t.equal(nobody.status, 503)
    t.match(nobody.header('retry-after'), /^\d+$/)
    const ids: string[] = []
    const second = await application(edge, (app) => {
      app.invite((_, res) => res.send(404))
      app.use('info', (req, res) => {
        ids.push(req.stackDialogId)
        res.send(200)
      })
    })
    t.equal((await ask('INFO', 3)).status, 200)
    t.strictSame(ids, [dialog?.id])
    second.disconnect()
    await until('it is gone', () => edge.engine.stats().applications === 0)
    t.equal(edge.engine.stats().dialogs, 1)
    t.equal((await ask('BYE', 4)).status, 481)
    t.equal(edge.engine.stats().dialogs, 0)
  },
)

t.test('above the bound of dialogs calls are turned away; a second one of the same name too', async (t) => {
  const { edge, phone } = await start(t, { maxDialogs: 1 })
  const dialogs = await answering(edge)
  const { ask } = await call(phone, dialogs, { callId: 'one', fromTag: 'tag' })
  phone.send(invite(phone, { callId: 'two' }))
  t.match((await phone.expect(503)).header('retry-after'), /^\d+$/)
  await ask('BYE', 2)
  await call(phone, dialogs, { callId: 'one', fromTag: 'tag' })
  phone.send(invite(phone, { callId: 'three' }))
  await phone.expect(503)
  t.equal(edge.engine.stats().dialogs, 1)

  const other = await start(t)
  await call(other.phone, await answering(other.edge), { callId: 'one', fromTag: 'tag' })
  other.phone.send(invite(other.phone, { callId: 'one', fromTag: 'tag', cseq: 7 }))
  await other.phone.expect(482)
  t.equal(other.edge.engine.stats().dialogs, 1)
})

t.test('a subscription: refreshed, ended by a last NOTIFY, or by nobody', async (t) => {
  const { edge, phone, clock } = await start(t)
  const dialogs: Dialog[] = []
  await application(edge, (app) =>
    app.subscribe((req, res) => {
      const headers = { Expires: '600' }
      void app.createUAS(req, res, { headers }).then((dialog) => dialogs.push(dialog))
    }),
  )
  const subscribe = async (): Promise<Side> => {
    const before = dialogs.length
    const headers = { Event: 'presence', Expires: '600' }
    phone.send(phone.request({ method: 'SUBSCRIBE', uri: 'sip:222@localhost', headers }))
    const answer = await phone.expect(202)
    await until('the dialog', () => dialogs.length > before)
    return callerSide(answer)
  }
  const side = await subscribe()
  t.match(side.target, `127.0.0.1:${edge.port('udp')}`)
  dialogs[0]?.on('subscribe', (_, res) => res.send(200, { headers: { Expires: '600' } }))
  clock.advance(500_000)
  const refresh = { headers: { Event: 'presence', Expires: '600' }, cseq: 2 }
  phone.send(inDialog(phone, 'SUBSCRIBE', side, refresh))
  await phone.expect(ofRequest('2 SUBSCRIBE'))
  clock.advance(500_000)
  t.equal(edge.engine.stats().dialogs, 1, 'refreshed')
  const ended = dialogs[0]?.destroy()
  const notify = await phone.expect('NOTIFY')
  t.match(notify.header('subscription-state'), 'terminated')
  phone.reply(notify, 200)
  await ended
  await until('the end', () => edge.engine.stats().dialogs === 0)
  await subscribe()
  clock.advance(640_000)
  t.equal(edge.engine.stats().dialogs, 0, 'nobody has refreshed it')
})

t.test('a REFER whose outcome nobody is told leaves no dialog behind', async (t) => {
  const { edge, phone, clock } = await start(t)
  const dialogs = await answering(edge)
  const { dialog, ask } = await call(phone, dialogs)
  // drachtio-srf accepts it by itself.
  t.equal((await ask('REFER', 2, { headers: { 'Refer-To': '<sip:x@y>' } })).status, 200)
  t.equal((await ask('BYE', 3)).status, 200)
  t.equal(edge.engine.stats().dialogs, 1, 'a NOTIFY may follow')
  clock.advance(32_000)
  t.equal(edge.engine.stats().dialogs, 0)
  t.notOk(dialog.connected)

  const other = await call(phone, dialogs)
  t.equal((await other.ask('REFER', 2, { headers: { 'Refer-To': '<sip:x@y>' } })).status, 200)
  const headers = { Event: 'refer', 'Subscription-State': 'active;expires=100' }
  const told = other.dialog.request({ method: 'NOTIFY', headers })
  phone.reply(await phone.expect('NOTIFY'), 200)
  await told
  t.equal((await other.ask('BYE', 3)).status, 200)
  clock.advance(120_000)
  t.equal(edge.engine.stats().dialogs, 1)
  clock.advance(12_000)
  t.equal(edge.engine.stats().dialogs, 0)
  t.equal(clock.pending, 0, 'and no timer')
})

t.test('the application gives a silent call up', async (t) => {
  const { edge, phone, clock } = await start(t, {}, 'tcp')
  const dialogs = await answering(edge)
  phone.send(invite(phone))
  const answer = await phone.expect(200)
  await until('the dialog', () => dialogs.length === 1)
  const ended = new Promise((resolve) => dialogs[0]?.on('destroy', (_, reason) => resolve(reason)))
  clock.advance(32_000)
  const bye = await phone.expect('BYE')
  t.equal(bye.uri, uriOf(/^Contact: (.*)$/m.exec(invite(phone))?.[1]), 'to the Contact of the caller')
  t.equal(param(bye.header('from'), 'tag'), param(answer.header('to'), 'tag'))
  t.match(bye.header('reason'), /SIP;cause=200;text="ACK timeout"/)
  t.equal(await ended, 'ACK timeout')
  t.ok(phone.received.filter(({ status }) => status === 200).length > 5, 'repeated over TCP as well')
  t.equal(edge.engine.stats().dialogs, 0)
})
