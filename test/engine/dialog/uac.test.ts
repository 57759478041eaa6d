/** The client side of dialogs where peers, networks and applications do what they rarely do. */
import t from 'tap'
import { FakeApplication, type SentText } from '../../support/fake-application.js'
import { param, type ResponseOptions } from '../../support/sip-text.js'

const bob = 'sip:bob@192.0.2.4'
const offer = 'v=0\r\n'

/** An INVITE to bob, and the name that its dialogs will have. */
function call(app: FakeApplication, headers: string[] = []): { invite: SentText; id: string } {
  const invite = app.sent(`INVITE ${bob}`, headers, offer)
  return { invite, id: `${invite.header('call-id')};from-tag=${param(invite.header('from'), 'tag')}` }
}

/** A call that bob has answered, acknowledged. */
function answered(
  app: FakeApplication,
  options: ResponseOptions = {},
): { invite: SentText; id: string; ack: SentText } {
  const { invite, id } = call(app)
  app.reply(invite, 200, { contact: bob, ...options })
  const ack = app.give(['', id], `ACK ${bob}`)
  if (!ack) throw new Error('no ACK was sent')
  return { invite, id, ack }
}

const methods = (sent: readonly SentText[]): string[] =>
  sent.map(({ startLine }) => startLine.split(' ')[0] ?? '')

t.test('an answer without a To tag comes from a peer of RFC 2543, and has one dialog', async (t) => {
  const app = new FakeApplication()
  const { id, ack, invite } = answered(app, { toTag: false })
  t.equal(ack.header('to'), `<${bob}>`)
  t.equal(ack.uri, bob)
  t.strictSame(app.events, [`200 ${id}`])
  const again = app.reply(invite, 200, { contact: bob, toTag: false })
  t.strictSame(methods(again), ['ACK'])
  const bye = app.give(['', id], 'BYE sip:placeholder')
  t.equal(bye?.header('to'), `<${bob}>`)
  t.equal(bye?.header('cseq'), '2 BYE')
  app.reply(bye!, 200)
  t.equal(app.dialogs.size, 0)
})

t.test(
  'the route of a dialog is that of its answer, a strict router included (RFC 3261 §12.2.1.1)',
  async (t) => {
    const app = new FakeApplication()
    const { invite, id } = call(app)
    const routes = ['<sip:192.0.2.11>', '<sip:192.0.2.12;lr>']
    app.reply(invite, 180, { contact: bob, headers: { 'Record-Route': '<sip:192.0.2.13;lr>' } })
    app.reply(invite, 200, { contact: bob, headers: { 'Record-Route': [...routes].reverse() } })
    for (const method of ['ACK', 'INFO', 'INVITE', 'BYE']) {
      const sent = app.give(['', id], `${method} sip:placeholder`)
      t.equal(sent?.to, 'udp 192.0.2.11:5060', method)
      t.equal(sent?.uri, 'sip:192.0.2.11')
      t.strictSame(sent?.all('route'), ['<sip:192.0.2.12;lr>', `<${bob}>`])
    }
  },
)

t.test(
  'early dialogs end with their INVITE, one by one with 199, and with the answer of another',
  async (t) => {
    const app = new FakeApplication()
    const ring = (invite: SentText, toTag: string, status = 180): void => {
      app.reply(invite, status, { toTag, contact: bob })
    }
    const first = call(app)
    ring(first.invite, 'a')
    ring(first.invite, 'b')
    app.reply(first.invite, 180, { toTag: 'c' })
    t.equal(app.dialogs.size, 2, 'one without Contact makes none')
    ring(first.invite, 'a', 199)
    t.equal(app.dialogs.size, 1, 'RFC 6228')
    app.reply(first.invite, 486, { toTag: 'b' })
    t.equal(app.dialogs.size, 0)
    const second = call(app)
    for (let n = 0; n < 100; n++) ring(second.invite, `t${n}`)
    t.equal(app.dialogs.size, 32, 'a hostile server can not make any number')
    app.reply(second.invite, 200, { toTag: 't5', contact: bob })
    app.give(['', second.id], `ACK ${bob}`)
    app.net.scheduler.advance(32_000)
    t.equal(app.dialogs.size, 1)
    t.equal(app.dialogs.get(second.id)?.remoteTag, 't5')
  },
)

t.test('a 2xx that comes after the call has failed for the application is ended without it', async (t) => {
  const app = new FakeApplication()
  const { invite, id } = call(app)
  app.reply(invite, 180)
  app.give([app.transactionId, ''], `CANCEL ${bob}`)
  app.reply(invite, 180)
  app.net.scheduler.advance(32_000)
  t.strictSame(app.events, [`180 ${id}`, `180 ${id}`, `487 ${id}`])
  t.strictSame(methods(app.reply(invite, 200, { contact: bob })), ['ACK', 'BYE'])
  t.equal(app.events.length, 3)
  t.equal(app.dialogs.size, 0)
  t.equal(app.requests.size, 0)
})

t.test('a call that is never answered ends by itself', async (t) => {
  const app = new FakeApplication()
  const { invite, id } = call(app)
  app.reply(invite, 100)
  app.net.scheduler.advance(24 * 3_600_000)
  t.equal(app.events.at(-1), `487 ${id}`)
  t.equal(app.requests.size, 0)
  t.equal(app.net.table.size, 0)
})

t.test('a re-INVITE whose answer crosses the end of the call is still acknowledged', async (t) => {
  const app = new FakeApplication()
  const { id } = answered(app)
  const again = app.give(['', id], 'INVITE sip:placeholder', [], offer)
  const dialog = app.dialogs.get(id)
  if (!again || !dialog) throw new Error('no dialog')
  app.dialogs.remove(dialog)
  const [ack, ...others] = app.reply(again, 200, { contact: bob })
  t.equal(ack?.header('cseq'), '2 ACK')
  t.strictSame(others, [])
  t.equal(app.events.at(-1), `200 ${id}`)
  app.give(['', id], `ACK ${bob}`)
  t.match(app.answers.at(-1), /^NOK\|Server error: unable to find dialog/)
  t.equal(app.requests.size, 0)
})

t.test(
  'a call goes on when its re-INVITE is not answered, and when its application leaves during one',
  async (t) => {
    const app = new FakeApplication()
    const { id } = answered(app)
    app.give(['', id], 'INVITE sip:placeholder', [], offer)
    app.net.scheduler.advance(32_000)
    t.equal(app.events.at(-1), `408 ${id}`)
    const second = app.give(['', id], 'INVITE sip:placeholder', [], offer)
    if (!second) throw new Error('not sent')
    app.requests.closed(app.owner)
    app.reply(second, 100)
    t.strictSame(methods(app.reply(second, 200, { contact: bob })), ['ACK'])
    t.equal(app.dialogs.size, 1)
  },
)

t.test('BYE: before the ACK, without an answer, and challenged for good', async (t) => {
  const app = new FakeApplication()
  const { invite, id } = call(app)
  app.reply(invite, 200, { contact: bob })
  const before = app.net.sent.length
  app.give(['', id], 'BYE sip:placeholder')
  t.strictSame(methods(app.since(before)), ['ACK', 'BYE'])
  app.net.scheduler.advance(32_000)
  t.equal(app.events.at(-1), `408 ${id}`)
  t.equal(app.dialogs.size, 0)
  const next = answered(app)
  const bye = app.give(['', next.id], 'BYE sip:placeholder')
  app.reply(bye!, 407, { headers: { 'Proxy-Authenticate': 'Digest realm="r", nonce="n"' } })
  t.equal(app.dialogs.size, 1)
  app.net.scheduler.advance(32_000)
  t.equal(app.dialogs.size, 0)
})

t.test(
  'the peer moves: its 2xx to re-INVITE and UPDATE count, that to INFO does not (RFC 3261 §12.2.1.2)',
  async (t) => {
    const app = new FakeApplication()
    const { id } = answered(app)
    for (const [method, host, counts] of [
      ['INVITE', '192.0.2.21', true],
      ['UPDATE', '192.0.2.22', true],
      ['INFO', '192.0.2.23', false],
    ] as const) {
      const sent = app.give(['', id], `${method} sip:placeholder`)
      app.reply(sent!, 200, { contact: `sip:bob@${host}` })
      if (method === 'INVITE') t.equal(app.give(['', id], `ACK ${bob}`)?.uri, `sip:bob@${host}`)
      t.equal(app.dialogs.get(id)?.remoteTarget === `sip:bob@${host}`, counts, method)
    }
  },
)

t.test(
  'REFER makes a subscription, unless the peer says that it makes none (RFC 3515, RFC 4488)',
  async (t) => {
    const app = new FakeApplication()
    const refer = app.sent(`REFER ${bob}`, ['refer-to: <sip:carol@192.0.2.5>'])
    app.reply(refer, 202, { contact: bob, headers: { 'Refer-Sub': 'false' } })
    t.equal(app.dialogs.size, 0)
    const other = app.sent(`REFER ${bob}`, ['refer-to: <sip:carol@192.0.2.5>'])
    app.reply(other, 202, { contact: bob })
    t.equal(app.dialogs.size, 1)
    app.net.scheduler.advance(2 * 3600_000)
    t.equal(app.dialogs.size, 0, 'its end was never told')
  },
)

t.test('NOTIFYs that wait are bounded, and only for a SUBSCRIBE that is open', async (t) => {
  const app = new FakeApplication()
  const subscribe = app.sent(`SUBSCRIBE ${bob}`, ['event: presence'])
  const tag = param(subscribe.header('from'), 'tag')
  const notify = (method: string, toTag: string | undefined) =>
    FakeApplication.received(
      `${method} sip:us@192.0.2.99 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.4;branch=z9hG4bKn\r\nFrom: <${bob}>;tag=n\r\n` +
        `To: <sip:us@192.0.2.99>;tag=${toTag}\r\nCall-ID: ${subscribe.header('call-id')}\r\nCSeq: 1 ${method}\r\n\r\n`,
    )
  let released = 0
  const hold = (request = notify('NOTIFY', tag)): boolean => {
    const flow = app.net.transport.findFlow('udp', '192.0.2.4', 5060)
    return app.requests.holdNotify(request, flow!, () => released++)
  }
  t.notOk(hold(notify('INFO', tag)))
  t.notOk(hold(notify('NOTIFY', 'another')))
  for (let n = 0; n < 8; n++) t.ok(hold())
  t.notOk(hold())
  app.net.scheduler.advance(500)
  t.equal(released, 8, 'they have waited long enough; none names a Contact, so there is no dialog')
  t.equal(app.dialogs.size, 0)
  app.reply(subscribe, 404)
  t.notOk(hold())
})
