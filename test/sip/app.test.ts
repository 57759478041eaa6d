/** The chain of src/sip/app.ts against a scripted edge: which request gets which answer, in which order of checks. */
import t from 'tap'
import pino from 'pino'
import { createSipApp, type SipApp, type SipAppOptions } from '../../src/sip/app.js'
import { digestAuthorization, readSip, type RequestOptions } from '../support/sip-text.js'
import { FakeEdge } from './fake-edge.js'
import { account, FakeStore, REALM, type FakeAccount } from './fake-store.js'
import { binding } from './registers.js'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

const URI = 'sip:example.org'
const NUMBER_2 = 'sip:112@example.org'

const config: SipAppOptions['config'] = {
  drainTimeout: 1,
  sip: {
    domains: ['example.org', 'second.example'],
    realm: REALM,
    realmForce: false,
    listeners: [],
    minExpires: 60,
    defaultExpires: 3600,
    maxExpires: 7200,
    maxContacts: 10,
    authAlgorithms: ['SHA-256', 'MD5'],
    ringTimeout: 60,
    nonceLifetime: 3600,
    registrationBatch: 500,
  },
}

async function setUp(t: Teardown, accounts: FakeAccount[] = [account(1), account(2)]) {
  const store = new FakeStore(...accounts)
  const edge = new FakeEdge()
  const lines: Record<string, unknown>[] = []
  const log = pino(
    { level: 'debug' },
    { write: (line: string) => void lines.push(JSON.parse(line) as never) },
  )
  const app = await createSipApp({
    config,
    store,
    log,
    isLocalHost: (host, port) => host === '127.0.0.1' && (port ?? 5060) === 5060,
    node: 'node-a',
  })
  await app.start(await edge.start())
  t.teardown(async () => {
    await app.stop()
    await edge.stop()
  })

  async function send(options: RequestOptions, source?: Parameters<FakeEdge['request']>[1]) {
    return readSip(Buffer.from(await edge.answer(edge.request(options, source))))
  }

  /** The request with credentials, after a challenge. */
  async function authenticated(
    options: RequestOptions,
    by: Partial<FakeAccount> = {},
  ): Promise<RequestOptions> {
    const user = { ...accounts[0]!, ...by }
    const registering = options.method === 'REGISTER'
    const challenge = await send(options)
    const [name, header] = registering
      ? ['www-authenticate', 'Authorization']
      : ['proxy-authenticate', 'Proxy-Authorization']
    const credentials = digestAuthorization(challenge.header(name) ?? '', {
      ...user,
      method: options.method,
      uri: options.uri,
    })
    return {
      ...options,
      cseq: (options.cseq ?? 1) + 1,
      headers: { ...options.headers, [header]: credentials },
    }
  }

  const ask = async (
    options: RequestOptions,
    by: Partial<FakeAccount> = {},
    source?: Parameters<FakeEdge['request']>[1],
  ) => send(await authenticated(options, by), source)
  const said = (msg: string) => lines.filter((line) => line['msg'] === msg)
  return { app, edge, store, send, ask, authenticated, said, lines }
}

const register = (more: RequestOptions['headers'] = {}): RequestOptions => ({
  method: 'REGISTER',
  uri: URI,
  from: 'sip:1001@example.org',
  contact: '<sip:1001@10.0.0.1:5062>',
  callId: 'register',
  headers: more,
})
const invite: RequestOptions = {
  method: 'INVITE',
  uri: NUMBER_2,
  from: 'sip:1001@example.org',
  callId: 'call',
}

t.test(
  'a phone registers: challenge with both algorithms, then 200, and the binding knows its flow',
  async (t) => {
    const { ask, send, store, said, app } = await setUp(t)
    const challenge = await send(register())
    t.equal(challenge.status, 401)
    t.match(challenge.all('www-authenticate'), [/^Digest .*SHA-256/, /^Digest .*MD5/])
    const answer = await ask(register(), {}, { protocol: 'ws', address: '2001:db8::7', port: 4000 })
    t.equal(answer.status, 200)
    t.match(answer.header('contact'), /^<sip:1001@10\.0\.0\.1:5062>;expires=3600$/)
    t.match(store.bindings.get(1), [{ source: '[2001:db8::7]:4000', transport: 'ws', node: 'node-a' }])
    t.equal(said('registered').length, 1)
    t.match(app.stats, { challenges: 2, registrations: { added: 1 }, requests: { REGISTER: 3 } })
  },
)

t.test('log lines carry Call-ID, method and source, and no secret', async (t) => {
  const { ask, said, lines } = await setUp(t)
  await ask(register())
  await ask(register(), { password: 'hunter2' })
  t.match(said('registered')[0], { callId: 'register', method: 'REGISTER', source: 'udp:192.0.2.7:5062' })
  t.match(said('authentication failed')[0], { username: '1001', why: 'wrong password' })
  t.notMatch(JSON.stringify(lines), /secret-1|hunter2|response=|nonce=/)
})

t.test('unknown user and wrong password get the very same answer, and no second challenge', async (t) => {
  const { ask } = await setUp(t)
  for (const options of [register(), invite].map((one) => ({ ...one, fromTag: 'same' }))) {
    const text = async (by: Partial<FakeAccount>) => (await ask(options, by)).raw.toString()
    const wrong = await text({ password: 'no' })
    t.match(wrong, /^SIP\/2\.0 403 Forbidden\r\n/)
    t.equal(await text({ username: '9999' }), wrong)
  }
})

t.test(
  'guessing passwords ends after ten, for that address and username alone, and fills no log',
  async (t) => {
    const { ask, authenticated, send, said, app } = await setUp(t)
    for (const username of ['1001', '9999']) {
      const ready = await authenticated(register(), { username, password: 'no' })
      const answers = await Promise.all(Array.from({ length: 30 }, () => send(ready)))
      t.ok(answers.every(({ startLine }) => startLine === 'SIP/2.0 403 Forbidden'))
    }
    t.match(app.stats, { authFailures: 60, authBlocked: 40 })
    t.match(said('authentication failed'), [
      { username: '1001', count: 1 },
      { username: '9999', count: 1 },
    ])
    const warned = said('too many wrong answers: this address is not let in with this username for a minute')
    t.match(warned, [{ username: '1001', address: '192.0.2.7', level: 40 }, { username: '9999' }])
    t.equal(warned.length + said('authentication failed').length, 4)

    t.equal((await ask(register())).startLine, 'SIP/2.0 403 Forbidden', 'the right password as well')
    t.equal((await ask({ ...invite, uri: 'sip:999@example.org' })).status, 403, 'whatever the method')
    const elsewhere = { protocol: 'udp', address: '192.0.2.8', port: 5062 }
    t.equal((await ask({ ...register(), callId: 'elsewhere' }, {}, elsewhere)).status, 200)
    const neighbour = { username: '1002', password: 'secret-2' }
    t.equal((await ask({ ...register(), to: 'sip:1002@example.org', callId: 'n' }, neighbour)).status, 200)
  },
)

t.test('unknown user and wrong password take the same time, however slow the look-up is', async (t) => {
  const { authenticated, send, store } = await setUp(t)
  const { directory } = store
  const look = directory.credential.bind(directory)
  directory.credential = async (username) => {
    if (username === '9999') await new Promise((resolve) => setTimeout(resolve, 30))
    return look(username)
  }
  for (const by of [{ password: 'no' }, { username: '9999' }]) {
    const ready = await authenticated(register(), by)
    const start = performance.now()
    t.equal((await send(ready)).status, 403)
    t.ok(performance.now() - start > 95, JSON.stringify(by))
  }
})

t.test(
  'who may register what: username or number of the account, in any domain served, and nothing else',
  async (t) => {
    const { ask } = await setUp(t)
    for (const [to, status] of [
      ['sip:1001@example.org', 200],
      ['sip:111@second.example', 200],
      ['sip:111@Second.Example.', 200],
      ['sip:1%30%301@127.0.0.1', 200],
      ['sip:112@example.org', 403],
      ['sip:1002@example.org', 403],
      ['sip:1001@foreign.example', 403],
      ['sip:example.org', 403],
      ['tel:111', 403],
    ] as const) {
      const answer = await ask({ ...register(), to, callId: to })
      t.equal(answer.status, status, to)
    }
  },
)

t.test('a contact that is this server is refused: calls to it would come back', async (t) => {
  const { ask, app, store } = await setUp(t)
  let refused = 0
  for (const [contact, source, status] of [
    ['<sip:112@127.0.0.1:5060>', '127.0.0.1', 403],
    ['<sip:112@127.0.0.1>', '127.0.0.1', 403],
    ['<sip:1001@127.0.0.1:5070>, <sip:112@192.0.2.1:5060;transport=tcp>', '127.0.0.1', 403],
    ['<sip:112@127.0.0.1:5060>', '192.0.2.1', 403],
    ['<sip:112@127.0.0.1:5061>', '127.0.0.1', 200],
    ['<sips:112@127.0.0.1>', '127.0.0.1', 200],
    ['<sip:112@127.0.0.1;transport=ws>', '127.0.0.1', 200],
    ['<sip:112@example.org:5060>', '127.0.0.1', 200],
    ['<sip:112@127.0.0.1:5060>;expires=0', '127.0.0.1', 200],
    ['<sip:112@127.0.0.1:5060>', '192.0.2.7', 200],
  ] as const) {
    const from = { protocol: 'udp', address: source, port: 40000 }
    const answer = await ask({ ...register(), contact, callId: contact + source }, {}, from)
    t.equal(answer.status, status, `${contact} from ${source}`)
    if (status === 200) continue
    t.equal(app.stats.registrations.refused, ++refused)
    t.equal(answer.startLine, 'SIP/2.0 403 Contact Is This Server')
    t.equal(store.bindings.get(1), undefined)
  }
  const path = register({ Path: '<sip:127.0.0.1;lr>', Supported: 'path' })
  const local = { protocol: 'udp', address: '127.0.0.1', port: 40000 }
  t.equal((await ask({ ...path, callId: 'path' }, {}, local)).status, 403, 'nor may its Path lead to us')
})

t.test('nobody relays: foreign domains are refused before anything else is asked', async (t) => {
  const { send } = await setUp(t)
  t.equal((await send({ ...invite, uri: 'sip:112@foreign.example' })).status, 403)
  t.equal((await send({ ...register(), uri: 'sip:foreign.example' })).status, 403)
  t.equal((await send({ ...invite, uri: 'sip:112@127.0.0.1:6000' })).status, 403)
  t.equal(
    (await send({ ...invite, uri: 'sip:112@192.0.2.1:5060' })).status,
    407,
    'the address of the edge is ours',
  )
  t.equal((await send({ ...invite, uri: 'sip:112@127.0.0.1' })).status, 407)
  t.equal((await send({ ...invite, uri: 'sip:112@example.org.' })).status, 407, 'a dot at the end')
  t.equal((await send({ ...invite, uri: 'tel:112' })).status, 407)
})

t.test('each check answers with its own status', async (t) => {
  const { send } = await setUp(t)
  for (const [options, status, header] of [
    [{ ...invite, maxForwards: 0 }, 483],
    [{ ...register(), maxForwards: 0 }, 401],
    [{ method: 'OPTIONS', uri: URI, maxForwards: 0 }, 200],
    [{ method: 'OPTIONS', uri: NUMBER_2, maxForwards: 0 }, 483],
    [{ ...invite, headers: { 'Max-Forwards': 'x' } }, 400],
    [{ ...invite, toTag: 'x' }, 481],
    [{ ...invite, method: 'BYE' }, 481],
    [{ ...invite, method: 'INFO' }, 481],
    [{ ...invite, uri: 'mailto:a@example.org' }, 416],
    [{ ...invite, uri: 'sip:a@@example.org' }, 400],
    [{ ...invite, cseq: 2 ** 31 }, 400],
    [{ ...invite, headers: { CSeq: '1 BYE' } }, 400],
    [{ ...invite, headers: { From: '"a <sip:x' } }, 400],
    [{ ...invite, method: 'INVITEX', headers: { CSeq: '1 INVITEX' } }, 405, 'allow'],
    [register({ Require: 'path, gruu, x' }), 420, 'unsupported'],
    [register({ Require: 'path, outbound' }), 401],
    [{ ...invite, headers: { 'Proxy-Require': 'sec-agree' } }, 420, 'unsupported'],
    [register({ Authorization: 'Digest username="' }), 400],
  ] as [RequestOptions, number, string?][]) {
    const answer = await send(options)
    t.equal(answer.status, status, JSON.stringify(options))
    if (header) t.ok(answer.header(header), header)
  }
})

t.test('OPTIONS to the server is a ping and tells what it can do', async (t) => {
  const { send } = await setUp(t)
  const answer = await send({ method: 'OPTIONS', uri: URI })
  t.equal(answer.status, 200)
  t.match(answer.header('allow'), /\bREGISTER\b.*\bMESSAGE\b/)
  t.equal(answer.header('accept'), 'application/sdp')
  t.equal(answer.header('supported'), 'path, outbound')
  t.equal((await send({ method: 'OPTIONS', uri: NUMBER_2 })).status, 407)
})

t.test('scanners get no answer at all, and are counted', async (t) => {
  const { edge, send, app } = await setUp(t)
  const names = ['friendly-scanner', 'sipvicious', 'sipcli/v1.8', 'sundayddr', 'sip-scan', 'pplsip']
  const dropped = names.map((name) =>
    edge.request({ method: 'OPTIONS', uri: URI, headers: { 'User-Agent': name } }),
  )
  await send({ method: 'OPTIONS', uri: URI, headers: { 'User-Agent': 'baresip' } })
  t.notOk(edge.frames.some(({ fields }) => dropped.includes(fields[1] ?? '')))
  t.equal(app.stats.drops['scanner'], names.length)
})

t.test('a call reaches every device with the identity of the account', async (t) => {
  const { edge, authenticated, store, said, app } = await setUp(t)
  store.bindings.set(2, [
    binding('sip:x@10.0.0.2'),
    binding('sip:y@10.0.0.3', { source: '192.0.2.8:5080', transport: 'tcp' }),
  ])
  const transaction = edge.request(
    await authenticated({
      ...invite,
      from: '"Boss" <sip:900@evil.example>',
      fromTag: 'ft',
      headers: { 'P-Asserted-Identity': '<sip:900@x>', 'Remote-Party-ID': '<sip:900@x>' },
    }),
  )
  const command = await edge.proxied(transaction)
  t.strictSame(command.fields.slice(2), [
    'remainInDialog',
    'fullResponse',
    '',
    'simultaneous',
    '10000ms',
    '60000ms',
    'sip:x@10.0.0.2;flow=192.0.2.7:5060;flow-transport=udp',
    'sip:y@10.0.0.3;flow=192.0.2.8:5080;flow-transport=tcp',
  ])
  t.match(command.message, /\r\nfrom: "Person 1" <sip:111@example\.org>;tag=ft\r\n/)
  t.match(command.message, /\r\np-asserted-identity: "Person 1" <sip:111@example\.org>\r\n/)
  t.match(command.message, /\r\nremote-party-id: \r\n/)
  t.match(command.message, /\r\nproxy-authorization: \r\n/)
  edge.continue(command, 200, '192.0.2.7', 5060)
  edge.done(command)
  while (said('call').length === 0) await new Promise((resolve) => setImmediate(resolve))
  t.match(said('call'), [{ from: '111', to: '112', outcome: 'answered', targets: 2 }])
  t.equal(app.stats.calls.answered, 1)
})

t.test('a binding whose connection is gone is removed, the others stay', async (t) => {
  const { edge, authenticated, store, said } = await setUp(t)
  store.bindings.set(2, [binding('sip:x@10.0.0.2'), binding('sip:y@10.0.0.3', { source: '192.0.2.8:5080' })])
  const command = await edge.proxied(edge.request(await authenticated(invite)))
  edge.continue(command, 430, '192.0.2.8', 5080)
  edge.continue(command, 486, '192.0.2.7', 5060)
  edge.done(command)
  while (said('call').length === 0) await new Promise((resolve) => setImmediate(resolve))
  t.strictSame(store.dead, [{ accountId: 2, contact: 'sip:y@10.0.0.3' }])
  t.match(said('call'), [{ outcome: 'busy' }])
})

t.test('messages and subscriptions go the same way; only what forms dialogs is recorded', async (t) => {
  const { edge, authenticated, store } = await setUp(t)
  store.bindings.set(2, [binding('sip:x@10.0.0.2')])
  for (const [method, recorded] of [
    ['MESSAGE', ''],
    ['PUBLISH', ''],
    ['OPTIONS', ''],
    ['SUBSCRIBE', 'remainInDialog'],
    ['NOTIFY', 'remainInDialog'],
    ['REFER', 'remainInDialog'],
  ] as const) {
    const command = await edge.proxied(
      edge.request(await authenticated({ ...invite, method, callId: method })),
    )
    t.equal(command.fields[2], recorded, method)
    t.strictSame(command.fields.slice(6, 8), ['', ''], 'no ring time-out')
    edge.done(command)
  }
})

t.test('calls that can not be connected get the answer of their kind, and are counted', async (t) => {
  const { ask, app, store } = await setUp(t, [
    account(1),
    account(2),
    account(3, { enabled: false }),
    account(4, { securityModel: 'end-to-end' }),
  ])
  store.bindings.set(3, [binding('sip:x@h')])
  for (const [user, status] of [
    ['999', 404],
    ['1002', 404],
    ['%00112', 404],
    ['112', 480],
    ['113', 480],
    ['114', 488],
  ] as const) {
    const answer = await ask({ ...invite, uri: `sip:${user}@example.org`, callId: user })
    t.equal(answer.status, status, user)
  }
  t.equal(app.stats.calls.failed, 6)
  for (const [context, status] of [
    ['evil.example', 404],
    ['second.example', 480],
  ] as const) {
    const answer = await ask({ ...invite, uri: `tel:112;phone-context=${context}`, callId: context })
    t.equal(answer.status, status, context)
  }
})

t.test('an account that promises secure signalling is held to it', async (t) => {
  const accounts = [
    account(1, { securityModel: 'end-to-site' }),
    account(2, { securityModel: 'end-to-site' }),
  ]
  const { ask, store } = await setUp(t, accounts)
  const refused = await ask(register())
  t.equal(refused.status, 403)
  t.match(refused.header('warning'), /TLS or WSS/)
  t.equal(
    (await ask({ ...register(), callId: 'r2' }, {}, { protocol: 'tls', address: '192.0.2.7', port: 1 }))
      .status,
    200,
  )
  store.bindings.set(2, [binding('sip:x@h', { transport: 'tls' })])
  t.equal((await ask(invite)).status, 488)
})

t.test(
  'media weaker than the security model is refused with a sentence, before any phone rings',
  async (t) => {
    const securityModel = 'end-to-site'
    const { ask, authenticated, edge, store, said } = await setUp(t, [
      account(1, { securityModel }),
      account(2, { securityModel }),
    ])
    store.bindings.set(2, [binding('sip:x@h', { transport: 'tls' })])
    const tls = { protocol: 'tls', address: '192.0.2.7', port: 5062 }
    const call = (media: string, callId: string): RequestOptions => ({
      ...invite,
      callId,
      headers: { 'Content-Type': 'application/sdp' },
      body: `v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n${media}\r\n`,
    })
    const refused = await ask(call('m=audio 4000 RTP/AVP 0', 'plain'), {}, tls)
    t.equal(refused.status, 488)
    t.match(
      refused.header('warning'),
      /^399 privateline "The security model end-to-site needs encrypted media/,
    )
    t.match(refused.header('reason'), /^SIP;cause=488;text="The security model/)
    t.match(said('call'), [{ outcome: 'refused', status: 488, reason: /needs encrypted media/ }])
    const sdes = 'm=audio 4000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAA'
    edge.done(await edge.proxied(edge.request(await authenticated(call(sdes, 'sdes')), tls)))
    edge.done(await edge.proxied(edge.request(await authenticated({ ...invite, callId: 'late' }), tls)))
  },
)

t.test('a call to sips: goes over TLS on both sides, or is refused with the reason', async (t) => {
  const { ask, authenticated, edge, store } = await setUp(t)
  const call = { ...invite, uri: 'sips:112@example.org' }
  const tls = { protocol: 'tls', address: '192.0.2.7', port: 5062 }
  store.bindings.set(2, [binding('sip:x@h'), binding('sip:y@h', { transport: 'tls' })])
  const refused = await ask(call)
  t.equal(refused.status, 480)
  t.match(refused.header('warning'), /SIPS Not Allowed/)
  const command = await edge.proxied(edge.request(await authenticated({ ...call, callId: 'tls' }), tls))
  t.match(command.fields.slice(8), [/^sip:y@h;/])
  t.equal(command.fields.length, 9)
  edge.done(command)
  store.bindings.set(2, [binding('sip:x@h')])
  t.match((await ask({ ...call, callId: 'no' }, {}, tls)).header('warning'), /SIPS Not Allowed/)
})

t.test('a disabled account is told 403', async (t) => {
  const { ask } = await setUp(t, [account(1, { enabled: false }), account(2)])
  const answer = await ask(invite)
  t.equal(answer.startLine, 'SIP/2.0 403 Account Disabled')
})

t.test('a database that is away is 503, another error 500, and both say when to come back', async (t) => {
  const { authenticated, send, store, said, app } = await setUp(t)
  const ready = await authenticated(invite)
  store.away = true
  const away = await send(ready)
  t.match([away.status, away.header('retry-after')], [503, '5'])
  store.away = false
  const registering = await authenticated(register())
  store.beforeCommit = () => Promise.reject(new Error('surprise'))
  const failed = await send(registering)
  t.match([failed.status, failed.header('retry-after')], [500, '5'])
  t.match(said('request failed'), [{ callId: 'call' }, { callId: 'register' }])
  t.equal(app.stats.errors, 2)
})

t.test('requests that fail while the database is away share a log line', async (t) => {
  const { authenticated, send, store, said, app } = await setUp(t)
  const ready = await authenticated(invite)
  store.away = true
  for (let n = 0; n < 5; n++) t.equal((await send({ ...ready, callId: `call${n}` })).status, 503)
  t.match(said('request failed'), [{ callId: 'call0', count: 1, err: { stack: String } }])
  t.equal(app.stats.errors, 5, 'each is counted')
})

t.test('an edge that refuses to proxy leaves nobody without an answer', async (t) => {
  const { edge, authenticated, store } = await setUp(t)
  store.bindings.set(2, [binding('sip:x@10.0.0.2')])
  const transaction = edge.request(await authenticated(invite))
  const command = await edge.proxied(transaction)
  edge.write(`response|${command.id}|NOK|error proxying request to `)
  t.match(await edge.answer(transaction), /^SIP\/2\.0 500/)
})

t.test('a caller who gives up while we look is not put through', async (t) => {
  const { edge, authenticated, send, store } = await setUp(t)
  store.bindings.set(2, [binding('sip:x@10.0.0.2')])
  let release = () => {}
  const held = new Promise<void>((resolve) => (release = resolve))
  const { directory } = store
  const look = directory.accountByNumber.bind(directory)
  directory.accountByNumber = async (number) => {
    await held
    return look(number)
  }
  const transaction = edge.request(await authenticated(invite))
  edge.request({ method: 'CANCEL', uri: NUMBER_2, callId: 'call' })
  await send({ method: 'OPTIONS', uri: URI })
  release()
  await send({ method: 'OPTIONS', uri: URI })
  t.notOk(edge.frames.some(({ fields }) => fields[1] === transaction))
})

t.test('stopping answers what is running, and turns newcomers away', async (t) => {
  const { app, authenticated, edge, store } = await setUp(t)
  let commit = () => {}
  const running = new Promise<void>((resolve) => {
    store.beforeCommit = () => {
      resolve()
      return new Promise((done) => (commit = done))
    }
  })
  const transaction = edge.request(await authenticated(register()))
  await running
  const stopped = app.stop()
  const late = edge.request({ method: 'OPTIONS', uri: URI })
  t.match(await edge.answer(late), /^SIP\/2\.0 503/)
  commit()
  t.match(await edge.answer(transaction), /^SIP\/2\.0 200/)
  await stopped
  t.notOk(app.connected)
})

t.test(
  'the secret of the nonces is shared through the store: another start takes them for stale, not for wrong',
  async (t) => {
    const first = await setUp(t)
    const options = await first.authenticated(register())
    const second = await setUp(t)
    const secret = first.store.settingValues.get('sip.nonce_secret') ?? ''
    t.equal(Buffer.from(secret, 'base64').length, 32)
    const foreign = await second.send(options)
    t.notMatch(foreign.header('www-authenticate'), /stale/)
    const restarted = await createApp(first.store)
    t.teardown(() => restarted.stop())
    const edge = new FakeEdge()
    t.teardown(() => edge.stop())
    await restarted.start(await edge.start())
    const answer = readSip(Buffer.from(await edge.answer(edge.request(options))))
    t.match(answer.header('www-authenticate'), /stale=true/)
  },
)

/** As after a restart: the same store, another application. */
function createApp(store: FakeStore): Promise<SipApp> {
  return createSipApp({
    config,
    store,
    log: pino({ enabled: false }),
    isLocalHost: () => false,
  })
}
