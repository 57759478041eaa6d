/** Calls that an application makes: createUAC. */
import { EventEmitter } from 'node:events'
import t from 'tap'
import { calleeSide, inDialog, sdp } from '../../support/call.js'
import { accept, answer, branchOf, contactOf, takeCall } from '../../support/callee.js'
import { deferred } from '../../support/deferred.js'
import { onEveryEdge } from '../../support/edges.js'
import type { ReceivedMessage } from '../../support/phone.js'
import { param, uriOf } from '../../support/sip-text.js'
import { isSipError, type AppRequest, type SipError } from '../../support/srf.js'

const offer = sdp.replace('4000', '5000')

/** The SipError that a call must fail with. */
async function failure(call: Promise<unknown>): Promise<SipError> {
  const outcome = await call.then(
    () => 'connected',
    (error: unknown) => error,
  )
  if (!isSipError(outcome)) throw new Error(`expected a SipError: ${String(outcome)}`)
  return outcome
}

onEveryEdge('a call: what is sent, progress, answer, ACK, and BYE by the application', async (t, edge) => {
  const app = await edge.application()
  const phone = await edge.phone('udp')
  let sent: AppRequest | undefined
  const provisional: number[] = []
  const calling = app.createUAC(
    contactOf(phone),
    { localSdp: offer, headers: { Subject: 'lunch', 'X-Custom': 'Ä' } },
    {
      cbRequest: (_, request) => (sent = request),
      cbProvisional: (response) => provisional.push(response.status),
    },
  )
  const invite = await phone.expect('INVITE')
  t.equal(invite.uri, contactOf(phone))
  t.equal(invite.header('max-forwards'), '70')
  t.equal(invite.header('subject'), 'lunch')
  t.equal(invite.header('x-custom'), 'Ä')
  t.equal(invite.header('content-type'), 'application/sdp')
  t.equal(invite.body, offer)
  t.ok(param(invite.header('from'), 'tag'))
  t.equal(uriOf(invite.header('to')), contactOf(phone))
  t.match(uriOf(invite.header('contact')), `127.0.0.1:${edge.port('udp')}`)
  phone.reply(invite, 100)
  phone.reply(invite, 180)
  phone.reply(invite, 183, { contentType: 'application/sdp', body: sdp })
  answer(phone, invite)
  const dialog = await calling
  const ack = await phone.expect('ACK')
  t.equal(ack.uri, contactOf(phone), 'the remote target')
  t.not(branchOf(ack), branchOf(invite), 'a transaction of its own (RFC 3261 §17.1.1.3)')
  t.equal(ack.header('cseq'), `${parseInt(invite.header('cseq') ?? '')} ACK`)
  t.strictSame(provisional, [180, 183], '100 stays with the edge')
  t.equal(sent?.get('call-id'), invite.header('call-id'))
  t.match(sent, { source: 'application', method: 'INVITE', stackTxnId: /./ })
  t.match(dialog, {
    type: 'uac',
    dialogType: 'INVITE',
    connected: true,
    sip: {
      callId: invite.header('call-id'),
      localTag: param(invite.header('from'), 'tag'),
      remoteTag: param(ack.header('to'), 'tag'),
    },
    local: { sdp: offer },
    remote: { sdp, uri: contactOf(phone) },
  })
  const bye = accept(phone, 'BYE')
  t.match(await dialog.destroy({ headers: { Reason: 'Q.850;cause=16' } }), { method: 'BYE' })
  const received = await bye
  t.equal(received.header('reason'), 'Q.850;cause=16')
  t.equal(received.header('cseq'), `${parseInt(invite.header('cseq') ?? '') + 1} BYE`)
  t.equal(received.header('to'), ack.header('to'))
  t.equal(dialog.connected, false)
  t.equal(app.idle, true, 'nothing is left open')
})

for (const transport of ['tcp', 'tls', 'ws', 'wss'] as const) {
  onEveryEdge(
    `a call to a phone that has registered over ${transport} takes its connection`,
    async (t, edge) => {
      const app = await edge.application((app) =>
        app.register((req, res) =>
          res.send(200, { headers: { Contact: req.get('contact') ?? '', Expires: '60' } }),
        ),
      )
      const phone = await edge.phone(transport)
      phone.send(
        phone.request({
          method: 'REGISTER',
          uri: 'sip:localhost',
          from: 'sip:bob@localhost',
          contact: `<${contactOf(phone)}>;expires=60`,
        }),
      )
      await phone.expect(200)
      const calling = app.createUAC(contactOf(phone), { localSdp: offer })
      const { invite, sent } = await takeCall(phone)
      t.match(invite.header('via'), `SIP/2.0/${transport.toUpperCase()} `)
      const dialog = await calling
      const ended = deferred<AppRequest>()
      dialog.on('destroy', ended.resolve)
      phone.send(inDialog(phone, 'BYE', calleeSide(invite, sent)))
      await phone.expect((got) => got.status === 200 && /BYE/.test(got.header('cseq') ?? ''))
      t.match(await ended.promise, { method: 'BYE' })
    },
  )
}

onEveryEdge('a call to a server that listens on TCP opens a connection', async (t, edge) => {
  const app = await edge.application()
  const phone = await edge.phone('tcp', { listen: true, connect: false })
  const calling = app.createUAC(contactOf(phone), { localSdp: offer })
  await takeCall(phone)
  const dialog = await calling
  const bye = accept(phone, 'BYE')
  await dialog.destroy()
  t.ok(await bye)
})

onEveryEdge('the forms of createUAC: options alone, callback, numbers and names', async (t, edge) => {
  const app = await edge.application()
  const phone = await edge.phone('udp')
  const first = app.createUAC({
    uri: contactOf(phone),
    localSdp: offer,
    callingNumber: '111',
    callingName: 'Alice',
  })
  const { invite } = await takeCall(phone)
  t.match(
    invite.header('from'),
    new RegExp(`^"?Alice"? <sip:111@127\\.0\\.0\\.1(:${edge.port('udp')})?>;tag=`),
  )
  t.match(uriOf(invite.header('contact')), `sip:111@127.0.0.1:${edge.port('udp')}`)
  await Promise.all([accept(phone, 'BYE'), (await first).destroy()])
  const second = deferred<unknown>()
  app.createUAC(
    `127.0.0.1:${phone.localPort}`,
    { localSdp: offer, calledNumber: '222', headers: { From: '<sip:333@example.org>;tag=mine' } },
    {},
    (error, dialog) => second.resolve(error ?? dialog),
  )
  const call = await takeCall(phone)
  t.equal(call.invite.uri, `sip:222@127.0.0.1:${phone.localPort}`)
  t.equal(call.invite.header('from'), '<sip:333@example.org>;tag=mine')
  const dialog = (await second.promise) as { destroy(): Promise<unknown>; sip: { localTag: string } }
  t.equal(dialog.sip.localTag, 'mine')
  await Promise.all([accept(phone, 'BYE'), dialog.destroy()])
})

onEveryEdge('an outbound proxy gets the request, whose Request-URI stays', async (t, edge) => {
  const app = await edge.application()
  const proxy = await edge.phone('udp')
  const outcome = failure(
    app.createUAC('sip:bob@example.invalid', {
      localSdp: offer,
      proxy: `sip:127.0.0.1:${proxy.localPort}`,
    }),
  )
  const invite = await proxy.expect('INVITE')
  t.equal(invite.uri, 'sip:bob@example.invalid')
  proxy.reply(invite, 404)
  await proxy.expect('ACK')
  t.match(await outcome, { status: 404, reason: 'Not Found' })
})

onEveryEdge('requests inside the dialog follow the Record-Route of the answer', async (t, edge) => {
  const app = await edge.application()
  const [phone, proxy] = [await edge.phone('udp'), await edge.phone('udp')]
  const route = `<sip:127.0.0.1:${proxy.localPort};lr>`
  const calling = app.createUAC(contactOf(phone), { localSdp: offer })
  const invite = await phone.expect('INVITE')
  answer(phone, invite, { headers: { 'Record-Route': route } })
  const ack = await proxy.expect('ACK')
  t.equal(ack.uri, contactOf(phone))
  t.equal(ack.header('route'), route)
  const dialog = await calling
  const bye = accept(proxy, 'BYE')
  await dialog.destroy()
  t.equal((await bye).header('route'), route)
})

onEveryEdge('a redirection is followed where the application wants it', async (t, edge) => {
  const app = await edge.application()
  const [phone, other] = [await edge.phone('udp'), await edge.phone('udp')]
  const calling = app.createUAC(contactOf(phone), { localSdp: offer, followRedirects: true })
  phone.reply(await phone.expect('INVITE'), 302, { contact: contactOf(other, 'new') })
  await phone.expect('ACK')
  const { invite } = await takeCall(other)
  t.equal(invite.uri, contactOf(other, 'new'))
  const dialog = await calling
  await Promise.all([accept(other, 'BYE'), dialog.destroy()])
})

onEveryEdge('credentials answer a challenge: same Call-ID and tag, next CSeq', async (t, edge) => {
  const app = await edge.application()
  const phone = await edge.phone('udp')
  const calling = app.createUAC(contactOf(phone), {
    localSdp: offer,
    auth: { username: 'alice', password: 'secret' },
  })
  const first = await phone.expect('INVITE')
  phone.reply(first, 407, {
    headers: { 'Proxy-Authenticate': 'Digest realm="r", nonce="n", qop="auth", opaque="o"' },
  })
  await phone.expect('ACK')
  const { invite, ack } = await takeCall(phone)
  t.match(
    invite.header('proxy-authorization'),
    /^Digest .*username="alice".*realm="r".*nonce="n".*opaque="o"/,
  )
  t.equal(invite.header('call-id'), first.header('call-id'))
  t.equal(invite.header('from'), first.header('from'))
  const cseq = parseInt(first.header('cseq') ?? '') + 1
  t.equal(invite.header('cseq'), `${cseq} INVITE`)
  t.not(branchOf(invite), branchOf(first))
  t.equal(ack.header('cseq'), `${cseq} ACK`)
  const dialog = await calling
  const bye = accept(phone, 'BYE')
  await dialog.destroy()
  t.equal((await bye).header('cseq'), `${cseq + 1} BYE`)
})

onEveryEdge('a call without an offer: the application answers in the ACK', async (t, edge) => {
  const app = await edge.application()
  const phone = await edge.phone('udp')
  const calling = app.createUAC(contactOf(phone), { noAck: true })
  const invite = await phone.expect('INVITE')
  t.equal(invite.body, '')
  answer(phone, invite)
  const offered = await calling
  t.equal(offered.sdp, sdp)
  const acked = phone.expect('ACK')
  const dialog = await offered.ack(offer)
  const ack = await acked
  t.equal(ack.body, offer)
  t.equal(ack.header('content-type'), 'application/sdp')
  t.equal(dialog.local.sdp, offer)
  await Promise.all([accept(phone, 'BYE'), dialog.destroy()])
})

onEveryEdge(
  'a call without an offer that the application leaves alone is answered with an inactive one',
  async (t, edge) => {
    const app = await edge.application()
    const phone = await edge.phone('udp')
    const calling = app.createUAC(contactOf(phone), {})
    const { ack } = await takeCall(phone)
    t.match(ack.body, /a=recvonly/)
    const dialog = await calling
    await Promise.all([accept(phone, 'BYE'), dialog.destroy()])
  },
)

onEveryEdge('a 200 that is repeated gets its ACK again (RFC 3261 §13.2.2.4)', async (t, edge) => {
  const app = await edge.application()
  const phone = await edge.phone('udp')
  const calling = app.createUAC(contactOf(phone), { localSdp: offer })
  const { invite, ack } = await takeCall(phone)
  const dialog = await calling
  answer(phone, invite)
  const again = await phone.expect('ACK')
  t.equal(again.header('cseq'), ack.header('cseq'))
  await Promise.all([accept(phone, 'BYE'), dialog.destroy()])
})

onEveryEdge('a second device that answers the same call (RFC 3261 §13.2.2.4)', async (t, edge) => {
  const app = await edge.application()
  const phone = await edge.phone('udp')
  const calling = app.createUAC(contactOf(phone), { localSdp: offer })
  const invite = await phone.expect('INVITE')
  answer(phone, invite, { toTag: 'first' })
  await phone.expect('ACK')
  const dialog = await calling
  answer(phone, invite, { toTag: 'second' })
  const ofSecond = (method: string) => (got: ReceivedMessage) =>
    got.method === method && param(got.header('to'), 'tag') === 'second'
  if (edge.differs('a second device that answers', { embedded: true, drachtioServer: false })) {
    await phone.expect(ofSecond('ACK'))
    phone.reply(await phone.expect(ofSecond('BYE')), 200)
  } else {
    await new Promise((resolve) => setTimeout(resolve, 300))
    t.notOk(phone.received.some(ofSecond('BYE')))
  }
  t.equal(dialog.sip.remoteTag, 'first')
  const [bye] = await Promise.all([accept(phone, 'BYE'), dialog.destroy()])
  t.equal(param(bye.header('to'), 'tag'), 'first')
})

onEveryEdge('a reliable provisional response gets its PRACK (RFC 3262)', async (t, edge) => {
  const app = await edge.application()
  const phone = await edge.phone('udp')
  const calling = app.createUAC(contactOf(phone), { localSdp: offer, headers: { Supported: '100rel' } })
  const invite = await phone.expect('INVITE')
  phone.reply(invite, 183, {
    contact: contactOf(phone),
    headers: { Require: '100rel', RSeq: '41' },
    contentType: 'application/sdp',
    body: sdp,
  })
  const prack = await accept(phone, 'PRACK')
  t.equal(prack.header('rack'), `41 ${invite.header('cseq')}`)
  t.equal(prack.uri, contactOf(phone))
  answer(phone, invite)
  await phone.expect('ACK')
  const dialog = await calling
  await Promise.all([accept(phone, 'BYE'), dialog.destroy()])
})

onEveryEdge('the states of a call are told where an application listens for them', async (t, edge) => {
  const app = await edge.application()
  const phone = await edge.phone('udp')
  const states: string[] = []
  const dialogStateEmitter = new EventEmitter().on('stateChange', ({ state }: { state: string }) =>
    states.push(state),
  )
  const calling = app.createUAC(contactOf(phone), { localSdp: offer, dialogStateEmitter })
  const invite = await phone.expect('INVITE')
  phone.reply(invite, 180)
  answer(phone, invite)
  await phone.expect('ACK')
  const dialog = await calling
  await Promise.all([accept(phone, 'BYE'), dialog.destroy()])
  t.strictSame(states, ['trying', 'early', 'confirmed', 'terminated'])
})

t.end()
