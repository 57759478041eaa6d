/** Calls that an application makes and that come to nothing: refused, cancelled, unheard. */
import t from 'tap'
import { sdp } from '../../support/call.js'
import { accept, answer, branchOf, contactOf } from '../../support/callee.js'
import { deferred } from '../../support/deferred.js'
import { onEveryEdge } from '../../support/edges.js'
import { freePort, until } from '../../support/tools.js'
import { isSipError, type AppRequest, type AppResponse, type SipError } from '../../support/srf.js'

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

onEveryEdge(
  'a callee that refuses: SipError with status, reason and response; the edge sends the ACK',
  async (t, edge) => {
    const app = await edge.application()
    const phone = await edge.phone('udp')
    for (const status of [302, 486, 503, 603]) {
      const outcome = failure(app.createUAC(contactOf(phone), { localSdp: offer }))
      const invite = await phone.expect('INVITE')
      phone.reply(invite, status, {
        reason: `No ${status}`,
        headers: { Contact: '<sip:other@127.0.0.1>', 'X-Why': 'x' },
      })
      const ack = await phone.expect('ACK')
      t.equal(branchOf(ack), branchOf(invite), 'within the transaction (RFC 3261 §17.1.1.3)')
      const error = await outcome
      t.match(error, { status, reason: `No ${status}` })
      t.equal(error.res.get('x-why'), 'x')
    }
    t.equal(app.idle, true)
  },
)

onEveryEdge('credentials that are not believed: the second challenge is the outcome', async (t, edge) => {
  const app = await edge.application()
  const phone = await edge.phone('udp')
  const outcome = failure(
    app.createUAC(contactOf(phone), {
      localSdp: offer,
      auth: (_req, _res, done) => done(null, 'alice', 'wrong'),
    }),
  )
  for (let attempt = 0; attempt < 2; attempt++) {
    phone.reply(await phone.expect('INVITE'), 401, {
      headers: { 'WWW-Authenticate': 'Digest realm="r", nonce="n"' },
    })
    await phone.expect('ACK')
  }
  t.match(await outcome, { status: 401 })
})

onEveryEdge('cancel while it rings: CANCEL in the transaction, 487 to the application', async (t, edge) => {
  const app = await edge.application()
  const phone = await edge.phone('udp')
  const request = deferred<AppRequest>()
  const ringing = deferred<AppResponse>()
  const calling = app.createUAC(
    contactOf(phone),
    { localSdp: offer },
    { cbRequest: (_, sent) => request.resolve(sent), cbProvisional: ringing.resolve },
  )
  const outcome = failure(calling)
  const invite = await phone.expect('INVITE')
  phone.reply(invite, 180)
  await ringing.promise
  ;(await request.promise).cancel({ headers: { Reason: 'SIP;cause=200;text="elsewhere"' } })
  const cancel = await phone.expect('CANCEL')
  t.equal(branchOf(cancel), branchOf(invite))
  t.equal(cancel.uri, invite.uri)
  t.equal(cancel.header('cseq'), invite.header('cseq')?.replace('INVITE', 'CANCEL'))
  t.equal(cancel.header('reason'), 'SIP;cause=200;text="elsewhere"')
  phone.reply(cancel, 200)
  phone.reply(invite, 487)
  t.ok(await phone.expect('ACK'))
  t.match(await outcome, { status: 487 })
})

onEveryEdge('cancel before the first response waits for one (RFC 3261 §9.1)', async (t, edge) => {
  const app = await edge.application()
  const phone = await edge.phone('tcp')
  const request = deferred<AppRequest>()
  const outcome = failure(
    app.createUAC(contactOf(phone), { localSdp: offer }, { cbRequest: (_, sent) => request.resolve(sent) }),
  )
  const invite = await phone.expect('INVITE')
  const taken = deferred<unknown>()
  ;(await request.promise).cancel((error) => taken.resolve(error))
  t.notOk(await taken.promise)
  t.notOk(phone.received.some(({ method }) => method === 'CANCEL'))
  phone.reply(invite, 100)
  phone.reply(await phone.expect('CANCEL'), 200)
  phone.reply(invite, 487)
  await phone.expect('ACK')
  t.match(await outcome, { status: 487 })
})

onEveryEdge('a 200 that crosses the CANCEL', async (t, edge) => {
  const app = await edge.application()
  const phone = await edge.phone('udp')
  const request = deferred<AppRequest>()
  const ringing = deferred<AppResponse>()
  const calling = app.createUAC(
    contactOf(phone),
    { localSdp: offer },
    { cbRequest: (_, sent) => request.resolve(sent), cbProvisional: ringing.resolve },
  )
  const invite = await phone.expect('INVITE')
  phone.reply(invite, 180)
  await ringing.promise
  ;(await request.promise).cancel()
  phone.reply(await phone.expect('CANCEL'), 200)
  answer(phone, invite)
  await phone.expect('ACK')
  await accept(phone, 'BYE')
  const dialog = await calling
  await until('the application has forgotten it', () => app.findDialogById(dialog.id) === undefined)
  t.equal(dialog.connected, false)
})

onEveryEdge('an answer without Contact makes no dialog', async (t, edge) => {
  const app = await edge.application()
  const phone = await edge.phone('udp')
  const outcome = failure(app.createUAC(contactOf(phone), { localSdp: offer }))
  const invite = await phone.expect('INVITE')
  phone.reply(invite, 200, { contentType: 'application/sdp', body: sdp })
  t.match(await outcome, { status: 500 })
})

onEveryEdge('a callee that refuses the connection is 503 at once', async (t, edge) => {
  const app = await edge.application()
  const nobody = await freePort()
  t.match(await failure(app.createUAC(`sip:bob@127.0.0.1:${nobody};transport=tcp`, { localSdp: offer })), {
    status: 503,
  })
})

onEveryEdge(
  'a callee that says nothing is 408 after 64*T1',
  async (t, edge) => {
    const app = await edge.application()
    const phone = await edge.phone('udp')
    const started = Date.now()
    t.match(await failure(app.createUAC(contactOf(phone), { localSdp: offer })), { status: 408 })
    t.ok(Date.now() - started >= 60 * edge.t1)
    t.ok(phone.received.length > 1, 'it was asked again and again (timer A)')
  },
  { timesOut: true },
)

onEveryEdge('what can not be sent is refused with the reason', async (t, edge) => {
  const app = await edge.application()
  for (const uri of ['sip:', `sip:me@127.0.0.1:${edge.port('udp')}`])
    await t.rejects(app.createUAC(uri, { localSdp: offer }), { code: 'EDRACHTIO', message: /./ }, uri)
  t.equal(app.idle, true)
})

t.end()
