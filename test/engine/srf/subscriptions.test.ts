/** Subscriptions: an application that notifies, and one that subscribes (RFC 6665). */
import t from 'tap'
import { calleeSide, callerSide, inDialog } from '../../support/call.js'
import { accept, contactOf } from '../../support/callee.js'
import { deferred } from '../../support/deferred.js'
import { onEveryEdge, type Edge } from '../../support/edges.js'
import type { Phone } from '../../support/phone.js'
import { param, uriOf } from '../../support/sip-text.js'
import { settled, type App, type AppRequest, type Dialog } from '../../support/srf.js'

const presence = { Event: 'presence', Expires: '600' }

async function notifier(
  edge: Edge,
): Promise<{ app: App; phone: Phone; side: ReturnType<typeof callerSide>; dialog: Dialog }> {
  const phone = await edge.phone('udp')
  const outcome = deferred<Dialog>()
  const app = await edge.application((app) =>
    app.subscribe((req, res) => {
      app.createUAS(req, res, { headers: { Expires: '600' } }).then(outcome.resolve, outcome.reject)
    }),
  )
  phone.send(
    phone.request({
      method: 'SUBSCRIBE',
      uri: 'sip:222@localhost',
      contact: contactOf(phone),
      headers: presence,
    }),
  )
  const side = callerSide(await phone.expect(202))
  return { app, phone, side, dialog: await outcome.promise }
}

onEveryEdge('a subscription is accepted, notified, refreshed and given up by the phone', async (t, edge) => {
  const { app, phone, side, dialog } = await notifier(edge)
  t.match(dialog, { type: 'uas', dialogType: 'SUBSCRIBE', connected: true, subscriptions: [/presence/] })
  t.match(side.target, '127.0.0.1', 'with a contact')
  t.equal(app.findDialogById(dialog.id), dialog)
  const notifying = dialog.request({
    method: 'NOTIFY',
    headers: { ...presence, 'Subscription-State': 'active;expires=600', 'Content-Type': 'text/plain' },
    body: 'here',
  })
  const notify = await accept(phone, 'NOTIFY')
  t.match(await notifying, { status: 200 })
  t.equal(notify.body, 'here')
  t.equal(notify.header('subscription-state'), 'active;expires=600')
  t.equal(param(notify.header('from'), 'tag'), dialog.sip.localTag)
  const refreshed = deferred<AppRequest>()
  dialog.on('subscribe', (req, res) => {
    refreshed.resolve(req)
    res.send(200, { headers: { Expires: '600' } })
  })
  phone.send(inDialog(phone, 'SUBSCRIBE', side, { headers: presence }))
  t.equal((await phone.expect((got) => got.header('cseq') === '2 SUBSCRIBE')).status, 200)
  t.equal((await refreshed.promise).get('expires'), '600')
  const gone = deferred<AppRequest>()
  dialog.on('unsubscribe', gone.resolve)
  phone.send(inDialog(phone, 'SUBSCRIBE', side, { cseq: 3, headers: { ...presence, Expires: '0' } }))
  await phone.expect((got) => got.header('cseq') === '3 SUBSCRIBE' && got.status === 202)
  await gone.promise
  const [last] = await Promise.all([accept(phone, 'NOTIFY'), dialog.destroy()])
  t.equal(last.header('subscription-state'), 'terminated')
  t.equal(dialog.connected, false)
})

onEveryEdge('the application ends a subscription with its last NOTIFY', async (t, edge) => {
  const { app, phone, side, dialog } = await notifier(edge)
  const ended = deferred<AppRequest>()
  dialog.on('destroy', ended.resolve)
  const headers = { Event: 'presence', 'Subscription-State': 'terminated;reason=noresource' }
  const notifying = dialog.request({ method: 'NOTIFY', headers })
  await accept(phone, 'NOTIFY')
  await notifying
  t.match(await ended.promise, { method: 'NOTIFY' })
  t.equal(app.findDialogById(dialog.id), undefined)
  await settled(app)
  phone.send(inDialog(phone, 'SUBSCRIBE', side, { headers: presence }))
  const { status } = await phone.expect((got) => got.header('cseq') === '2 SUBSCRIBE')
  const over = edge.differs('a subscription after its last NOTIFY', { embedded: true, drachtioServer: false })
  t.equal(status, over ? 481 : 202)
})

async function subscriber(
  edge: Edge,
): Promise<{ app: App; phone: Phone; side: ReturnType<typeof calleeSide>; dialog: Dialog }> {
  const app = await edge.application()
  const phone = await edge.phone('udp')
  // The library finds the subscription that a NOTIFY ends by the user in To, which has to be that of the SUBSCRIBE.
  const headers = { ...presence, From: `<${contactOf(phone)}>` }
  const subscribing = app.createUAC(contactOf(phone), { method: 'SUBSCRIBE', headers })
  const subscribe = await phone.expect('SUBSCRIBE')
  t.equal(subscribe.header('event'), 'presence')
  t.match(uriOf(subscribe.header('contact')), `127.0.0.1:${edge.port('udp')}`)
  const sent = phone.reply(subscribe, 202, { contact: contactOf(phone), headers: { Expires: '600' } })
  return { app, phone, side: calleeSide(subscribe, sent), dialog: await subscribing }
}

onEveryEdge('an application subscribes, is notified, refreshes, and is told of the end', async (t, edge) => {
  const { app, phone, side, dialog } = await subscriber(edge)
  t.match(dialog, { type: 'uac', dialogType: 'SUBSCRIBE', connected: true })
  const notified = deferred<AppRequest>()
  dialog.on('notify', (req, res) => {
    notified.resolve(req)
    res.send(200)
  })
  const headers = { Event: 'presence', 'Subscription-State': 'active' }
  phone.send(inDialog(phone, 'NOTIFY', side, { headers, body: 'here', contentType: 'text/plain' }))
  t.equal((await phone.expect((got) => got.header('cseq') === '2 NOTIFY')).status, 200)
  t.match(await notified.promise, { body: 'here' })
  const refreshing = dialog.request({ method: 'SUBSCRIBE', headers: presence })
  const refresh = await accept(phone, 'SUBSCRIBE', { contact: contactOf(phone), headers: { Expires: '600' } })
  t.equal(param(refresh.header('to'), 'tag'), dialog.sip.remoteTag)
  t.match(await refreshing, { status: 200 })
  const ended = deferred<AppRequest>()
  dialog.on('destroy', ended.resolve)
  const last = { Event: 'presence', 'Subscription-State': 'terminated;reason=timeout' }
  phone.send(inDialog(phone, 'NOTIFY', side, { cseq: 3, headers: last }))
  const { status } = await phone.expect((got) => got.header('cseq') === '3 NOTIFY')
  t.equal(status, edge.differs('the last NOTIFY to a subscriber', { embedded: 200, drachtioServer: 500 }))
  await ended.promise
  t.equal(app.findDialogById(dialog.id), undefined)
})

onEveryEdge('a subscription that is refused', async (t, edge) => {
  const app = await edge.application()
  const phone = await edge.phone('udp')
  const outcome = app
    .createUAC(contactOf(phone), { method: 'SUBSCRIBE', headers: presence })
    .catch((error: unknown) => error)
  phone.reply(await phone.expect('SUBSCRIBE'), 489)
  t.match(await outcome, { status: 489 })
})

onEveryEdge('a NOTIFY that overtakes the answer to its SUBSCRIBE (RFC 6665 §4.1.2.4)', async (t, edge) => {
  const app = await edge.application()
  const phone = await edge.phone('udp')
  const notified = deferred<AppRequest>()
  app.createUAC(contactOf(phone), { method: 'SUBSCRIBE', headers: presence }, {}, (_, dialog) =>
    dialog.on('notify', (req, res) => {
      res.send(200)
      notified.resolve(req)
    }),
  )
  const subscribe = await phone.expect('SUBSCRIBE')
  const side = { ...calleeSide(subscribe, ''), from: `${subscribe.header('to')};tag=early` }
  phone.send(
    inDialog(phone, 'NOTIFY', side, { headers: { Event: 'presence', 'Subscription-State': 'active' } }),
  )
  const waits = edge.differs('a NOTIFY that overtakes', { embedded: true, drachtioServer: false })
  if (!waits) t.equal((await phone.expect((got) => got.header('cseq') === '2 NOTIFY')).status, 503)
  phone.reply(subscribe, 202, { contact: contactOf(phone), toTag: 'early' })
  if (waits) {
    t.equal((await phone.expect((got) => got.header('cseq') === '2 NOTIFY')).status, 200)
    t.match(await notified.promise, { method: 'NOTIFY' })
  }
})

t.end()
