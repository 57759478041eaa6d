import t from 'tap'
import { createPhone } from './phone.js'
import { ackForFailure, digestAuthorization, param, readSip, request, response, uriOf } from './sip-text.js'

t.test(
  'a request has what RFC 3261 §8.1.1 demands, and each header can be replaced, repeated, removed',
  async (t) => {
    const text = request({
      method: 'INVITE',
      uri: 'sip:111@localhost',
      from: 'sip:100@localhost',
      fromTag: 'a1',
      body: 'v=0\r\nö',
      headers: {
        via: ['SIP/2.0/UDP one', 'SIP/2.0/UDP two'],
        'Max-Forwards': null,
        Subject: 'hi',
        route: '<sip:x;lr>',
      },
    })
    const message = readSip(Buffer.from(text))
    t.equal(message.method, 'INVITE')
    t.strictSame(message.all('v'), ['SIP/2.0/UDP one', 'SIP/2.0/UDP two'])
    t.equal(message.header('max-forwards'), undefined)
    t.equal(message.header('subject'), 'hi')
    t.equal(message.header('from'), '<sip:100@localhost>;tag=a1')
    t.equal(message.header('content-length'), '7')
    t.match(
      readSip(Buffer.from(request({ method: 'BYE', uri: 'sip:a@b' }))).header('via'),
      /;rport;branch=z9hG4bK/,
    )
  },
)

t.test('a response keeps Via, From, Call-ID and CSeq and adds one tag', async (t) => {
  const invite = request({ method: 'INVITE', uri: 'sip:111@localhost', cseq: 7 })
  const answer = readSip(Buffer.from(response(readSip(Buffer.from(invite)), 486)))
  t.equal(answer.status, 486)
  t.equal(answer.header('cseq'), '7 INVITE')
  t.ok(param(answer.header('to'), 'tag'))
  t.equal(uriOf(answer.header('to')), 'sip:111@localhost')
  t.match(ackForFailure(invite, answer), /CSeq: 7 ACK/)
})

t.test('the digest is that of RFC 7616 §3.9.1 and of RFC 2617', async (t) => {
  const challenge =
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
  const options = {
    username: 'Mufasa',
    password: 'Circle of Life',
    method: 'GET',
    uri: '/dir/index.html',
    cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
  }
  t.match(
    digestAuthorization(challenge, options),
    'response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"',
  )
  t.match(
    digestAuthorization(challenge.replace('SHA-256', 'MD5'), options),
    'response="8ca523f5e9506fed4657c9700eebdbec"',
  )
})

t.test('two phones exchange messages, and expect takes each of them once', async (t) => {
  const a = await createPhone({ transport: 'udp', server: { host: '127.0.0.1', port: 9 } })
  const b = await createPhone({ transport: 'udp', server: { host: '127.0.0.1', port: a.localPort } })
  t.teardown(() => Promise.all([a.close(), b.close()]))
  b.send(b.request({ method: 'OPTIONS', uri: 'sip:a@127.0.0.1' }))
  const options = await a.expect('OPTIONS')
  t.equal(options.source.port, b.localPort)
  a.reply(options, 200)
  t.equal((await b.expect(200)).header('cseq'), '1 OPTIONS')
  await t.rejects(b.expect(200, 5), /received: SIP\/2.0 200 OK/)
})

t.test('a listening TCP phone takes messages from those who connect', async (t) => {
  const a = await createPhone({
    transport: 'tcp',
    server: { host: '127.0.0.1', port: 9 },
    listen: true,
    connect: false,
  })
  const b = await createPhone({ transport: 'tcp', server: { host: '127.0.0.1', port: a.localPort } })
  t.teardown(() => Promise.all([a.close(), b.close()]))
  b.send(b.request({ method: 'MESSAGE', uri: 'sip:a@127.0.0.1', body: 'hello' }))
  const message = await a.expect('MESSAGE')
  t.equal(message.body, 'hello')
  a.reply(message, 200)
  await b.expect(200)
})
