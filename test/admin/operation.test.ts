import { createHash } from 'node:crypto'
import { request as httpRequest, Agent } from 'node:http'
import { Writable } from 'node:stream'
import pino from 'pino'
import t from 'tap'
import { createLog } from '../../src/log.js'
import { aGroup, anAccount, api, tokenOf } from './api.js'

t.test('live while the process lives, ready while database and edge are there', async (t) => {
  const state = { database: true, edge: true }
  let broken = false
  const { send } = await api(t, {
    health: async () => {
      if (broken) throw new Error('the probe itself is broken')
      return { ...state }
    },
  })
  const ready = () => send({ url: '/health/ready' })
  t.match(await ready(), { status: 200, body: { database: true, edge: true } })
  state.edge = false
  t.match(await ready(), { status: 503, body: { database: true, edge: false } })
  broken = true
  t.match(await ready(), { status: 503, body: { database: false, edge: false } })
  t.match(await send({ url: '/health/live' }), { status: 200, body: { status: 'live' } })
})

t.test('metrics are those of the process, of its HTTP requests, and of the SIP side', async (t) => {
  const { send } = await api(t)
  await send({ url: '/api/v1/groups/17' })
  await send({ url: '/made-up-by-a-scanner' })
  const { status, text, headers } = await send({ url: '/metrics' })
  t.equal(status, 200)
  t.match(headers['content-type'], /^text\/plain/)
  t.match(text, /^process_cpu_seconds_total /m)
  t.match(text, /^sip_bindings 3/m)
  t.match(text, /duration_seconds_count\{route="\/api\/v1\/groups\/:id",method="GET",status="401"\} 1/)
  t.notMatch(text, /scanner/, 'what clients make up is no label')
})

t.test('the reference page needs nothing from elsewhere, and its policy lets it run', async (t) => {
  const { send } = await api(t)
  t.match(await send({ url: '/' }), { status: 302, headers: { location: '/docs' } })
  t.match(await send({ url: '/docs' }), { status: 301, headers: { location: '/docs/' } })
  const page = await send({ url: '/docs/' })
  t.equal(page.status, 200)
  t.notMatch(page.text, /(src|href)="?(https?:)?\/\//)
  const script = /<script type="text\/javascript">([\s\S]*?)<\/script>/.exec(page.text)?.[1] ?? ''
  const policy = String(page.headers['content-security-policy'])
  t.ok(
    policy.includes(`'sha256-${createHash('sha256').update(script).digest('base64')}'`),
    'the line that starts it',
  )
  t.notMatch(/script-src[^;]*/.exec(policy)?.[0], /unsafe/)
  const bundle = await send({ url: '/docs/js/scalar.js' })
  t.match(bundle, { status: 200, headers: { 'content-type': /javascript/ } })
  t.ok(bundle.text.length > 100_000)
})

t.test('answers carry security headers', async (t) => {
  const { headers } = await (await api(t)).send({ url: '/health/live' })
  t.match(headers, {
    'content-security-policy': /default-src 'none'/,
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'SAMEORIGIN',
    'referrer-policy': 'no-referrer',
  })
})

t.test('no answer and no line of the log has a password, a hash, a token or a cookie', async (t) => {
  const lines: string[] = []
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString())
      done()
    },
  })
  const { as, send, store, app } = await api(t, { log: createLog('trace', { pretty: false, destination }) })
  const [admin, operator] = [as('admin'), as('operator')]
  const group = await aGroup(operator)
  const answers = [
    await operator.post(`/groups/${group}/accounts`, anAccount('111', { username: '5550001' })),
    await operator.post(`/groups/${group}/accounts`, anAccount('111')),
    await operator.post(`/groups/${group}/accounts`, anAccount('112', { email: 'wrong' })),
    await operator.patch('/accounts/1', { password: 'correct horse' }),
    await operator.get('/accounts'),
    await operator.get('/accounts/1'),
    await admin.post('/admins', { username: 'ann', password: 'correct horse', role: 'admin' }),
    await admin.get('/admins'),
    await admin.get('/tokens'),
    await send({
      method: 'POST',
      url: '/api/v1/session',
      payload: { username: 'ann', password: 'correct horse' },
    }),
    await send({
      method: 'POST',
      url: '/api/v1/session',
      payload: { username: 'ann', password: 'correct mule!' },
    }),
    await send({ url: '/openapi.json' }),
  ]
  store.groups.list = async () => {
    throw Object.assign(new Error('defect'), { password: 'correct horse' })
  }
  answers.push(await operator.get('/groups'))
  app.log.info(
    { headers: { authorization: `Bearer ${tokenOf('admin')}` }, password: 'correct horse' },
    'careless',
  )

  const credential = await store.directory.credential('5550001')
  const secrets = [
    'correct horse',
    'correct mule!',
    tokenOf('admin'),
    tokenOf('operator'),
    credential!.ha1Md5,
    credential!.ha1Sha256,
    'scrypt$',
  ]
  const cookie = String(answers[9]!.headers['set-cookie']).split(/[=;]/)[1]!
  t.equal(answers[0]!.status, 201)
  t.ok(lines.length > answers.length, 'the log has lines')
  for (const secret of secrets) {
    t.notOk(
      answers.some(({ text }) => text.includes(secret)),
      `no answer has ${secret.slice(0, 4)}…`,
    )
    t.notOk(
      lines.some((line) => line.includes(secret)),
      `no line has ${secret.slice(0, 4)}…`,
    )
  }
  t.notOk(
    lines.some((line) => line.includes(cookie)),
    'nor the cookie',
  )
  t.notOk(
    lines.some((line) => line.includes(answers[9]!.body['csrfToken'] as string)),
    'nor the CSRF token',
  )
})

t.test('a stop lets a running request finish, and closes connections that only wait', async (t) => {
  // Longer than this test may take: what does not close at once fails it.
  const server = await api(t, { env: { DRAIN_TIMEOUT: '300' } })
  let finish: () => void = () => {}
  const arrived = new Promise<void>((resolve) => {
    const list = server.store.groups.list.bind(server.store.groups)
    server.store.groups.list = async (query) => {
      resolve()
      await new Promise<void>((done) => (finish = done))
      return list(query)
    }
  })
  const { host, port } = await server.start()
  t.equal(host, '127.0.0.1')
  t.ok(port > 0)

  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  const get = (path: string, agent?: Agent) =>
    new Promise<number | undefined>((resolve, reject) => {
      const headers = { authorization: `Bearer ${tokenOf('auditor')}` }
      httpRequest({ host, port, path, agent, headers }, (response) => {
        response.resume().on('end', () => resolve(response.statusCode))
      })
        .on('error', reject)
        .end()
    })
  t.equal(await get('/health/live', agent), 200, 'leaves a connection waiting')
  const running = get('/api/v1/groups', agent)
  await arrived
  const idle = get('/health/live', agent)
  t.equal(await idle, 200)
  const stopped = server.stop()
  finish()
  t.equal(await running, 200)
  await stopped
  await t.rejects(get('/health/live'), { code: 'ECONNREFUSED' })
})

t.test('a stop does not wait for ever for a request that does not end', async (t) => {
  const server = await api(t, { env: { DRAIN_TIMEOUT: '1' }, log: pino({ level: 'silent' }) })
  const arrived = new Promise<void>((resolve) => {
    server.store.groups.list = async () => {
      resolve()
      return new Promise(() => {})
    }
  })
  const { host, port } = await server.start()
  const hanging = new Promise((resolve) => {
    const headers = { authorization: `Bearer ${tokenOf('auditor')}` }
    httpRequest({ host, port, path: '/api/v1/groups', headers }, resolve).on('error', resolve).end()
  })
  await arrived
  await server.stop()
  t.match(await hanging, { code: 'ECONNRESET' })
})
