import t from 'tap'
import { ensureConfiguredToken, ensureFirstAdmin } from '../../src/admin/bootstrap.js'
import { hashPassword, verifyPassword } from '../../src/admin/passwords.js'
import { readablePassword } from '../../src/admin/secrets.js'
import { loadConfig } from '../../src/config.js'
import { query, testDatabase, testStore } from '../support/database.js'
import { api, wrongFields } from './api.js'

t.test('a token is shown once, works, and is refused as soon as it is deleted', async (t) => {
  const { as, send } = await api(t)
  const admin = as('admin')
  const created = await admin.post('/tokens', { name: 'nightly import', role: 'operator' })
  t.match(created, {
    status: 201,
    body: { name: 'nightly import', role: 'operator', expiresAt: null, token: /^pl_[\w-]{43}$/ },
  })
  t.equal(created.headers['location'], `/api/v1/tokens/${String(created.body['id'])}`)
  const authorization = `Bearer ${String(created.body['token'])}`
  const use = async () => send({ url: '/api/v1/session', headers: { authorization } })
  t.match(await use(), {
    status: 200,
    body: { username: 'nightly import', role: 'operator', csrfToken: null },
  })

  const shown = await admin.get(`/tokens/${String(created.body['id'])}`)
  t.equal(shown.status, 200)
  t.ok(shown.body['lastUsedAt'])
  t.notHas(shown.body, { token: String })
  t.notMatch((await admin.get('/tokens')).text, created.body['token'])

  t.equal((await admin.delete(`/tokens/${String(created.body['id'])}`)).status, 204)
  t.equal((await use()).status, 401)
  t.equal((await admin.delete(`/tokens/${String(created.body['id'])}`)).status, 404)
})

t.test('a token can expire, but not in the past', async (t) => {
  const { as } = await api(t)
  const expiresAt = '2099-01-31T12:00:00.000Z'
  t.match(await as('admin').post('/tokens', { name: 'a', role: 'auditor', expiresAt }), {
    status: 201,
    body: { expiresAt },
  })
  for (const wrong of ['2001-01-01T00:00:00Z', 'tomorrow', 5]) {
    t.same(wrongFields(await as('admin').post('/tokens', { name: 'b', role: 'auditor', expiresAt: wrong })), [
      'expiresAt',
    ])
  }
})

t.test('names of tokens are unique, and that of the setting is reserved', async (t) => {
  const admin = (await api(t)).as('admin')
  await admin.post('/tokens', { name: 'a', role: 'auditor' })
  t.match(await admin.post('/tokens', { name: 'a', role: 'auditor' }), {
    status: 409,
    body: { code: 'token_name_taken' },
  })
  t.same(wrongFields(await admin.post('/tokens', { name: 'ADMIN_API_TOKEN', role: 'auditor' })), ['name'])
})

t.test(
  'the token of ADMIN_API_TOKEN works from the first start, and a changed setting replaces it',
  async (t) => {
    const store = await testStore(t)
    const status = async (server: Awaited<ReturnType<typeof api>>, token: string) =>
      (await server.send({ url: '/api/v1/admins', headers: { authorization: `Bearer ${token}` } })).status
    const first = await api(t, { store, env: { ADMIN_API_TOKEN: 'a-secret-for-automation-1' } })
    t.equal(await status(first, 'a-secret-for-automation-1'), 200)

    const config = loadConfig({ ADMIN_API_TOKEN: 'a-secret-for-automation-2' })
    await ensureConfiguredToken(store, config)
    await ensureConfiguredToken(store, config)
    t.equal(await status(first, 'a-secret-for-automation-1'), 401)
    t.equal(await status(first, 'a-secret-for-automation-2'), 200)
    const named = (await store.admins.tokens()).filter(({ name }) => name === 'ADMIN_API_TOKEN')
    t.equal(named.length, 1)
    await ensureConfiguredToken(store, loadConfig({}))
    t.equal(await status(first, 'a-secret-for-automation-2'), 200, 'without the setting it stays')

    const { body } = await first.as('admin').post('/tokens', { name: 'mine', role: 'auditor' })
    await ensureConfiguredToken(store, loadConfig({ ADMIN_API_TOKEN: body['token'] as string }))
    t.equal(
      await status(first, body['token'] as string),
      200,
      'a secret that was a token before can become the setting',
    )
  },
)

t.test(
  'the first administrator is made once, with a generated password or that of the setting',
  async (t) => {
    const store = await testStore(t)
    const { generatedPassword } = await ensureFirstAdmin(store, loadConfig({}))
    t.match(generatedPassword, /^([a-z2-9]{5}-){3}[a-z2-9]{5}$/)
    const stored = await store.admins.passwordHash('admin')
    t.match(stored?.admin, { username: 'admin', role: 'admin', enabled: true })
    t.ok(await verifyPassword(generatedPassword!, stored!.passwordHash))

    t.same(await ensureFirstAdmin(store, loadConfig({ ADMIN_PASSWORD: 'set much later' })), {})
    t.equal(
      (await store.admins.passwordHash('admin'))?.passwordHash,
      stored!.passwordHash,
      'a later setting changes nothing',
    )
    t.not(readablePassword(), readablePassword())

    const another = await testStore(t)
    t.same(await ensureFirstAdmin(another, loadConfig({ ADMIN_PASSWORD: 'correct horse' })), {})
    t.ok(await verifyPassword('correct horse', (await another.admins.passwordHash('admin'))!.passwordHash))
  },
)

t.test('two nodes that start at once make one administrator', async (t) => {
  const database = await testDatabase(t)
  const stores = [await testStore(t, { database }), await testStore(t, { database })]
  const made = await Promise.all(stores.map((store) => ensureFirstAdmin(store, loadConfig({}))))
  t.equal((await stores[0]!.admins.list()).length, 1)
  t.equal(
    made.filter(({ generatedPassword }) => generatedPassword !== undefined).length,
    1,
    'one password is shown',
  )
})

t.test('administrators are created, changed and deleted, but the last one stays', async (t) => {
  const { as, store } = await api(t)
  const admin = as('admin')
  const ann = await admin.post('/admins', { username: 'ann', password: 'correct horse', role: 'admin' })
  t.match(ann, { status: 201, body: { username: 'ann', role: 'admin', enabled: true } })
  const path = `/admins/${String(ann.body['id'])}`
  t.same((await admin.get(path)).body, ann.body)
  t.match(await admin.post('/admins', { username: 'ANN', password: 'correct horse', role: 'admin' }), {
    status: 409,
    body: { code: 'admin_name_taken' },
  })
  for (const change of [{ role: 'auditor' }, { enabled: false }]) {
    t.match(await admin.patch(path, change), { status: 409, body: { code: 'last_admin' } })
  }
  t.match(await admin.delete(path), { status: 409, body: { code: 'last_admin' } })

  await admin.post('/admins', { username: 'bob', password: 'correct horse', role: 'admin' })
  t.match(await admin.patch(path, { role: 'auditor' }), { status: 200, body: { role: 'auditor' } })
  t.match(await admin.get('/admins'), {
    body: { total: 2, next: null, items: [{ username: 'ann' }, { username: 'bob' }] },
  })
  t.equal((await admin.delete(path)).status, 204)
  t.equal((await admin.get(path)).status, 404)
  t.equal((await admin.patch(path, { role: 'admin' })).status, 404)
  t.equal((await store.admins.list()).length, 1)
  t.same(wrongFields(await admin.post('/admins', { username: '', password: 'short', role: 'king' })), [
    'password',
    'role',
    'username',
  ])
})

t.test('passwords and tokens are stored as hashes only', async (t) => {
  const database = await testDatabase(t)
  const { as } = await api(t, {
    store: await testStore(t, { database }),
    env: { ADMIN_API_TOKEN: 'a-secret-for-automation' },
  })
  await as('admin').post('/admins', { username: 'ann', password: 'correct horse', role: 'admin' })
  const { body } = await as('admin').post('/tokens', { name: 'x', role: 'admin' })
  const group = (await as('admin').post('/groups', { name: 'x' })).body['id'] as number
  await as('admin').post(`/groups/${group}/accounts`, { virtualNumber: '1', password: 'correct horse' })
  for (const table of ['admins', 'admin_sessions', 'api_tokens', 'accounts', 'credentials', 'settings']) {
    const rows = JSON.stringify(await query(database.connection, `select * from ${table}`))
    for (const secret of ['correct horse', 'a-secret-for-automation', body['token'] as string]) {
      t.notOk(rows.includes(secret), `${table} has no secret in clear`)
    }
  }
})

t.test('hashes of passwords differ each time, verify, and carry their parameters', async (t) => {
  const [one, two] = [await hashPassword('pässword'), await hashPassword('pässword')]
  t.not(one, two)
  t.match(one, /^scrypt\$16384\$8\$5\$/)
  t.ok(await verifyPassword('pässword', one))
  t.notOk(await verifyPassword('password', one))
  const older = 'scrypt$1024$8$1$AAAAAAAAAAAAAAAAAAAAAA==$vGVHOzyuMHHIRTi3TQhzLXh91PJ8aWKJPXTRVoNpC34='
  t.type(await verifyPassword('x', older), 'boolean', 'other parameters are read from the hash')
  await t.rejects(verifyPassword('x', 'md5$whatever'))
})
