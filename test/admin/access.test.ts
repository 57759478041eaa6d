import Fastify from 'fastify'
import t from 'tap'
import { access } from '../../src/admin/plugins/access.js'
import { cookie } from '../../src/admin/plugins/cookie.js'
import type { AdminRole, Store } from '../../src/store/types.js'
import { api } from './api.js'

type Who = AdminRole | 'nobody'

/** Who may use what; a route of the API that is missing here fails the test. */
const everybody: Who[] = ['nobody', 'auditor', 'operator', 'admin']
const signedIn: Who[] = ['auditor', 'operator', 'admin']
const writers: Who[] = ['operator', 'admin']
const administrators: Who[] = ['admin']
const overseers: Who[] = ['auditor', 'admin']

const MATRIX: Readonly<Record<string, Who[]>> = {
  'GET /groups': signedIn,
  'POST /groups': writers,
  'GET /groups/{id}': signedIn,
  'PATCH /groups/{id}': writers,
  'DELETE /groups/{id}': writers,
  'GET /groups/{id}/accounts': signedIn,
  'POST /groups/{id}/accounts': writers,
  'GET /accounts': signedIn,
  'GET /accounts/suggestion': signedIn,
  'GET /accounts/{id}': signedIn,
  'PATCH /accounts/{id}': writers,
  'DELETE /accounts/{id}': writers,
  'GET /accounts/{id}/registrations': signedIn,
  'GET /registrations': signedIn,
  'DELETE /registrations/{id}': writers,
  'GET /calls': signedIn,
  'GET /sip-events': signedIn,
  'GET /tokens': overseers,
  'POST /tokens': administrators,
  'GET /tokens/{id}': overseers,
  'DELETE /tokens/{id}': administrators,
  'POST /session': everybody,
  'GET /session': signedIn,
  'DELETE /session': signedIn,
  'GET /admins': overseers,
  'POST /admins': administrators,
  'GET /admins/{id}': overseers,
  'PATCH /admins/{id}': administrators,
  'DELETE /admins/{id}': administrators,
}

t.test('every route is open to those who may use it, and to nobody else', async (t) => {
  const { app, as, nobody } = await api(t)
  const paths = (app.swagger() as { paths: Record<string, Record<string, unknown>> }).paths
  const routes = Object.entries(paths).flatMap(([path, operations]) =>
    path.startsWith('/api/v1')
      ? Object.keys(operations).map((method) => `${method.toUpperCase()} ${path.slice(7)}`)
      : [],
  )
  t.same(routes.toSorted(), Object.keys(MATRIX).toSorted())

  for (const [route, allowed] of Object.entries(MATRIX)) {
    const [method = '', path = ''] = route.split(' ')
    for (const who of everybody) {
      const caller = who === 'nobody' ? nobody : as(who)
      const call = caller[method.toLowerCase() as 'get' | 'post' | 'patch' | 'delete']
      // An id that is not there and no body: nothing happens, and the answer tells how far the request came.
      const { status, body } = await call(path.replace('{id}', '99999'))
      if (allowed.includes(who)) t.notOk([401, 403].includes(status), `${route} by ${who}: ${status}`)
      else if (who === 'nobody')
        t.match({ status, body }, { status: 401, body: { code: 'unauthenticated' } }, route)
      else t.match({ status, body }, { status: 403, body: { code: 'forbidden' } }, `${route} by ${who}`)
    }
  }
})

t.test('HEAD needs what GET needs', async (t) => {
  const { send } = await api(t)
  t.equal((await send({ method: 'HEAD', url: '/api/v1/accounts' })).status, 401)
})

t.test('a token that is unknown, malformed or expired is refused', async (t) => {
  const { send, store } = await api(t)
  await store.admins.createToken({ name: 'old', tokenHash: 'x', role: 'admin', expiresAt: Date.now() - 1000 })
  for (const authorization of [
    'Bearer nope',
    'Bearer ',
    'bearer',
    'Basic YWRtaW46YWRtaW4=',
    '',
    `Bearer ${'x'.repeat(5000)}`,
    'Bearer x',
  ]) {
    const answer = await send({ url: '/api/v1/groups', headers: { authorization } })
    t.match(answer, { status: 401, body: { code: 'unauthenticated' } }, authorization.slice(0, 40))
    t.match(answer.headers['www-authenticate'], /^Bearer/)
  }
})

t.test('a route that does not say what it needs does not start', async (t) => {
  const app = Fastify()
  app.register(cookie)
  app.register(access, { store: {} as Store })
  app.register(async (scope) => {
    scope.get('/forgotten', async () => 'secret')
  })
  await t.rejects(async () => app.ready(), { message: /\/forgotten does not say which permission/ })
})

t.test('answers of the API are not to be cached', async (t) => {
  const { as, nobody } = await api(t)
  t.equal((await as('auditor').get('/groups')).headers['cache-control'], 'no-store')
  t.equal((await nobody.get('/groups')).headers['cache-control'], 'no-store')
})
