/** Requests that reach an application and the ways to answer them, on every transport. */
import { invite } from '../../support/call.js'
import { deferred } from '../../support/deferred.js'
import { onEveryEdge } from '../../support/edges.js'
import { cancelFor, param } from '../../support/sip-text.js'
import type { AppRequest, Handler, Message } from '../../support/srf.js'

for (const transport of ['udp', 'tcp', 'tls', 'ws', 'wss'] as const) {
  onEveryEdge(`a request over ${transport} as the application sees it`, async (t, edge) => {
    let seen: AppRequest | undefined
    await edge.application((app) =>
      app.invite((req, res) => {
        seen = req
        res.send(486)
      }),
    )
    const phone = await edge.phone(transport)
    const text = invite(phone, {
      from: '"Alice Ö" <sip:111@localhost>',
      to: '"Bob" <sip:222@localhost>',
      headers: { Subject: 'lunch', 'X-Custom': 'Ä;b' },
    })
    phone.send(text)
    await phone.expect(486)
    if (!seen) throw new Error('the application saw nothing')
    t.match(seen, {
      method: 'INVITE',
      uri: 'sip:222@localhost',
      isNewInvite: true,
      source: 'network',
      type: 'request',
    })
    t.equal(seen.source_address, '127.0.0.1')
    t.equal(seen.source_port, phone.localPort)
    t.equal(
      seen.protocol,
      edge.differs('the transport of a WebSocket phone', {
        embedded: transport,
        drachtioServer: { ws: 'tcp', wss: 'tcp', udp: 'udp', tcp: 'tcp', tls: 'tls' }[transport],
      }),
    )
    t.equal(seen.receivedOn, `127.0.0.1:${edge.port(transport)}`)
    t.match(seen.stackTime, /^\d\d:\d\d:\d\d\.\d{6}$/)
    t.match(seen.server, { address: '127.0.0.1', hostport: /udp\/127/ })
    t.equal(seen.get('Subject'), 'lunch')
    t.equal(seen.get('x-custom'), 'Ä;b')
    t.equal(seen.has('Supported'), false)
    t.match(seen.getParsedHeader('from'), {
      name: 'Alice Ö',
      uri: 'sip:111@localhost',
      params: { tag: String },
    })
    t.match(seen.getParsedHeader('contact'), [{ uri: new RegExp(`^sip:111@127.0.0.1:${phone.localPort}`) }])
    t.match(seen, { callingNumber: '111', callingName: 'Alice Ö', calledNumber: '222' })
    t.equal(seen.body, text.slice(text.indexOf('\r\n\r\n') + 4))
    t.match(seen.payload, [{ type: 'application/sdp' }])
    t.match(seen.raw, /^INVITE sip:222@localhost SIP\/2\.0\r\n/)
    t.match(seen.get('via'), `rport=${phone.localPort}`)
  })
}

onEveryEdge('handlers run in order, by method, in lists, and end where one answers', async (t, edge) => {
  const way: string[] = []
  const step =
    (name: string): Handler =>
    (_req, _res, next) => {
      way.push(name)
      next()
    }
  await edge.application((app) => {
    app.use(step('every'))
    app.use('message', [step('first'), step('second')], step('third'))
    app.options(step('not for MESSAGE'))
    app.message((req, res) => {
      way.push(`answer to ${req.method}`)
      res.send(202)
    })
    app.message(step('after the answer'))
  })
  const phone = await edge.phone('udp')
  phone.send(
    phone.request({ method: 'MESSAGE', uri: 'sip:222@localhost', body: 'hi', contentType: 'text/plain' }),
  )
  await phone.expect(202)
  t.strictSame(way, ['every', 'first', 'second', 'third', 'answer to MESSAGE'])
})

onEveryEdge('an error goes to the handler of errors; what nobody answers is 404', async (t, edge) => {
  await edge.application((app) => {
    app.message((_req, _res, next) => next(new Error('no luck')))
    const onError = (error: Error, _req: AppRequest, res: AppRequest['res'], _next: unknown): void =>
      res.send(500, error.message)
    app.use(onError as unknown as Handler)
    app.options((_req, _res, next) => next())
  })
  const phone = await edge.phone('udp')
  phone.send(phone.request({ method: 'MESSAGE', uri: 'sip:222@localhost' }))
  t.equal((await phone.expect(500)).reason, 'no luck')
  phone.send(phone.request({ method: 'OPTIONS', uri: 'sip:222@localhost' }))
  await phone.expect(404)
})

onEveryEdge('every method that phones send to a server reaches its handler', async (t, edge) => {
  const methods = [
    'register',
    'options',
    'message',
    'subscribe',
    'notify',
    'publish',
    'info',
    'refer',
  ] as const
  const seen: string[] = []
  await edge.application((app) => {
    for (const method of methods)
      app[method]((req, res) => {
        seen.push(req.method.toLowerCase())
        res.send(200, { headers: { Expires: '60' } })
      })
  })
  const phone = await edge.phone('udp')
  const answered = methods.filter(
    (method) =>
      method !== 'refer' || edge.differs('REFER outside a dialog', { embedded: true, drachtioServer: false }),
  )
  for (const method of answered) {
    phone.send(
      phone.request({
        method: method.toUpperCase(),
        uri: 'sip:222@localhost',
        headers: { Event: 'presence', 'Refer-To': '<sip:333@localhost>', Expires: '60' },
      }),
    )
    await phone.expect((got) => got.status === 200 && got.header('cseq') === `1 ${method.toUpperCase()}`)
  }
  t.strictSame(seen, answered)
})

onEveryEdge('the forms of res.send: reason, headers, body, callback, tag; once only', async (t, edge) => {
  const sent: unknown[] = []
  const all = deferred()
  const events: string[] = []
  await edge.application((app) =>
    app.invite((_, res) => {
      res.on('end', () => events.push('end'))
      res.on('finish', () => events.push('finish'))
      res.send(183, 'Soon', { headers: { 'X-Step': '1', To: 'ignored;tag=chosen' } }, (error, message) => {
        sent.push(error, message)
        res.set('X-Sticky', 'yes')
        t.equal(res.finalResponseSent, false)
        res.send(
          404,
          { headers: { 'X-Step': '2', 'Content-Type': 'text/plain' }, body: 'Grüße' },
          (error, message) => {
            sent.push(error, message)
            t.equal(res.finalResponseSent, true)
            res.send(200, (error) => {
              sent.push(error)
              all.resolve()
            })
          },
        )
      })
    }),
  )
  const phone = await edge.phone('udp')
  phone.send(invite(phone))
  const first = await phone.expect(183)
  t.equal(first.reason, 'Soon')
  t.equal(first.header('x-step'), '1')
  t.equal(param(first.header('to'), 'tag'), 'chosen')
  const second = await phone.expect(404)
  t.equal(second.header('x-step'), '2')
  t.equal(second.header('x-sticky'), 'yes')
  t.equal(second.body, 'Grüße')
  t.equal(second.header('content-length'), '7')
  t.equal(param(second.header('to'), 'tag'), 'chosen')
  await all.promise
  const [e1, m1, e2, m2, e3] = sent as [unknown, Message, unknown, Message, Error]
  t.notOk(e1)
  t.notOk(e2)
  t.equal(m1.getParsedHeader('to').params['tag'], 'chosen')
  t.match(m2.raw, /^SIP\/2\.0 404 Not Found\r\n/)
  t.match(e3.message, 'final response already sent')
  t.strictSame(events, ['end', 'finish'])
})

onEveryEdge('res.end sends the status that was set', async (t, edge) => {
  await edge.application((app) =>
    app.options((_, res) => {
      res.statusCode = 204
      res.end()
    }),
  )
  const phone = await edge.phone('tcp')
  phone.send(phone.request({ method: 'OPTIONS', uri: 'sip:localhost' }))
  const answer = await phone.expect(204)
  t.ok(param(answer.header('to'), 'tag'))
})

onEveryEdge('a retransmitted request is answered again without asking the application', async (t, edge) => {
  let asked = 0
  await edge.application((app) =>
    app.message((_, res) => {
      asked++
      res.send(200)
    }),
  )
  const phone = await edge.phone('udp')
  const text = phone.request({ method: 'MESSAGE', uri: 'sip:222@localhost' })
  phone.send(text)
  await phone.expect(200)
  phone.send(text)
  await phone.expect(200)
  t.equal(asked, 1)
})

onEveryEdge(
  'CANCEL: the edge answers both, the application is told and can answer no more',
  async (t, edge) => {
    const told: Message[] = []
    const late = deferred<unknown>()
    await edge.application((app) =>
      app.invite((req, res) => {
        res.send(180)
        req.on('cancel', (cancel) => {
          told.push(cancel)
          res.send(200, late.resolve)
        })
      }),
    )
    const phone = await edge.phone('udp')
    const text = invite(phone)
    phone.send(text)
    const ringing = await phone.expect(180)
    phone.send(
      cancelFor(text).replace('\r\nContent-Length', '\r\nReason: SIP;cause=200;text="x"\r\nContent-Length'),
    )
    await phone.expect((got) => got.status === 200 && /CANCEL/.test(got.header('cseq') ?? ''))
    const terminated = await phone.expect(487)
    t.equal(param(terminated.header('to'), 'tag'), param(ringing.header('to'), 'tag'))
    t.match(await late.promise, /unknown transaction/)
    t.equal(told.length, 1)
    t.equal(told[0]?.get('reason'), 'SIP;cause=200;text="x"')
  },
)

onEveryEdge('CANCEL before the application has said anything', async (t, edge) => {
  const cancelled = deferred<Message>()
  const arrived = deferred()
  await edge.application((app) =>
    app.invite((req) => {
      req.on('cancel', cancelled.resolve)
      arrived.resolve()
    }),
  )
  const phone = await edge.phone('tcp')
  const text = invite(phone)
  phone.send(text)
  await arrived.promise
  phone.send(cancelFor(text))
  await phone.expect(487)
  t.match((await cancelled.promise).raw, /^CANCEL /)
})

onEveryEdge('CANCEL of what does not exist is 481', async (t, edge) => {
  const phone = await edge.phone('udp')
  phone.send(cancelFor(invite(phone)))
  t.ok(await phone.expect(481))
})

onEveryEdge('a request inside a dialog that nobody knows is 481', async (t, edge) => {
  await edge.application((app) => app.bye((_, res) => res.send(200)))
  const phone = await edge.phone('udp')
  for (const method of ['BYE', 'INVITE', 'UPDATE']) {
    phone.send(phone.request({ method, uri: 'sip:222@localhost', toTag: 'unknown' }))
    t.ok(await phone.expect((got) => got.status === 481 && got.header('cseq') === `1 ${method}`), method)
  }
})
