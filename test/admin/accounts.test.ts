import t from 'tap'
import { digestHashes } from '../../src/admin/digest-hashes.js'
import { aGroup, anAccount, api, wrongFields } from './api.js'

t.test(
  'an account needs a number and a password; the rest has defaults and a free username is chosen',
  async (t) => {
    const { as, store } = await api(t)
    const operator = as('operator')
    const group = await aGroup(operator)
    const created = await operator.post(`/groups/${group}/accounts`, anAccount('+4930111'))
    t.equal(created.status, 201)
    t.equal(created.headers['location'], `/api/v1/accounts/${String(created.body['id'])}`)
    t.match(created.body, {
      groupId: group,
      username: /^[0-9]+$/,
      virtualNumber: '+4930111',
      displayName: null,
      visible: true,
      type: 'softphone',
      securityModel: 'standard',
      enabled: true,
      mac: null,
      deny: [],
      permit: [],
    })
    t.same((await operator.get(`/accounts/${String(created.body['id'])}`)).body, created.body)

    const credential = await store.directory.credential(created.body['username'] as string)
    t.match(credential, digestHashes(created.body['username'] as string, 'privateline', 'correct horse'))
  },
)

t.test('digest hashes are those of RFC 7616 §3.9.1, whose H(A1) its example is made of', async (t) => {
  const { ha1Md5 } = digestHashes('Mufasa', 'http-auth@example.org', 'Circle of Life')
  t.equal(ha1Md5, '3d78807defe7de2157e2b0b6573a855f')
  t.match(digestHashes('1', 'réalm', 'пароль').ha1Sha256, /^[0-9a-f]{64}$/)
})

t.test('a suggested username can be used', async (t) => {
  const operator = (await api(t)).as('operator')
  const group = await aGroup(operator)
  const { username } = (await operator.get('/accounts/suggestion')).body
  t.match(username, /^[0-9]{3,20}$/)
  const created = await operator.post(`/groups/${group}/accounts`, anAccount('111', { username }))
  t.equal(created.body['username'], username)
})

t.test('when the free username is taken meanwhile, another one is chosen', async (t) => {
  const { as, store } = await api(t)
  const operator = as('operator')
  const group = await aGroup(operator)
  await operator.post(`/groups/${group}/accounts`, anAccount('111', { username: '5550001' }))
  const suggestions = ['5550001', '5550001', '5550002']
  store.accounts.suggestUsername = async () => suggestions.shift() ?? '5550003'
  const created = await operator.post(`/groups/${group}/accounts`, anAccount('112'))
  t.equal(created.status, 201)
  t.equal(created.body['username'], '5550002')
  const chosen = await operator.post(`/groups/${group}/accounts`, anAccount('113', { username: '5550001' }))
  t.equal(chosen.body['code'], 'username_taken', 'one that was asked for is not replaced')
  t.same(wrongFields(chosen), ['username'])
})

t.test('of fifty accounts created at once with one number, one is', async (t) => {
  const operator = (await api(t)).as('operator')
  const group = await aGroup(operator)
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => operator.post(`/groups/${group}/accounts`, anAccount('4711'))),
  )
  t.equal(answers.filter(({ status }) => status === 201).length, 1)
  const refused = answers.filter(({ status, body }) => status === 409 && body['code'] === 'number_taken')
  t.equal(refused.length, 49)
  t.same(wrongFields(refused[0]!), ['virtualNumber'])
  t.equal((await operator.get('/accounts')).body['total'], 1)
})

t.test('an account can not be created in a group that is not there', async (t) => {
  const operator = (await api(t)).as('operator')
  const created = await operator.post('/groups/4711/accounts', anAccount('111'))
  t.match(created, { status: 404, body: { code: 'not_found' } })
  t.equal((await operator.get('/groups/4711/accounts')).status, 404)
})

t.test('PATCH of an account', async (t) => {
  const { as, store } = await api(t)
  const operator = as('operator')
  const group = await aGroup(operator)
  const { body } = await operator.post(
    `/groups/${group}/accounts`,
    anAccount('111', { username: '5550001', displayName: 'Ann', email: 'ann@example.org', description: 'x' }),
  )
  const path = `/accounts/${String(body['id'])}`

  await t.test('leaves what is absent and clears what is null', async (t) => {
    const patched = await operator.patch(path, { email: null, displayName: 'Änn 🙂' })
    t.match(patched, {
      status: 200,
      body: { email: null, displayName: 'Änn 🙂', description: 'x', virtualNumber: '111' },
    })
  })

  await t.test('can not clear what an account must have', async (t) => {
    const nothing = {
      username: null,
      password: null,
      virtualNumber: null,
      type: null,
      visible: null,
      enabled: null,
    }
    const refused = await operator.patch(path, { ...nothing, securityModel: null, groupId: null })
    t.equal(refused.status, 400)
    t.same(wrongFields(refused), [...Object.keys(nothing), 'groupId', 'securityModel'].sort())
  })

  await t.test('with a new username needs a new password, since the hashes contain it', async (t) => {
    const refused = await operator.patch(path, { username: '5550002' })
    t.match(refused, { status: 400, body: { code: 'invalid_input' } })
    t.same(wrongFields(refused), ['password'])
    const renamed = await operator.patch(path, { username: '5550002', password: 'battery staple' })
    t.match(renamed, { status: 200, body: { username: '5550002' } })
    t.equal(await store.directory.credential('5550001'), undefined)
    t.match(
      await store.directory.credential('5550002'),
      digestHashes('5550002', 'privateline', 'battery staple'),
    )
    t.equal((await operator.patch(path, { username: '5550002' })).status, 200, 'the same name is no change')
  })

  await t.test('with a new password alone changes the hashes', async (t) => {
    await operator.patch(path, { password: 'another one' })
    t.match(
      await store.directory.credential('5550002'),
      digestHashes('5550002', 'privateline', 'another one'),
    )
  })

  await t.test('moves it to another group, if there is such a group', async (t) => {
    const other = await aGroup(operator, 'Support')
    t.match(await operator.patch(path, { groupId: other }), { status: 200, body: { groupId: other } })
    const nowhere = await operator.patch(path, { groupId: 4711 })
    t.equal(nowhere.status, 400)
    t.same(wrongFields(nowhere), ['groupId'])
  })

  await t.test('refuses a number and a username that another account has', async (t) => {
    await operator.post(`/groups/${group}/accounts`, anAccount('112', { username: '5550009' }))
    t.match(await operator.patch(path, { virtualNumber: '112' }), {
      status: 409,
      body: { code: 'number_taken' },
    })
    const taken = await operator.patch(path, { username: '5550009', password: 'correct horse' })
    t.match(taken, { status: 409, body: { code: 'username_taken' } })
    t.match((await operator.get(path)).body, { virtualNumber: '111', username: '5550002' }, 'nothing changed')
  })

  t.equal((await operator.patch('/accounts/4711', {})).status, 404)
})

t.test('a deleted account is gone', async (t) => {
  const { as, store } = await api(t)
  const operator = as('operator')
  const group = await aGroup(operator)
  const { body } = await operator.post(`/groups/${group}/accounts`, anAccount('111', { username: '5550001' }))
  const path = `/accounts/${String(body['id'])}`
  t.equal((await operator.delete(path)).status, 204)
  t.equal((await operator.get(path)).status, 404)
  t.equal((await operator.delete(path)).status, 404)
  t.equal(await store.directory.credential('5550001'), undefined)
})

t.test('a desk phone has a MAC address and networks, a softphone has not', async (t) => {
  const operator = (await api(t)).as('operator')
  const group = await aGroup(operator)
  const desk = {
    type: 'deskphone',
    mac: '00-1A-2B-3C-4D-5E',
    deny: ['0.0.0.0/0', '::/0'],
    permit: ['192.0.2.0/24', '2001:DB8::/32'],
  }
  const created = await operator.post(`/groups/${group}/accounts`, anAccount('111', desk))
  t.match(created, {
    status: 201,
    body: { mac: '00:1a:2b:3c:4d:5e', permit: ['192.0.2.0/24', '2001:db8::/32'] },
  })

  const refused = await operator.post(
    `/groups/${group}/accounts`,
    anAccount('112', { ...desk, type: 'softphone' }),
  )
  t.equal(refused.status, 400)
  t.same(wrongFields(refused), ['deny', 'mac', 'permit'])
  const nothing = { mac: null, deny: [], permit: null }
  t.equal(
    (await operator.post(`/groups/${group}/accounts`, anAccount('112', nothing))).status,
    201,
    'nothing is allowed',
  )

  const path = `/accounts/${String(created.body['id'])}`
  t.match((await operator.patch(path, { deny: null })).body, {
    deny: [],
    permit: ['192.0.2.0/24', '2001:db8::/32'],
  })
  const turned = await operator.patch(path, { type: 'softphone', mac: '001a.2b3c.4d5e' })
  t.same(wrongFields(turned), ['mac'])
  t.match((await operator.patch(path, { type: 'softphone' })).body, {
    type: 'softphone',
    mac: null,
    deny: [],
    permit: [],
  })
})

t.test('paging through 120 accounts gives each once, in any page size', async (t) => {
  const { as, store } = await api(t)
  const operator = as('operator')
  const group = await aGroup(operator)
  const other = await aGroup(operator, 'Other')
  for (let number = 1; number <= 120; number += 1) {
    const account = { username: String(5000 + number), virtualNumber: String(number) }
    await store.accounts.create(number % 3 ? group : other, {
      ...account,
      hashes: digestHashes(account.username, 'r', 'p'),
    })
  }
  const walk = async (path: string): Promise<string[]> => {
    const seen: string[] = []
    let after = ''
    do {
      const { body } = await operator.get(path + after)
      seen.push(...(body['items'] as { virtualNumber: string }[]).map(({ virtualNumber }) => virtualNumber))
      after = body['next'] === null ? '' : `&after=${body['next'] as string}`
    } while (after !== '')
    return seen
  }
  const all = Array.from({ length: 120 }, (_, index) => String(index + 1))
  for (const limit of [1, 50, 60, 119, 120, 500])
    t.same((await walk(`/accounts?limit=${limit}`)).sort(), all.toSorted(), `${limit}`)
  t.equal((await walk(`/groups/${other}/accounts?limit=7`)).length, 40)
  const first = await operator.get('/accounts')
  t.equal((first.body['items'] as unknown[]).length, 50, 'fifty unless said otherwise')
  t.equal(first.body['total'], 120)
  t.equal(
    (await operator.get('/accounts?search=12')).body['total'],
    3,
    '12, 112 and 120 (by their number), 5012.. by username',
  )
})
