/** The control port, with unmodified drachtio-srf clients and with bytes that are none. */
import { connect as connectSocket, type Socket } from 'node:net'
import t from 'tap'
import Srf from 'drachtio-srf'
import { connect, hangUp, onRequest, proxyTo, twoPhones } from '../support/call.js'
import { secret, startEdge, targetOf, type TestEdge } from '../support/edge.js'
import { settled, type App } from '../support/srf.js'
import { until } from '../support/tools.js'

/** A raw control connection: what comes back is collected. */
async function raw(edge: TestEdge): Promise<{ socket: Socket; received(): string; closed: Promise<void> }> {
  const socket = connectSocket(edge.control.port, edge.control.host)
  let text = ''
  socket.on('data', (bytes) => (text += bytes.toString()))
  socket.on('error', () => {})
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()))
  return { socket, received: () => text, closed }
}

t.test('a wrong secret is refused and the connection closed', async (t) => {
  const edge = await startEdge(t)
  const srf = new Srf()
  const outcome = new Promise((resolve) => srf.on('connect', resolve))
  srf.on('error', () => {})
  srf.connect({ host: edge.control.host, port: edge.control.port, secret: 'wrong' })
  t.match(await outcome, /failed to authenticate/)
  srf.disconnect()
})

t.test('nothing is served before authentication', async (t) => {
  const edge = await startEdge(t)
  const client = await raw(edge)
  client.socket.write('14#a|route|invite')
  await client.closed
  t.match(client.received(), 'NO|not authenticated')
  const alice = await edge.phone('udp')
  alice.send(alice.request({ method: 'INVITE', uri: 'sip:222@localhost' }))
  await alice.expect(503)
})

t.test('bytes that are no frames close that connection and disturb nobody', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  onRequest(srf, 'options', (_, res) => res.send(200))
  for (const bytes of ['GET / HTTP/1.1\r\n\r\n', '99999999999#', '-1#x', '\0\0\0\0\0\0\0\0\0\0\0\0']) {
    const client = await raw(edge)
    client.socket.write(bytes)
    await client.closed
  }
  const alice = await edge.phone('udp')
  alice.send(alice.request({ method: 'OPTIONS', uri: 'sip:localhost' }))
  await alice.expect(200)
})

t.test('ping, route and remove_route are acknowledged; an unknown command is refused', async (t) => {
  const edge = await startEdge(t)
  const client = await raw(edge)
  const say = (text: string): boolean => client.socket.write(`${text.length}#${text}`)
  say(`1|authenticate|${secret}|`)
  say('2|ping')
  say('3|route|invite')
  say('4|remove_route|invite')
  say('5|dance')
  await client.closed
  const answers = client.received()
  t.match(answers, /response\|1\|OK\|udp\/127\.0\.0\.1:\d+,tcp\/127\.0\.0\.1:\d+\|v0\.9\.10-privateline\|/)
  t.match(answers, /response\|2\|OK\|pong/)
  t.match(answers, /response\|3\|OK/)
  t.match(answers, /response\|4\|OK/)
  t.match(answers, /response\|5\|NO\|/)
})

t.test('several applications share the load; one that leaves is not asked again', async (t) => {
  const edge = await startEdge(t)
  const counts = [0, 0]
  const applications = [await edge.application(), await edge.application()]
  applications.forEach((srf, index) =>
    onRequest(srf, 'message', (_, res) => {
      counts[index] = (counts[index] ?? 0) + 1
      res.send(200)
    }),
  )
  const alice = await edge.phone('udp')
  const message = (): void => alice.send(alice.request({ method: 'MESSAGE', uri: 'sip:222@localhost' }))
  // Routes are told to the engine after the handlers were registered: wait until both have had a request.
  while (counts.includes(0)) {
    message()
    await alice.expect((received) => received.status !== undefined)
  }
  applications[0]?.disconnect()
  while (edge.engine.stats().applications > 1) await new Promise((resolve) => setTimeout(resolve, 5))
  const before = counts[1] ?? 0
  for (let count = 0; count < 4; count++) message()
  await alice.until(({ received }) => received.filter(({ status }) => status === 200).length >= before + 4)
  t.equal(counts[1], before + 4)
})

t.test('an application sees where a request came from, and what it answered goes out complete', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const phone = await edge.phone('tcp')
  let seen: unknown[] = []
  onRequest(srf, 'register', (req, res) => {
    seen = [req.protocol, req.source_address, req.source_port, req.get('X-Name'), req.get('refer-to')]
    res.send(401, {
      headers: {
        'WWW-Authenticate':
          'Digest realm="a, b", nonce="1", qop="auth",Digest realm="c", nonce="2", algorithm=SHA-256',
        'X-Größe': 'ö',
      },
    })
  })
  phone.send(
    phone.request({ method: 'REGISTER', uri: 'sip:localhost', headers: { 'x-NAME': 'Zoë', r: '<sip:r@x>' } }),
  )
  const answer = await phone.expect(401)
  t.strictSame(seen, ['tcp', '127.0.0.1', phone.localPort, 'Zoë', '<sip:r@x>'])
  t.strictSame(
    answer.all('www-authenticate').map((line) => /realm="([^"]*)"/.exec(line)?.[1]),
    ['a, b', 'c'],
    'a challenge a line (RFC 3261 §7.3.1)',
  )
  t.match(answer.header('to'), /;tag=/)
})

t.test('the application hears of call attempts, starts and stops where it asks for them', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const [alice, bob] = await twoPhones(edge, ['udp', 'udp'])
  const events: string[] = []
  srf.on('cdr:attempt', (source: string) => void events.push(`attempt ${source}`))
  srf.on(
    'cdr:start',
    (source: string, _time: string, role: string) => void events.push(`start ${source} ${role}`),
  )
  srf.on(
    'cdr:stop',
    (source: string, _time: string, reason: string) => void events.push(`stop ${source} ${reason}`),
  )
  proxyTo(srf, () => [targetOf(bob, 'bob')])
  const { caller } = await connect(alice, bob)
  await hangUp(alice, caller, bob)
  while (events.length < 6) await new Promise((resolve) => setTimeout(resolve, 5))
  t.strictSame(events, [
    'attempt network',
    'attempt application',
    'start network proxy-uac',
    'start application proxy-uas',
    'stop network normal-release',
    'stop application normal-release',
  ])
})

t.test('an application may leave a request unanswered: nothing is sent, not even 100', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const client = (
    srf as unknown as { app: { client: { wp: { send(socket: unknown, text: string): void } } } }
  ).app.client
  onRequest(srf, 'invite', (req) => {
    const { socket, stackTxnId } = req as unknown as { socket: unknown; stackTxnId: string }
    client.wp.send(socket, `drop|${stackTxnId}`)
  })
  onRequest(srf, 'options', (_, res) => res.send(200))
  const scanner = await edge.phone('udp')
  const text = scanner.request({ method: 'INVITE', uri: 'sip:100@localhost' })
  scanner.send(text)
  while (edge.engine.stats().unanswered > 0 || edge.engine.stats().requests < 1)
    await new Promise(setImmediate)
  scanner.send(text)
  await new Promise((resolve) => setTimeout(resolve, 250))
  scanner.send(scanner.request({ method: 'OPTIONS', uri: 'sip:localhost' }))
  await scanner.expect(200)
  t.equal(scanner.received.length, 1)
})

t.test('news of connections go to every application that asks, and to no other', async (t) => {
  const edge = await startEdge(t)
  const told: string[][] = [[], [], []]
  for (const [index, list] of told.entries()) {
    const srf = new Srf()
    // Unmodified drachtio-srf brings them as `cdr:start`, of a source of their own.
    srf.on('cdr:start', (source: string, _time: string, facts: string) => {
      list.push(`${source} ${facts}`)
    })
    if (index < 2)
      (srf as unknown as { on(event: string, listener: () => void): void }).on('cdr:connection', () => {})
    const connected = new Promise((resolve) => srf.on('connect', resolve))
    srf.connect({ host: edge.control.host, port: edge.control.port, secret })
    await connected
    await settled(srf as unknown as App)
    t.teardown(() => srf.disconnect())
  }
  const phone = await edge.phone('tcp')
  phone.send(phone.request({ method: 'OPTIONS', uri: 'sip:localhost' }))
  await phone.expect(503)
  await phone.close()
  await until('both are told of the end', () => told[0]?.length === 2 && told[1]?.length === 2)
  const facts = (told[0] ?? []).map((line) => new URLSearchParams(line.replace('connection ', '')))
  t.match(Object.fromEntries(facts[0] ?? []), {
    ...{ state: 'open', transport: 'tcp', address: '127.0.0.1', port: String(phone.localPort) },
  })
  t.match(Object.fromEntries(facts[1] ?? []), { state: 'closed', reason: /closed by the peer/ })
  t.same(told[1], told[0])
  t.same(told[2], [])
})
