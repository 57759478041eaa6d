import pino, { type Logger } from 'pino'
import t, { type Test } from 'tap'
import type { Environment } from '../../src/config.js'
import { hashPassword } from '../../src/admin/passwords.js'
import { api, type Answer, type Api, type Body } from './api.js'

const PASSWORD = 'correct horse'

/** Signing in costs next to nothing with it; what it costs with others, administrators made by the API show. */
const cheapHash = () => hashPassword(PASSWORD, { N: 16, r: 8, p: 1 })

async function withAdmin(t: Test, env: Environment = {}, log?: Logger): Promise<Api> {
  const server = await api(t, { env, ...(log && { log }) })
  await server.store.admins.create({
    username: 'Ann',
    passwordHash: await cheapHash(),
    role: 'admin',
  })
  return server
}

const signIn = ({ send }: Api, payload: Body = {}, headers: Record<string, string> = {}) =>
  send({
    method: 'POST',
    url: '/api/v1/session',
    headers,
    payload: { username: 'ann', password: PASSWORD, ...payload },
  })

/** The cookie an answer sets, as the browser would send it back. */
const cookieOf = ({ headers }: Answer) => String(headers['set-cookie']).split(';', 1)[0] ?? ''

t.test('signing in gives a cookie that scripts and other sites can not use', async (t) => {
  const server = await withAdmin(t, { HTTP_TRUST_PROXY: '127.0.0.1' })
  const answer = await signIn(server)
  t.match(answer, { status: 201, body: { username: 'Ann', role: 'admin', csrfToken: /^[\w-]{43}$/ } })
  t.ok(Date.parse(answer.body['expiresAt'] as string) > Date.now() + 3600_000)
  const cookie = String(answer.headers['set-cookie'])
  t.match(cookie, /HttpOnly/)
  t.match(cookie, /SameSite=Strict/)
  t.match(cookie, /Path=\//)
  t.notMatch(cookie, /Secure/, 'not over plain HTTP: the browser would not send it back')
  const overTls = await signIn(server, {}, { 'x-forwarded-proto': 'https' })
  t.match(String(overTls.headers['set-cookie']), /Secure/, 'behind a proxy that speaks TLS')
})

t.test('a session reads with its cookie, and changes only with the CSRF header beside it', async (t) => {
  const server = await withAdmin(t)
  const signedIn = await signIn(server)
  const cookie = cookieOf(signedIn)
  const csrf = signedIn.body['csrfToken'] as string
  t.equal((await server.send({ url: '/api/v1/groups', headers: { cookie } })).status, 200)

  const create = (headers: Record<string, string>) =>
    server.send({ method: 'POST', url: '/api/v1/groups', headers, payload: { name: 'Sales' } })
  t.match(await create({ cookie }), { status: 403, body: { code: 'csrf_failed' } })
  t.match(await create({ cookie, 'x-csrf-token': 'guess' }), { status: 403, body: { code: 'csrf_failed' } })
  const other = (await signIn(server)).body['csrfToken'] as string
  t.match(await create({ cookie, 'x-csrf-token': other }), { status: 403 }, "another session's is not enough")
  t.equal((await create({ cookie, 'x-csrf-token': csrf })).status, 201)

  const who = await server.send({ url: '/api/v1/session', headers: { cookie } })
  t.same(who.body, signedIn.body, 'a reloaded page gets its CSRF token again')
})

t.test('a token beside a cookie decides alone', async (t) => {
  const server = await withAdmin(t)
  const cookie = cookieOf(await signIn(server))
  const answer = await server.send({
    url: '/api/v1/groups',
    headers: { cookie, authorization: 'Bearer wrong' },
  })
  t.equal(answer.status, 401)
})

t.test('signing out ends the session for everybody who has its cookie', async (t) => {
  const server = await withAdmin(t)
  const signedIn = await signIn(server)
  const cookie = cookieOf(signedIn)
  const headers = { cookie, 'x-csrf-token': signedIn.body['csrfToken'] as string }
  t.equal((await server.send({ method: 'DELETE', url: '/api/v1/session', headers: { cookie } })).status, 403)
  const out = await server.send({ method: 'DELETE', url: '/api/v1/session', headers })
  t.equal(out.status, 204)
  t.match(String(out.headers['set-cookie']), /^privateline_session=;.*Max-Age=0/)
  t.equal((await server.send({ url: '/api/v1/session', headers: { cookie } })).status, 401)
  t.equal((await server.as('admin').delete('/session')).status, 404, 'a token has no session')
})

t.test('a cookie that somebody planted before does not become a session', async (t) => {
  const server = await withAdmin(t)
  const planted = 'privateline_session=chosen-by-the-attacker'
  const answer = await signIn(server, {}, { cookie: planted })
  t.equal(answer.status, 201)
  t.not(cookieOf(answer), planted)
  t.equal((await server.send({ url: '/api/v1/session', headers: { cookie: planted } })).status, 401)

  const old = cookieOf(answer)
  const again = await signIn(server, {}, { cookie: old })
  t.not(cookieOf(again), old)
  t.equal(
    (await server.send({ url: '/api/v1/session', headers: { cookie: old } })).status,
    401,
    'the old one ended',
  )
})

t.test('a changed password, a disabling and a new role count at once', async (t) => {
  const server = await withAdmin(t)
  const admin = server.as('admin')
  const { body } = await admin.post('/admins', { username: 'bob', password: PASSWORD, role: 'operator' })
  const path = `/admins/${String(body['id'])}`
  const bob = async () => cookieOf(await signIn(server, { username: 'bob' }))
  const who = async (cookie: string) => server.send({ url: '/api/v1/session', headers: { cookie } })

  const first = await bob()
  await admin.patch(path, { role: 'auditor' })
  t.equal((await who(first)).body['role'], 'auditor')
  await admin.patch(path, { password: 'battery staple' })
  t.equal((await who(first)).status, 401)
  t.equal((await signIn(server, { username: 'bob' })).status, 401)

  const second = cookieOf(await signIn(server, { username: 'bob', password: 'battery staple' }))
  t.equal((await who(second)).status, 200)
  await admin.patch(path, { enabled: false })
  t.equal((await who(second)).status, 401)
  t.equal((await signIn(server, { username: 'bob', password: 'battery staple' })).status, 401)
})

t.test('wrong name, wrong password and disabled can not be told apart', async (t) => {
  const server = await withAdmin(t)
  const { id } = await server.store.admins.create({
    username: 'off',
    passwordHash: await cheapHash(),
    role: 'operator',
  })
  await server.store.admins.update(id, { enabled: false })
  const answers = [
    await signIn(server, { password: 'wrong' }),
    await signIn(server, { username: 'nobody' }),
    await signIn(server, { username: 'off' }),
  ]
  for (const answer of answers) {
    t.equal(answer.status, 401)
    t.same(answer.body, answers[0]!.body)
    t.equal(answer.headers['set-cookie'], undefined)
  }
})

t.test('who guesses has to wait, and others have not', async (t) => {
  const server = await withAdmin(t, { HTTP_TRUST_PROXY: '127.0.0.0/8' })
  const from = (address: string) => ({ 'x-forwarded-for': address })
  for (let attempt = 1; attempt <= 5; attempt += 1) {
    t.equal((await signIn(server, { password: 'wrong' }, from('192.0.2.1'))).status, 401)
  }
  const slowed = await signIn(server, {}, from('192.0.2.1'))
  t.match(slowed, { status: 429, body: { code: 'too_many_attempts' } }, 'even with the right password')
  t.match(slowed.headers['retry-after'], /^[12]$/)
  t.equal((await signIn(server, {}, from('192.0.2.2'))).status, 201, 'the owner, from another address')
})

t.test('nobody gets rid of the wait, or into the log, under an address of his own making', async (t) => {
  const lines: string[] = []
  const log = pino({}, { write: (line: string) => void lines.push(line) })
  const server = await withAdmin(t, {}, log)
  const statuses: number[] = []
  for (let attempt = 1; attempt <= 6; attempt += 1) {
    const forged = { 'x-forwarded-for': `192.0.2.${attempt}`, 'x-forwarded-proto': 'https' }
    statuses.push((await signIn(server, { password: 'wrong' }, forged)).status)
  }
  t.same(statuses, [401, 401, 401, 401, 401, 429])
  t.match(JSON.parse(lines.at(-1) ?? '{}'), { from: '127.0.0.1', status: 429 })
})

t.test('a flood of sign-ins from one address over many names is stopped', async (t) => {
  const server = await withAdmin(t)
  const statuses: number[] = []
  for (let attempt = 1; attempt <= 61; attempt += 1) {
    // Not valid on purpose: it is counted all the same, and costs no scrypt here.
    const answer = await server.send({
      method: 'POST',
      url: '/api/v1/session',
      payload: { username: `u${attempt}` },
    })
    statuses.push(answer.status)
    if (answer.status === 429) t.ok(Number(answer.headers['retry-after']) > 0)
  }
  t.same(statuses.slice(-2), [400, 429])
})
