/** Requests that an application sends outside dialogs: srf.request. */
import t from 'tap'
import { sdp } from '../../support/call.js'
import { accept, branchOf, contactOf } from '../../support/callee.js'
import { deferred } from '../../support/deferred.js'
import { onEveryEdge } from '../../support/edges.js'
import { param, uriOf } from '../../support/sip-text.js'
import type { App, AppRequest, AppResponse, RequestToSend } from '../../support/srf.js'
import { freePort, until } from '../../support/tools.js'

interface Sending {
  /** As it went out. */
  readonly sent: Promise<AppRequest>
  readonly final: Promise<AppResponse>
  /** The status of each response so far. */
  readonly statuses: number[]
}

/** Sends a request. A response may follow so closely that it would overtake a promise: hence the callback. */
function send(app: App, uri: string, options: RequestToSend): Sending {
  const [sent, final] = [deferred<AppRequest>(), deferred<AppResponse>()]
  const statuses: number[] = []
  app.request(uri, options, (error, request) => {
    if (error) return sent.reject(error)
    request.on('response', (response) => {
      statuses.push(response.status)
      if (response.status >= 200) final.resolve(response)
    })
    sent.resolve(request)
  })
  return { sent: sent.promise, final: final.promise, statuses }
}

for (const transport of ['udp', 'tcp'] as const) {
  onEveryEdge(`a request over ${transport}: what is sent, and the response`, async (t, edge) => {
    const app = await edge.application()
    const phone = await edge.phone(transport, transport === 'tcp' ? { listen: true, connect: false } : {})
    const sending = send(app, contactOf(phone), {
      method: 'OPTIONS',
      headers: { 'X-Custom': 'Ä', Subject: 'ping' },
    })
    const received = await accept(phone, 'OPTIONS', {
      headers: { Allow: 'INVITE, ACK' },
      body: 'ö',
      contentType: 'text/plain',
    })
    t.equal(received.uri, contactOf(phone))
    t.equal(received.header('max-forwards'), '70')
    t.equal(received.header('x-custom'), 'Ä')
    t.equal(received.header('subject'), 'ping')
    t.equal(received.header('content-length'), '0')
    t.match(
      received.header('via'),
      new RegExp(`^SIP/2.0/${transport.toUpperCase()} 127.0.0.1:${edge.port(transport)};`),
    )
    if (transport === 'udp') t.match(received.header('via'), /;rport/)
    t.equal(uriOf(received.header('to')).replace(/;.*/, ''), contactOf(phone).replace(/;.*/, ''))
    const sent = await sending.sent
    t.match(sent, { method: 'OPTIONS', source: 'application', protocol: transport })
    t.equal(sent.get('call-id'), received.header('call-id'))
    t.equal(sent.getParsedHeader('from').params['tag'], param(received.header('from'), 'tag'))
    const response = await sending.final
    t.match(response, {
      status: 200,
      reason: 'OK',
      body: 'ö',
      source: 'network',
      source_address: '127.0.0.1',
    })
    t.equal(response.get('allow'), 'INVITE, ACK')
    t.equal(response.source_port, phone.localPort)
    t.equal(response.req.get('call-id'), sent.get('call-id'))
    t.equal(app.idle, true)
  })
}

for (const transport of ['tcp', 'tls', 'ws', 'wss'] as const) {
  onEveryEdge(
    `a phone that has registered over ${transport} is reached by its contact, valid or not`,
    async (t, edge) => {
      const app = await edge.application((app) =>
        app.register((req, res) =>
          res.send(200, { headers: { Contact: req.get('contact') ?? '', Expires: '60' } }),
        ),
      )
      const phone = await edge.phone(transport)
      const user = `user${phone.localPort}`
      // Browsers can't know their address (RFC 7118 §5): the connection is all there is.
      const contact = `sip:${user}@df7jal23ls0d.invalid;transport=${transport === 'wss' ? 'ws' : transport}`
      phone.send(
        phone.request({
          method: 'REGISTER',
          uri: 'sip:localhost',
          from: `sip:${user}@localhost`,
          contact: `<${contact}>;expires=60`,
        }),
      )
      await phone.expect(200)
      const { final } = send(app, contact, { method: 'OPTIONS' })
      const received = await accept(phone, 'OPTIONS')
      t.equal(received.uri, contact)
      t.match(await final, { status: 200 })
    },
  )
}

onEveryEdge('methods with a body: MESSAGE, NOTIFY, PUBLISH, INFO', async (t, edge) => {
  const app = await edge.application()
  const phone = await edge.phone('udp')
  for (const method of ['MESSAGE', 'NOTIFY', 'PUBLISH', 'INFO']) {
    const { final } = send(app, contactOf(phone), {
      method: method.toLowerCase(),
      headers: {
        'Content-Type': 'text/plain',
        Event: 'x',
        'Subscription-State': 'active',
        From: '<sip:111@example.org>',
      },
      body: 'Grüße',
    })
    const received = await accept(phone, method)
    t.equal(received.body, 'Grüße')
    t.equal(received.header('content-type'), 'text/plain')
    t.equal(received.header('content-length'), '7')
    t.match(received.header('from'), /^<sip:111@example\.org>;tag=/)
    t.match(await final, { status: 200 })
  }
})

onEveryEdge('credentials answer a challenge, from an object or a function', async (t, edge) => {
  const app = await edge.application()
  const phone = await edge.phone('udp')
  for (const [status, challenge, authorization] of [
    [401, 'WWW-Authenticate', 'authorization'],
    [407, 'Proxy-Authenticate', 'proxy-authorization'],
  ] as const) {
    const credentials = { username: 'alice', password: 'secret' }
    const { sent, final } = send(app, contactOf(phone), {
      method: 'MESSAGE',
      body: 'hi',
      headers: { 'Content-Type': 'text/plain' },
      auth: status === 401 ? credentials : (_req, _res, done) => done(null, 'alice', 'secret'),
    })
    const retried = deferred<AppRequest>()
    void sent.then((request) => request.on('authenticate', retried.resolve))
    const first = await phone.expect('MESSAGE')
    phone.reply(first, status, {
      headers: { [challenge]: 'Digest realm="r", nonce="n", algorithm=MD5, qop="auth"' },
    })
    const second = await accept(phone, 'MESSAGE')
    t.match(
      second.header(authorization),
      /^Digest username="alice", ?realm="r", ?nonce="n", ?uri="sip:.*qop=auth/,
    )
    t.equal(second.header('call-id'), first.header('call-id'))
    t.equal(param(second.header('from'), 'tag'), param(first.header('from'), 'tag'))
    t.equal(parseInt(second.header('cseq') ?? ''), parseInt(first.header('cseq') ?? '') + 1)
    t.equal(second.body, 'hi')
    t.match(await final, { status: 200 })
    t.equal((await retried.promise).get('call-id'), first.header('call-id'))
  }
})

onEveryEdge('a challenge without credentials, or met in vain, is the response', async (t, edge) => {
  const app = await edge.application()
  const phone = await edge.phone('udp')
  const challenge = { headers: { 'WWW-Authenticate': 'Digest realm="r", nonce="n"' } }
  const plain = send(app, contactOf(phone), { method: 'OPTIONS' })
  phone.reply(await phone.expect('OPTIONS'), 401, challenge)
  t.match(await plain.final, { status: 401 })
  const auth = { username: 'alice', password: 'wrong' }
  const inVain = send(app, contactOf(phone), { method: 'OPTIONS', auth })
  phone.reply(await phone.expect('OPTIONS'), 401, challenge)
  phone.reply(await phone.expect('OPTIONS'), 401, challenge)
  t.match(await inVain.final, { status: 401 })
  t.equal(app.idle, true)
})

onEveryEdge('an outbound proxy', async (t, edge) => {
  const app = await edge.application()
  const proxy = await edge.phone('tcp', { listen: true, connect: false })
  const { final } = send(app, 'sip:bob@example.invalid', {
    method: 'OPTIONS',
    proxy: `sip:127.0.0.1:${proxy.localPort};transport=tcp`,
  })
  t.equal((await accept(proxy, 'OPTIONS')).uri, 'sip:bob@example.invalid')
  t.match(await final, { status: 200 })
})

onEveryEdge('an INVITE in one’s own hands: progress, cancel, ACK to a refusal', async (t, edge) => {
  const app = await edge.application()
  const phone = await edge.phone('udp')
  const call = send(app, contactOf(phone), { method: 'INVITE', body: sdp, headers: { Supported: 'timer' } })
  const invite = await phone.expect('INVITE')
  t.equal(invite.header('content-type'), 'application/sdp', 'told by its body')
  t.equal(invite.header('supported'), 'timer')
  t.match(uriOf(invite.header('contact')), `127.0.0.1:${edge.port('udp')}`)
  phone.reply(invite, 180)
  await until('it rings', () => call.statuses.length === 1)
  const cancelled = deferred<unknown>()
  ;(await call.sent).cancel((error) => cancelled.resolve(error))
  const cancel = await accept(phone, 'CANCEL')
  t.notOk(await cancelled.promise)
  t.equal(branchOf(cancel), branchOf(invite))
  phone.reply(invite, 487)
  t.equal(branchOf(await phone.expect('ACK')), branchOf(invite))
  t.match(await call.final, { status: 487 })
  t.strictSame(call.statuses, [180, 487])
  t.equal(app.idle, true)
})

onEveryEdge('a CANCEL that comes too late is refused', async (t, edge) => {
  const app = await edge.application()
  const phone = await edge.phone('udp')
  const { sent, final } = send(app, contactOf(phone), { method: 'INVITE', body: sdp })
  const invite = await phone.expect('INVITE')
  phone.reply(invite, 486)
  await phone.expect('ACK')
  await final
  const outcome = deferred<unknown>()
  ;(await sent).cancel((error) => outcome.resolve(error))
  t.match(await outcome.promise, { message: /unable to cancel unknown transaction|unknown transaction/ })
})

onEveryEdge(
  'nobody there: 503 where it is refused, 408 where it is silent',
  async (t, edge) => {
    const app = await edge.application()
    const silent = await edge.phone('udp')
    const nobody = await freePort()
    const [refused, unheard] = await Promise.all([
      send(app, `sip:bob@127.0.0.1:${nobody};transport=tcp`, { method: 'OPTIONS' }).final,
      send(app, contactOf(silent), { method: 'OPTIONS' }).final,
    ])
    t.match(refused, { status: 503 })
    t.match(unheard, { status: 408 })
    t.ok(silent.received.length > 1, 'it was asked again')
    t.equal(app.idle, true)
  },
  { timesOut: true },
)

onEveryEdge('what can not be sent is refused with the reason', async (t, edge) => {
  const app = await edge.application()
  await t.rejects(app.request('sip:', { method: 'OPTIONS' }), /request-uri/i)
  await t.rejects(app.request(`sip:me@127.0.0.1:${edge.port('udp')}`, { method: 'OPTIONS' }), /myself/)
  await t.rejects(
    app.request(contactOf(await edge.phone('udp')), { method: 'MESSAGE', body: 'of what kind?' }),
    /content-type/i,
  )
  t.equal(app.idle, true)
})

t.end()
