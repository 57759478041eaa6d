/** What the text of a command becomes: a request on the wire, or a refusal with its reason. */
import t from 'tap'
import { RegisteredFlows } from '../../../src/engine/control/registered-flows.js'
import type { Application } from '../../../src/engine/control/requests.js'
import { responseTo } from '../../../src/engine/message/response.js'
import { SipRequest } from '../../../src/engine/message/sip-message.js'
import { FakeApplication, us } from '../../support/fake-application.js'
import { fakeFlow } from '../../support/fake-wire.js'

t.test('what an application leaves out is filled in (RFC 3261 §8.1.1)', async (t) => {
  const app = new FakeApplication()
  const { answers } = app
  const options = app.sent('OPTIONS sip:bob@192.0.2.4')
  t.equal(options.to, 'udp 192.0.2.4:5060')
  t.match(options.header('via'), /^SIP\/2\.0\/UDP 192\.0\.2\.99:5060;branch=z9hG4bK\S+;rport$/)
  t.equal(options.header('max-forwards'), '70')
  t.equal(options.header('to'), '<sip:bob@192.0.2.4>')
  t.match(options.header('from'), /^<sip:192\.0\.2\.99:5060>;tag=[0-9a-f]{16}$/)
  t.match(options.header('call-id'), /^[0-9a-f]{32}$/)
  t.equal(options.header('cseq'), '1 OPTIONS')
  t.equal(options.header('contact'), undefined)
  t.equal(options.header('content-length'), '0')
  const invite = app.sent('INVITE sips:bob@192.0.2.4', [], 'v=0\r\n')
  t.equal(invite.to, 'tls 192.0.2.4:5061')
  t.equal(invite.header('contact'), `<sips:${us}:5062>`, 'RFC 3261 §8.1.1.8')
  t.equal(invite.header('content-type'), 'application/sdp')
  for (const method of ['SUBSCRIBE', 'REFER', 'NOTIFY'])
    t.equal(
      app.sent(`${method} sip:192.0.2.4;transport=tcp`).header('contact'),
      `<sip:${us}:5061;transport=tcp>`,
    )
  t.match(
    answers[0],
    /^OK\|application\|\d+\|udp\|192\.0\.2\.99\|5060\|\d\d:\d\d:\d\d\.\d{6}\|[^|]+\|Msg sent:\|\r\n/,
  )
  t.equal(answers[0]?.split('\r\n').slice(1).join('\r\n'), options.raw.toString('latin1'), 'as it was sent')
})

t.test('what it sets is kept; `localhost` stands for us; Via, Route and lengths are ours', async (t) => {
  const app = new FakeApplication()
  const request = app.sent(
    'INVITE sip:bob@192.0.2.4;transport=tcp',
    [
      'from: "Alice" <sip:alice@localhost>;tag=mine',
      'to: <sip:bob@example.com>',
      'call-id: mine',
      'cseq: 7 INVITE',
      'contact: sip:alice@localhost;x',
      'p-asserted-identity: <sip:alice@localhost:5070>',
      'max-forwards: 3',
      'via: SIP/2.0/UDP 203.0.113.1',
      'route: <sip:203.0.113.1;lr>',
      'record-route: <sip:203.0.113.1;lr>',
      'content-length: 1',
      'content-type: text/plain',
      'X-Custom: 1',
      'user-agent: test',
    ],
    'ö',
  )
  t.equal(request.to, 'tcp 192.0.2.4:5060')
  t.equal(request.header('from'), `"Alice" <sip:alice@${us}:5061>;tag=mine`)
  t.equal(request.header('to'), '<sip:bob@example.com>')
  t.equal(request.header('call-id'), 'mine')
  t.equal(request.header('cseq'), '7 INVITE')
  t.equal(request.header('contact'), `<sip:alice@${us}:5061;transport=tcp>;x`)
  t.equal(request.header('p-asserted-identity'), `<sip:alice@${us}:5061>`)
  t.equal(request.header('max-forwards'), '3')
  t.equal(request.all('via').length, 1)
  t.strictSame([request.header('route'), request.header('record-route')], [undefined, undefined])
  t.equal(request.header('content-length'), '2')
  t.match(request.raw.toString('latin1'), /\r\nUser-Agent: test\r\n/)
  t.match(request.raw.toString('latin1'), /\r\nX-Custom: 1\r\n/)
})

t.test('a Contact that names another listener of ours names the one that is used', async (t) => {
  const app = new FakeApplication()
  const request = app.sent(
    'INVITE sip:192.0.2.4;transport=tcp',
    [`contact: "A" <sip:a@${us}:5060;ob>;q=1`],
    '',
  )
  t.equal(request.header('contact'), `"A" <sip:a@${us}:5061;ob;transport=tcp>;q=1`)
  const other = app.sent('INVITE sip:192.0.2.4', ['contact: <sip:a@192.0.2.98:5060>'], '')
  t.equal(other.header('contact'), '<sip:a@192.0.2.98:5060>')
})

t.test(
  'where it goes: outbound proxy, named flow, registered connection, else the Request-URI',
  async (t) => {
    const app = new FakeApplication({ registered: 'sip:bob@x.invalid' })
    const proxied = app.sent('INVITE sip:bob@example.com', [], '', 'sip:192.0.2.8:5080;transport=tcp')
    t.equal(proxied.to, 'tcp 192.0.2.8:5080')
    t.equal(proxied.uri, 'sip:bob@example.com')
    t.equal(app.sent('INVITE tel:+15551234', [], '', 'sip:192.0.2.8').uri, 'tel:+15551234')
    const flow = ';flow=192.0.2.9:41000;flow-transport=tcp;flow-route=%3Csip:p.example%3Blr%3E'
    const named = app.sent(`INVITE sip:bob@x.invalid${flow}`)
    t.equal(named.to, 'tcp 192.0.2.9:41000')
    t.equal(named.uri, 'sip:bob@x.invalid')
    t.equal(named.header('route'), '<sip:p.example;lr>')
    t.equal(app.sent('INVITE sip:bob@x.invalid').to, 'tcp 192.0.2.50:40000')
    t.equal(app.sent('INVITE sip:bob@x.invalid', [], '', 'sip:192.0.2.8').to, 'udp 192.0.2.8:5060')
  },
)

t.test('credentials go to where the challenge came from, over the connection that there is', async (t) => {
  const app = new FakeApplication({ listeners: ['udp', 'tcp'] })
  const again = app.sent('INVITE sip:bob@example.com', ['authorization: Digest x'], '', 'sip:192.0.2.8:5080')
  t.equal(again.to, 'tcp 192.0.2.8:5080')
  t.equal(app.sent('INVITE sip:bob@example.com', [], '', 'sip:192.0.2.8:5080').to, 'udp 192.0.2.8:5080')
})

t.test("what can not be sent is refused with drachtio-server's reasons", async (t) => {
  const app = new FakeApplication({ listeners: ['udp'] })
  const { answers } = app
  const refusals: [RegExp, Parameters<FakeApplication['command']>][] = [
    [/^NOK\|invalid request-uri: INVITE bob bob SIP\/2\.0$/, ['INVITE bob bob']],
    [/^NOK\|invalid request-uri: sip:$/, ['INVITE sip:']],
    [/^NOK\|invalid request-uri: sip:a b c$/, ['INVITE sip:a|b|c']],
    [/^NOK\|invalid request-uri: tel:\+15551234$/, ['INVITE tel:+15551234']],
    [/^NOK\|invalid request-uri: nowhere$/, ['INVITE sip:bob@192.0.2.4', [], '', 'nowhere']],
    [/^NOK\|requested protocol\/transport not available$/, ['INVITE sip:192.0.2.4;transport=tcp']],
    [/^NOK\|requested protocol\/transport not available$/, ['INVITE sip:192.0.2.4;transport=sctp']],
    [/^NOK\|requested protocol\/transport not available$/, ['INVITE sips:192.0.2.4']],
    [/^NOK\|requested protocol\/transport not available$/, ['INVITE sip:[2001:db8::1]']],
    [/^NOK\|can not send request to myself$/, [`INVITE sip:bob@${us}`]],
    [/^NOK\|can not send request to myself$/, ['INVITE sip:bob@example.com', [], '', `sip:${us}:5060`]],
    [/^NOK\|missing content-type$/, ['MESSAGE sip:192.0.2.4', [], 'hi']],
    [/^NOK\|invalid from value provided by client: x$/, ['INVITE sip:192.0.2.4', ['from: x']]],
    [/^NOK\|invalid to value provided by client: x$/, ['INVITE sip:192.0.2.4', ['to: x']]],
    [/^NOK\|unable to cancel unknown transaction id: $/, ['CANCEL sip:192.0.2.4']],
    [/^NOK\|ACK for non-success responses is automatically/, ['ACK sip:192.0.2.4']],
    [/^NOK\|Server error: unable to find dialog for dialog id provided$/, ['PRACK sip:192.0.2.4']],
  ]
  for (const [reason, args] of refusals) {
    t.equal(app.command(...args), undefined)
    t.match(answers.at(-1), reason)
  }
  for (const method of ['BYE', 'ACK', 'INFO']) {
    app.give(['', 'a;from-tag=b'], `${method} sip:placeholder`)
    t.match(answers.at(-1), /^NOK\|Server error: unable to find dialog for dialog id provided$/)
  }
  t.equal(app.requests.size, 0)
})

t.test(
  'an application has only so many requests open at a time, and calls only where there is room',
  async (t) => {
    const app = new FakeApplication({ limit: 2 })
    for (const host of [1, 2, 3]) app.command(`OPTIONS sip:192.0.2.${host}`)
    t.equal(app.answers.at(-1), 'NOK|too many outstanding requests')
    app.net.scheduler.advance(32_000)
    t.equal(app.requests.size, 0)
    t.ok(app.command('OPTIONS sip:192.0.2.3'))
    const full = new FakeApplication({ maxDialogs: 0 })
    t.equal(full.command('INVITE sip:192.0.2.1'), undefined)
    t.equal(full.answers.at(-1), 'NOK|too many dialogs')
    t.ok(full.command('OPTIONS sip:192.0.2.1'))
  },
)

t.test('OK comes before what came back, even where it fails at once', async (t) => {
  const { net, requests, owner } = new FakeApplication()
  const order: string[] = []
  const told: Application = {
    ...owner,
    answer: (_, text) => order.push(text.slice(0, 3)),
    send: (text) => order.push(text.slice(text.indexOf('SIP/2.0 '), text.indexOf('SIP/2.0 ') + 11)),
  }
  net.gone.add('tcp 192.0.2.9:41000')
  const gone = 'INVITE sip:x@192.0.2.7;flow=192.0.2.9:41000;flow-transport=tcp SIP/2.0\r\n\r\n'
  requests.command(told, 'ref', ['', ''], gone)
  t.strictSame(order, ['OK|', 'SIP/2.0 430'])
})

t.test('registered connections', async (t) => {
  const setUp = () => {
    const state = { now: 0 }
    const flows = new RegisteredFlows(() => state.now)
    const register = (
      flow: ReturnType<typeof fakeFlow>,
      contact: string,
      granted: readonly string[] = [`${contact};expires=60`],
      more: { expires?: string; status?: number; account?: string } = {},
    ): void => {
      const request = new SipRequest('REGISTER', 'sip:example.com')
      request.append('to', `<sip:${more.account ?? 'bob'}@example.com>`)
      request.append('contact', contact)
      if (more.expires !== undefined) request.append('expires', more.expires)
      const headers = granted.map((value) => ['Contact', value] as const)
      flows.learn(request, responseTo(request, more.status ?? 200, undefined, { headers }), flow)
    }
    const connection = (port: number) => ({ ...fakeFlow('tcp'), remotePort: port })
    return { state, flows, register, connection }
  }

  t.test('found by the very contact, by user and host, or with port and transport', async (t) => {
    const { flows, register, connection } = setUp()
    register(connection(1), '<sip:bob@10.0.0.1:5070;transport=tcp>')
    register(connection(2), '<sip:bob@10.0.0.1:5080;transport=tcp>')
    register(connection(3), '<sip:eve@x.invalid;transport=ws>')
    const port = (uri: string) => flows.find(uri)?.port
    t.equal(port('sip:bob@10.0.0.1:5070;transport=tcp'), 1)
    t.equal(port('sip:bob@10.0.0.1:5070'), 1)
    t.equal(port('sip:bob@10.0.0.1:5080;transport=TCP'), 2)
    t.equal(port('sip:bob@10.0.0.1'), 2, 'the one that registered last')
    t.equal(port('sip:bob@10.0.0.1:5090'), undefined)
    t.equal(port('sip:bob@10.0.0.1:5080;transport=udp'), undefined)
    t.equal(port('sip:bob@10.0.0.2'), undefined)
    t.equal(port('sip:eve@x.invalid;transport=ws'), 3)
    t.equal(port('nonsense'), undefined)
    t.equal(port('sips:bob@10.0.0.1'), undefined, 'not over a connection without TLS')
  })

  t.test('not what others registered, what is refused, or what came by UDP', async (t) => {
    const { flows, register, connection } = setUp()
    register(connection(1), '<sip:bob@10.0.0.1>', ['<sip:bob@10.0.0.1>;expires=60', '<sip:bob@10.0.0.2>'])
    register(connection(2), '<sip:eve@10.0.0.3>', [], { status: 401 })
    register(fakeFlow('udp'), '<sip:pat@10.0.0.4>')
    t.equal(flows.size, 1)
    t.equal(flows.find('sip:bob@10.0.0.2'), undefined)
  })

  t.test('no phone gets what is meant for another one, or for a gateway', async (t) => {
    const { flows, register, connection } = setUp()
    const contact = '<sip:bob@10.0.0.1:5070;transport=tcp>'
    const uri = 'sip:bob@10.0.0.1:5070;transport=tcp'
    const [bob, again, eve] = [connection(1), connection(2), connection(3)]
    register(bob, contact)
    register(again, contact)
    t.equal(flows.find(uri)?.port, 2, 'the same account has come back')
    register(eve, contact, undefined, { account: 'eve' })
    t.equal(flows.find(uri), undefined, 'it could be either')
    register(eve, contact, undefined, { account: 'eve', expires: '0' })
    flows.closed(eve)
    t.equal(flows.find(uri)?.port, 2)
    register(again, contact, undefined, { account: 'second-line' })
    t.equal(flows.find(uri)?.port, 2, 'one phone with two accounts')
    for (const host of ['gateway.example.com', '198.51.100.7', '[2001:db8::7]']) {
      register(eve, `<sip:5550100@${host}>`)
      t.equal(flows.find(`sip:5550100@${host}`), undefined, host)
    }
    register(eve, `<sip:eve@${eve.remoteAddress}:5062>`)
    t.equal(flows.find(`sip:eve@${eve.remoteAddress}:5062`)?.port, 3, 'its own address')
  })

  t.test('until it expires, is withdrawn, or the connection closes', async (t) => {
    const { flows, register, connection, state } = setUp()
    const [first, second] = [connection(1), connection(2)]
    register(first, '<sip:bob@10.0.0.1>')
    state.now = 59_000
    t.ok(flows.find('sip:bob@10.0.0.1'))
    state.now = 60_000
    t.notOk(flows.find('sip:bob@10.0.0.1'))
    register(first, '<sip:bob@10.0.0.1>', [], { expires: '10' })
    t.ok(flows.find('sip:bob@10.0.0.1'))
    register(first, '<sip:bob@10.0.0.1>', [], { expires: '0' })
    t.notOk(flows.find('sip:bob@10.0.0.1'))
    register(first, '<sip:bob@10.0.0.1>')
    register(second, '<sip:bob@10.0.0.1>')
    flows.closed(first)
    t.equal(flows.find('sip:bob@10.0.0.1')?.port, 2, 'it has come back over another one before')
    flows.closed(second)
    t.equal(flows.size, 0)
  })

  t.test('what has expired is swept out by those that come', async (t) => {
    const { flows, register, connection, state } = setUp()
    const proxy = connection(1)
    for (let n = 0; n < 1000; n++) {
      state.now += 1000
      register(proxy, `<sip:${n}@10.0.0.1>`)
    }
    t.ok(flows.size < 2 * 60, `${flows.size} are kept`)
  })
})
