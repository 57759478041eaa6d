import { readFileSync } from 'node:fs'
import t from 'tap'
import { problemOf } from '../../src/admin/problem-of.js'
import { PROBLEMS, type ProblemCode } from '../../src/admin/problems.js'
import { openStore } from '../../src/store/store.js'
import { silent, testDatabase } from '../support/database.js'
import { api } from './api.js'

t.test('docs/api.md lists every problem with its status, and no other', async (t) => {
  const text = readFileSync(new URL('../../../docs/api.md', import.meta.url), 'utf8')
  const documented = [...text.matchAll(/^\| `([a-z_]+)` +\| (\d{3}) +\|/gm)].map(([, code, status]) => [
    code,
    Number(status),
  ])
  t.same(
    documented,
    Object.entries(PROBLEMS).map(([code, { status }]) => [code, status]),
  )
})

t.test('the type of a problem is a page that explains it', async (t) => {
  const { nobody, send } = await api(t)
  const { body } = await nobody.get('/groups')
  t.match(body, {
    type: '/problems/unauthenticated',
    title: String,
    status: 401,
    detail: String,
    code: 'unauthenticated',
    errors: [],
  })
  for (const code of Object.keys(PROBLEMS)) {
    t.match(await send({ url: `/problems/${code}` }), { status: 200, body: { code, meaning: String } })
  }
  t.equal((await send({ url: '/problems/toString' })).status, 404)
})

t.test('unknown paths and methods', async (t) => {
  const { send, as } = await api(t)
  for (const url of ['/nothing', '/api/v1', '/api/v1/', '/api/v1/audit-events', '/api/v2/groups']) {
    t.match(await send({ url }), { status: 404, body: { code: 'not_found' } }, url)
  }
  const put = await send({ method: 'PUT', url: '/api/v1/groups/7' })
  t.match(put, {
    status: 405,
    body: { code: 'method_not_allowed' },
    headers: { allow: 'DELETE, GET, HEAD, OPTIONS, PATCH' },
  })
  t.match(await send({ method: 'OPTIONS', url: '/api/v1/groups' }), {
    status: 204,
    headers: { allow: 'GET, HEAD, OPTIONS, POST' },
  })
  const head = await send({ method: 'HEAD', url: '/health/live' })
  t.match(head, { status: 200, text: '' })
  t.equal((await as('admin').post('/accounts', {})).status, 405, 'accounts are created in a group')
})

t.test('with the database away the API says so, and nothing leaks', async (t) => {
  const database = await testDatabase(t)
  const away = await openStore({ connection: database.connection, node: 'test', log: silent })
  const server = await api(t, { store: away })
  const auditor = server.as('auditor')
  t.equal((await auditor.get('/groups')).status, 200)
  await away.close()
  const answer = await auditor.get('/groups')
  t.match(answer, {
    status: 503,
    body: { code: 'database_unavailable' },
    headers: { 'retry-after': /^\d+$/ },
  })
  t.notMatch(answer.text, /knex|pool|socket|stack|select/i)
})

t.test('with a database that does not answer the API says the same', async (t) => {
  const server = await api(t)
  server.store.groups.list = async () => {
    throw new Error('Query read timeout')
  }
  t.match(await server.as('auditor').get('/groups'), { status: 503, body: { code: 'database_unavailable' } })
})

t.test('an unexpected error is answered with the request id and nothing else', async (t) => {
  const server = await api(t)
  server.store.groups.list = async () => {
    throw new Error('select * from secrets failed')
  }
  const answer = await server.as('auditor').get('/groups')
  t.match(answer, { status: 500, body: { code: 'internal_error', detail: /request id req-/ } })
  t.notMatch(answer.text, /secrets/)
})

t.test('an error of Fastify without a meaning of its own keeps its class', async (t) => {
  const code = (error: unknown): ProblemCode => problemOf(error, '1').problem
  t.equal(
    code(Object.assign(new Error('x'), { statusCode: 400, code: 'FST_ERR_CTP_INVALID_CONTENT_LENGTH' })),
    'bad_request',
  )
  t.equal(code(Object.assign(new Error('x'), { statusCode: 502 })), 'internal_error')
  t.equal(code('a text that was thrown'), 'internal_error')
  t.equal(code(null), 'internal_error')
})
