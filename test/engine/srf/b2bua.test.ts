/** Calls that an application joins: createB2BUA. */
import t from 'tap'
import { callerSide, inDialog, invite, sdp } from '../../support/call.js'
import { accept, answer, branchOf, contactOf, takeCall } from '../../support/callee.js'
import { deferred } from '../../support/deferred.js'
import { onEveryEdge, type Edge } from '../../support/edges.js'
import type { Phone, PhoneTransport, ReceivedMessage } from '../../support/phone.js'
import { ackForFailure, cancelFor, param } from '../../support/sip-text.js'
import type {
  App,
  AppRequest,
  AppResponse,
  B2buaOptions,
  Dialog,
  Progress,
  SipError,
} from '../../support/srf.js'

const theirs = sdp.replace('4000', '4444')

interface Bridge {
  alice: Phone
  bob: Phone
  app: App
  /** What came of the call: both dialogs, or the error. */
  outcome: Promise<{ uas: Dialog; uac: Dialog } | SipError>
}

/** Alice calls an application that bridges each call to Bob with these options. */
async function bridge(
  edge: Edge,
  options: B2buaOptions = {},
  kinds: [PhoneTransport, PhoneTransport] = ['udp', 'udp'],
  progress?: Progress,
): Promise<Bridge> {
  const alice = await edge.phone(kinds[0])
  const bob = await edge.phone(kinds[1])
  const outcome = deferred<{ uas: Dialog; uac: Dialog } | SipError>()
  const app = await edge.application((app) => {
    app.register((req, res) =>
      res.send(200, { headers: { Contact: req.get('contact') ?? '', Expires: '60' } }),
    )
    app.invite((req, res) => {
      app.createB2BUA(req, res, contactOf(bob), options, progress).then(outcome.resolve, outcome.resolve)
    })
  })
  // drachtio-server reaches a connected phone by the contact that it registered.
  bob.send(
    bob.request({
      method: 'REGISTER',
      uri: 'sip:localhost',
      from: 'sip:bob@localhost',
      contact: `<${contactOf(bob)}>;expires=60`,
    }),
  )
  await bob.expect(200)
  return { alice, bob, app, outcome: outcome.promise }
}

async function connected(outcome: Bridge['outcome']): Promise<{ uas: Dialog; uac: Dialog }> {
  const result = await outcome
  if (result instanceof Error) throw result
  return result
}

const ofInvite = (status: number) => (got: ReceivedMessage) =>
  got.status === status && /INVITE/.test(got.header('cseq') ?? '')

for (const kinds of [
  ['udp', 'udp'],
  ['tcp', 'udp'],
  ['udp', 'ws'],
  ['wss', 'tls'],
] as [PhoneTransport, PhoneTransport][]) {
  onEveryEdge(
    `a bridged call ${kinds.join(' to ')}: both sides, and the end from either`,
    async (t, edge) => {
      const { alice, bob, app, outcome } = await bridge(edge, {}, kinds)
      alice.send(invite(alice, { from: '"Alice" <sip:111@localhost>', contact: contactOf(alice) }))
      const received = await bob.expect('INVITE')
      t.equal(received.body, sdp)
      t.match(received.header('from'), /"?Alice"? <sip:111@/)
      t.not(received.header('call-id'), alice.received[0]?.header('call-id'))
      bob.reply(received, 180)
      await alice.expect(180)
      answer(bob, received, { body: theirs })
      const answered = await alice.expect(ofInvite(200))
      t.equal(answered.body, theirs)
      const side = callerSide(answered)
      alice.send(inDialog(alice, 'ACK', side))
      await bob.expect('ACK')
      const { uas, uac } = await connected(outcome)
      t.equal(uas.other, uac)
      t.equal(uac.other, uas)
      for (const one of [uas, uac]) one.on('destroy', () => void one.other.destroy())
      alice.send(inDialog(alice, 'BYE', side))
      await accept(bob, 'BYE')
      await alice.expect((got) => got.header('cseq') === '2 BYE')
      t.equal(app.findDialogById(uas.id), undefined)
    },
  )
}

onEveryEdge('headers are passed on as asked, each way', async (t, edge) => {
  const { alice, bob, outcome } = await bridge(edge, {
    headers: { 'X-Own': 'b', To: '<sip:bob@example.org>' },
    proxyRequestHeaders: ['Subject', 'X-Custom'],
    proxyResponseHeaders: ['X-Answer'],
    responseHeaders: { 'X-Own': 'a' },
  })
  alice.send(invite(alice, { headers: { Subject: 'lunch', 'X-Custom': 'Ä', 'X-Private': 'stays' } }))
  const { invite: received } = await takeCall(bob, { headers: { 'X-Answer': 'ö', 'X-Secret': 'stays' } })
  t.equal(received.header('subject'), 'lunch')
  t.equal(received.header('x-custom'), 'Ä')
  t.equal(received.header('x-private'), undefined)
  t.equal(received.header('x-own'), 'b')
  t.match(received.header('to'), '<sip:bob@example.org>')
  const answered = await alice.expect(ofInvite(200))
  t.equal(answered.header('x-answer'), 'ö')
  t.equal(answered.header('x-own'), 'a')
  t.equal(answered.header('x-secret'), undefined)
  await connected(outcome)
})

onEveryEdge('both descriptions can be put in place of those of the phones', async (t, edge) => {
  const seen: string[] = []
  const { alice, bob, outcome } = await bridge(edge, {
    localSdpB: sdp.replace('4000', '7000'),
    localSdpA: (remote) => {
      seen.push(remote)
      return Promise.resolve(sdp.replace('4000', '8000'))
    },
  })
  alice.send(invite(alice))
  const { invite: received } = await takeCall(bob, { body: theirs })
  t.match(received.body, 'm=audio 7000')
  t.match((await alice.expect(ofInvite(200))).body, 'm=audio 8000')
  t.strictSame(seen, [theirs])
  await connected(outcome)
})

onEveryEdge('progress is passed on, with its description, and told to the application', async (t, edge) => {
  const told: string[] = []
  const { alice, bob, outcome } = await bridge(
    edge,
    { responseHeaders: (response) => ({ 'X-Leg': String(response?.status) }) },
    undefined,
    {
      cbRequest: (_, request: AppRequest) => told.push(request.method),
      cbProvisional: (response: AppResponse) => told.push(String(response.status)),
      cbFinalizedUac: (uac) => told.push(uac.type),
    },
  )
  alice.send(invite(alice))
  const received = await bob.expect('INVITE')
  bob.reply(received, 180)
  t.equal((await alice.expect(180)).header('x-leg'), '180')
  bob.reply(received, 183, { body: theirs })
  t.equal((await alice.expect(183)).body, theirs)
  answer(bob, received, { body: theirs })
  await alice.expect(ofInvite(200))
  await connected(outcome)
  t.strictSame(told, ['INVITE', '180', 'uac'], 'the library keeps progress with a description to itself')
})

onEveryEdge('progress can be kept from the caller', async (t, edge) => {
  const { alice, bob, outcome } = await bridge(edge, { passProvisionalResponses: false })
  alice.send(invite(alice))
  await takeCall(bob)
  await alice.expect(ofInvite(200))
  t.notOk(alice.received.some(({ status }) => status === 180))
  await connected(outcome)
})

for (const status of [302, 486, 603]) {
  onEveryEdge(`a refusal is passed on: ${status}, reason, headers`, async (t, edge) => {
    const { alice, bob, outcome } = await bridge(edge, { proxyResponseHeaders: ['Contact', 'X-Why'] })
    const text = invite(alice)
    alice.send(text)
    const received = await bob.expect('INVITE')
    bob.reply(received, status, {
      reason: 'Not today',
      headers: { 'X-Why': 'x' },
      contact: 'sip:new@example.org',
    })
    t.equal(branchOf(await bob.expect('ACK')), branchOf(received))
    const refused = await alice.expect(status)
    alice.send(ackForFailure(text, refused))
    t.equal(refused.reason, 'Not today')
    t.equal(refused.header('x-why'), 'x')
    if (status === 302) t.match(refused.header('contact'), 'sip:new@example.org')
    t.match(await outcome, { status })
  })
}

onEveryEdge('a refusal can be kept from the caller, and another callee tried', async (t, edge) => {
  const [alice, first, second] = [await edge.phone('udp'), await edge.phone('udp'), await edge.phone('tcp')]
  const done = deferred<unknown>()
  await edge.application((app) =>
    app.invite((req, res) => {
      app
        .createB2BUA(req, res, contactOf(first), { passFailure: false })
        .catch(() => app.createB2BUA(req, res, contactOf(second)))
        .then(done.resolve, done.reject)
    }),
  )
  alice.send(invite(alice))
  first.reply(await first.expect('INVITE'), 486)
  await first.expect('ACK')
  await takeCall(second)
  await alice.expect(ofInvite(200))
  t.notOk(alice.received.some(({ status }) => status === 486))
  t.ok(await done.promise)
})

onEveryEdge('the caller gives up: 487 to it, CANCEL with its reason to the callee', async (t, edge) => {
  const { alice, bob, outcome } = await bridge(edge)
  const text = invite(alice)
  alice.send(text)
  const received = await bob.expect('INVITE')
  bob.reply(received, 180)
  await alice.expect(180)
  alice.send(cancelFor(text).replace('\r\nContent-Length', '\r\nReason: SIP;cause=487\r\nContent-Length'))
  const cancel = await bob.expect('CANCEL')
  t.equal(cancel.header('reason'), 'SIP;cause=487')
  bob.reply(cancel, 200)
  bob.reply(received, 487)
  await bob.expect('ACK')
  alice.send(ackForFailure(text, await alice.expect(487)))
  t.match(await outcome, { status: 487 })
})

onEveryEdge(
  'a call without an offer passes the offer and the answer the other way round',
  async (t, edge) => {
    const { alice, bob, outcome } = await bridge(edge)
    alice.send(invite(alice, { body: '' }))
    const received = await bob.expect('INVITE')
    t.equal(received.body, '')
    answer(bob, received, { body: theirs })
    const answered = await alice.expect(ofInvite(200))
    t.equal(answered.body, theirs)
    alice.send(inDialog(alice, 'ACK', callerSide(answered), { body: sdp }))
    t.equal((await bob.expect('ACK')).body, sdp)
    const { uas, uac } = await connected(outcome)
    t.match([uas.type, uac.type], ['uas', 'uac'])
  },
)

onEveryEdge('reliable progress passes from one side to the other (RFC 3262)', async (t, edge) => {
  const { alice, bob, outcome } = await bridge(edge, {
    proxyRequestHeaders: ['Supported'],
    proxyResponseHeaders: ['Require'],
  })
  alice.send(invite(alice, { headers: { Supported: '100rel' } }))
  const received = await bob.expect('INVITE')
  t.equal(received.header('supported'), '100rel')
  bob.reply(received, 183, {
    contact: contactOf(bob),
    headers: { Require: '100rel', RSeq: '7' },
    body: theirs,
  })
  const progress = await alice.expect(183)
  t.equal(progress.header('require'), '100rel')
  alice.send(
    inDialog(alice, 'PRACK', callerSide(progress), {
      headers: { RAck: `${progress.header('rseq')} 1 INVITE` },
    }),
  )
  await alice.expect((got) => got.status === 200 && got.header('cseq') === '2 PRACK')
  t.match((await accept(bob, 'PRACK')).header('rack'), /^7 \d+ INVITE$/)
  answer(bob, received, { body: theirs })
  const answered = await alice.expect(ofInvite(200))
  t.equal(param(answered.header('to'), 'tag'), param(progress.header('to'), 'tag'))
  await connected(outcome)
})

onEveryEdge('a callee that is challenged with credentials of the bridge', async (t, edge) => {
  const { alice, bob, outcome } = await bridge(edge, { auth: { username: 'trunk', password: 'secret' } })
  alice.send(invite(alice))
  bob.reply(await bob.expect('INVITE'), 401, {
    headers: { 'WWW-Authenticate': 'Digest realm="r", nonce="n"' },
  })
  await bob.expect('ACK')
  const { invite: second } = await takeCall(bob)
  t.match(second.header('authorization'), /username="trunk"/)
  await alice.expect(ofInvite(200))
  await connected(outcome)
})

onEveryEdge('a callee that can not be reached: 503 to the caller', async (t, edge) => {
  const alice = await edge.phone('udp')
  await edge.application((app) =>
    app.invite((req, res) => {
      app.createB2BUA(req, res, 'sip:bob@127.0.0.1:9;transport=tcp').catch(() => undefined)
    }),
  )
  alice.send(invite(alice))
  t.ok(await alice.expect(503))
})

t.end()
