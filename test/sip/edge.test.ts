import t from 'tap'
import pino from 'pino'
import { connectEdge, type Edge } from '../../src/sip/edge.js'
import type { EdgeRequest } from '../../src/sip/edge-request.js'
import type { HangUp } from '../../src/sip/edge-fields.js'
import { FakeEdge } from './fake-edge.js'

const log = pino({ enabled: false })

interface Teardown {
  teardown(fn: () => unknown): unknown
}

async function setUp(t: Teardown) {
  const fake = new FakeEdge()
  const requests: EdgeRequest[] = []
  const hangUps: HangUp[] = []
  const waiting: ((request: EdgeRequest) => void)[] = []
  const edge = await connectEdge({
    ...(await fake.start()),
    log,
    methods: ['INVITE', 'REGISTER', 'OPTIONS'],
    handler: (request) => {
      const next = waiting.shift()
      if (next) next(request)
      else requests.push(request)
    },
    onHangUp: (bye) => void hangUps.push(bye),
  })
  t.teardown(async () => {
    await edge.close()
    await fake.stop()
  })
  const next = () => new Promise<EdgeRequest>((resolve) => waiting.push(resolve))
  return { fake, edge, next, requests, hangUps }
}

const invite = { method: 'INVITE', uri: 'sip:111@localhost' }

async function until(edge: Edge, connected: boolean) {
  while (edge.connected !== connected) await new Promise((resolve) => setTimeout(resolve, 5))
}

t.test('connecting asks for the methods and learns the addresses of the edge', async (t) => {
  const { fake, edge } = await setUp(t)
  t.ok(edge.connected)
  t.strictSame(edge.addresses, [
    { host: '192.0.2.1', port: 5060 },
    { host: '2001:db8::1', port: 5070 },
  ])
  for (const method of ['invite', 'register', 'options'])
    await fake.expect(({ fields }) => fields[0] === 'route' && fields[1] === method)
  await fake.expect(({ fields }) => fields[0] === 'route' && fields[1] === 'cdr:bye')
})

t.test('an edge is asked for events only where somebody wants them', async (t) => {
  const fake = new FakeEdge()
  const edge = await connectEdge({
    ...(await fake.start()),
    ...{ log, methods: ['INVITE', 'OPTIONS'], handler: () => undefined },
  })
  t.teardown(async () => {
    await edge.close()
    await fake.stop()
  })
  await fake.expect(({ fields }) => fields[1] === 'options')
  t.same(
    fake.frames.filter(({ fields }) => fields[1]?.startsWith('cdr:')),
    [],
  )
})

t.test(
  'an edge that refuses, and one that does not answer, end the start with an error that says so',
  async (t) => {
    const fake = new FakeEdge()
    t.teardown(() => fake.stop())
    const address = await fake.start()
    const options = { log, methods: [], handler: () => undefined, ...address }
    await t.rejects(connectEdge({ ...options, secret: 'wrong' }), /refuses this application/)
    await t.rejects(connectEdge({ ...options, port: 1, connectTimeoutMs: 300 }), /does not answer/)
  },
)

t.test('a request tells what it is, where it came from, and its headers', async (t) => {
  const { fake, next } = await setUp(t)
  const arrived = next()
  fake.request(
    {
      ...invite,
      callId: 'abc',
      headers: {
        Contact: ['<sip:a@h>', '"x, y" <sip:b@h>'],
        'P-Preferred-Identity': '<sip:1@h>',
        'X-Folded': 'one\r\n  two',
      },
    },
    { protocol: 'wss', address: '2001:db8::7', port: 40000 },
  )
  const request = await arrived
  t.match(request, { method: 'INVITE', uri: 'sip:111@localhost', callId: 'abc' })
  t.strictSame(request.source, { address: '2001:db8::7', port: 40000, transport: 'wss' })
  t.strictSame(request.receivedOn, { host: '192.0.2.1', port: 5060 })
  t.strictSame(request.headerValues('contact'), ['<sip:a@h>', '"x, y" <sip:b@h>'])
  t.equal(request.header('p-preferred-identity'), '<sip:1@h>')
  t.equal(request.header('x-folded'), 'one two')
  t.equal(request.header('constructor'), undefined)
  t.strictSame(request.headerValues('path'), [])
})

t.test('an insecure transport never looks secure, whatever the Via says', async (t) => {
  const { fake, next } = await setUp(t)
  for (const [protocol, via, expected] of [
    ['udp', 'UDP', 'udp'],
    ['tcp', 'WS', 'ws'],
    ['tcp', 'WSS', 'ws'],
    ['tls', 'WSS', 'wss'],
    ['tls', 'WS', 'tls'],
    ['ws', 'WSS', 'ws'],
    ['', 'WSS', 'udp'],
  ] as const) {
    const arrived = next()
    fake.request({ ...invite, transport: via }, { protocol, address: '192.0.2.7', port: 1 })
    const request = await arrived
    t.equal(request.source.transport, expected, `${protocol} with Via ${via}`)
    request.reply(486)
  }
})

t.test('each challenge is a header line of its own, and no value can add lines', async (t) => {
  const { fake, next } = await setUp(t)
  const arrived = next()
  const transaction = fake.request({ method: 'REGISTER', uri: 'sip:localhost' })
  ;(await arrived).reply(401, undefined, {
    'WWW-Authenticate': ['Digest a="1"', 'Digest b="2"'],
    Warning: 'x\r\nY: z',
  })
  const answer = await fake.answer(transaction)
  t.match(answer, /^SIP\/2\.0 401 Unauthorized\r\n/)
  t.match(answer, /www-authenticate: Digest a="1"\r\nwww-authenticate: Digest b="2"\r\n/i)
  t.match(answer, /warning: x Y: z\r\n/i)
})

t.test('answers of one turn leave in one write', async (t) => {
  const { fake, requests } = await setUp(t)
  const transactions = Array.from({ length: 20 }, () =>
    fake.request({ method: 'OPTIONS', uri: 'sip:localhost' }),
  )
  while (requests.length < 20) await new Promise((resolve) => setImmediate(resolve))
  const before = fake.chunks
  for (const request of requests) request.reply(200)
  for (const transaction of transactions) await fake.answer(transaction)
  t.ok(fake.chunks - before <= 2, `${fake.chunks - before} chunks`)
})

t.test('only the first final answer counts', async (t) => {
  const { fake, next } = await setUp(t)
  const arrived = next()
  const transaction = fake.request(invite)
  const request = await arrived
  t.notOk(request.settled)
  request.reply(486)
  t.ok(request.settled)
  request.reply(500)
  t.match(await fake.answer(transaction), /^SIP\/2\.0 486/)
  t.equal(fake.frames.filter(({ fields }) => fields[1] === transaction).length, 0)
})

t.test('a CANCEL settles the request', async (t) => {
  const { fake, next } = await setUp(t)
  const arrived = next()
  fake.request({ ...invite, callId: 'c' })
  const request = await arrived
  fake.request({ method: 'CANCEL', uri: invite.uri, callId: 'c' })
  while (!request.cancelled) await new Promise((resolve) => setImmediate(resolve))
  t.ok(request.settled)
})

const options = {
  headers: { From: '<sip:1@h>;tag=x', 'Remote-Party-ID': '' },
  recordRoute: true,
  deadlineMs: 5000,
}

t.test('proxying names targets, time-outs and headers, and tells each answer with its address', async (t) => {
  const { fake, next } = await setUp(t)
  const arrived = next()
  const transaction = fake.request(invite)
  const request = await arrived
  const result = request.proxy(['sip:a@h;flow=192.0.2.7:1', 'sip:b@h;flow=192.0.2.7:2'], {
    ...options,
    provisionalTimeoutMs: 10_000,
    finalTimeoutMs: 60_000,
  })
  const command = await fake.proxied(transaction)
  t.strictSame(command.fields, [
    'proxy',
    transaction,
    'remainInDialog',
    'fullResponse',
    '',
    'simultaneous',
    '10000ms',
    '60000ms',
    'sip:a@h;flow=192.0.2.7:1',
    'sip:b@h;flow=192.0.2.7:2',
  ])
  t.match(command.message, /from: <sip:1@h>;tag=x\r\n/)
  t.match(command.message, /remote-party-id: \r\n/)
  t.ok(request.settled)
  fake.continue(command, 430, '192.0.2.7', 2)
  fake.continue(command, 200, '192.0.2.7', 1, '|tls=TLSv1.3;cipher=AES')
  fake.done(command, '|1700000000000')
  const told = (port: number, status: number, cipher?: string) => ({
    ...{ address: '192.0.2.7', port, transport: 'udp', cipher, status },
    message: `SIP/2.0 ${status} X\r\n\r\n`,
  })
  t.strictSame(await result, {
    connected: true,
    responses: [told(2, 430), told(1, 200, 'TLSv1.3 AES')],
    rangAt: 1_700_000_000_000,
  })
})

t.test('a BYE that passes is told once, and one that can not be read not at all', async (t) => {
  const { fake, next, hangUps } = await setUp(t)
  const bye = (from: string, to: string) =>
    `BYE sip:a@h SIP/2.0\r\nFrom: ${from}\r\nTo: ${to}\r\nCall-ID: c 1\r\nCSeq: 2 BYE\r\n\r\n`
  for (const [source, reason, from, to] of [
    ['network', 'call-rejected', '<sip:a@h>;tag=1', '<sip:b@h>;tag=2'],
    ['network', 'normal-release', '"', '<sip:b@h>;tag=2'],
    ['network', 'normal-release', '<sip:a@h>', '<sip:b@h>;tag=2'],
    ['network', 'normal-release', '"A;tag=9" <sip:a@h;tag=8>;tag=1', 'sip:b@h;tag=2'],
    ['application', 'normal-release', '<sip:a@h>;tag=1', '<sip:b@h>;tag=2'],
  ] as const)
    fake.write(`cdr:stop|${source}|12:00:00.000000|${reason}\r\n${bye(from, to)}`)
  const arrived = next()
  fake.request(invite)
  await arrived
  t.strictSame(hangUps, [{ callId: 'c 1', fromTag: '1', toTag: '2' }])
})

t.test('a proxied request always comes to an end', async (t) => {
  const { fake, edge, next } = await setUp(t)
  const proxied = async (deadlineMs = 5000) => {
    const arrived = next()
    const transaction = fake.request(invite)
    const request = await arrived
    const result = request.proxy(['sip:a@h'], { ...options, deadlineMs })
    result.catch(() => undefined)
    return { request, result, command: await fake.proxied(transaction) }
  }
  const refused = await proxied()
  fake.write(`response|${refused.command.id}|NOK|error proxying request to `)
  await t.rejects(refused.result, /does not proxy: error proxying/)
  t.notOk(refused.request.settled, 'and can still be answered')

  const cancelled = await proxied()
  fake.write(`response|${cancelled.command.id}|NOK|Unknown transaction id: 7`)
  t.strictSame(await cancelled.result, { connected: false, responses: [] })
  t.ok(cancelled.request.cancelled)

  const silent = await proxied(30)
  const alive = setTimeout(() => undefined, 1000)
  await t.rejects(silent.result, /did not report/)
  clearTimeout(alive)

  const lost = await proxied()
  fake.vanish()
  await t.rejects(lost.result, /connection to the edge lost/)
  await until(edge, true)
  await t.rejects(lost.request.proxy(['sip:a@h'], options), /connection to the edge lost/)
})

t.test('a lost connection is built up again, and its methods are asked for anew', async (t) => {
  const { fake, edge, next } = await setUp(t)
  fake.vanish()
  await until(edge, false)
  await until(edge, true)
  t.equal(fake.connections, 2)
  const arrived = next()
  const transaction = fake.request({ method: 'OPTIONS', uri: 'sip:localhost' })
  ;(await arrived).reply(200)
  t.match(await fake.answer(transaction), /^SIP\/2\.0 200/)
})

t.test('nonsense from the edge ends the connection and not the process', async (t) => {
  const { fake, edge } = await setUp(t)
  fake.raw('this is no length#')
  await until(edge, false)
  await until(edge, true)
  fake.write('sip|network|5|udp|192.0.2.7|5060|x|t|||\r\nno SIP at all')
  fake.raw('9#x|unheard')
  await until(edge, false)
  await until(edge, true)
})

t.test('dropping leaves the request unanswered', async (t) => {
  const { fake, next } = await setUp(t)
  let arrived = next()
  const transaction = fake.request(invite)
  const request = await arrived
  request.drop()
  request.reply(200)
  arrived = next()
  const other = fake.request({ method: 'OPTIONS', uri: 'sip:localhost' })
  ;(await arrived).reply(200)
  await fake.answer(other)
  t.equal(fake.frames.filter(({ fields }) => fields[1] === transaction).length, 0)
})

t.test('closing flushes what was written and does not connect again', async (t) => {
  const { fake, edge, next } = await setUp(t)
  const arrived = next()
  const transaction = fake.request({ method: 'OPTIONS', uri: 'sip:localhost' })
  ;(await arrived).reply(200)
  await edge.close()
  t.match(await fake.answer(transaction), /^SIP\/2\.0 200/)
  t.notOk(edge.connected)
  await edge.close()
})
