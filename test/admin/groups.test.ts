import t from 'tap'
import { aGroup, anAccount, api, wrongFields } from './api.js'

t.test('a group is created with its name alone, and the answer says where it is', async (t) => {
  const operator = (await api(t)).as('operator')
  const created = await operator.post('/groups', { name: '  Sales ' })
  t.equal(created.status, 201)
  t.match(created.body, { name: 'Sales', itEmail: null, description: null, accountCount: 0 })
  t.equal(created.headers['location'], `/api/v1/groups/${String(created.body['id'])}`)
  const shown = await operator.get(`/groups/${String(created.body['id'])}`)
  t.equal(shown.status, 200)
  t.same(shown.body, created.body)
})

t.test('a name is taken in any case, and the answer says so', async (t) => {
  const operator = (await api(t)).as('operator')
  await aGroup(operator, 'Sales')
  const second = await operator.post('/groups', { name: 'SALES' })
  t.equal(second.status, 409)
  t.equal(second.body['code'], 'group_name_taken')
  t.same(wrongFields(second), ['name'])
})

t.test('PATCH leaves what is absent and clears what is null', async (t) => {
  const operator = (await api(t)).as('operator')
  const { body } = await operator.post('/groups', {
    name: 'Sales',
    itEmail: 'it@example.org',
    itPhone: '+49 30 1',
  })
  const path = `/groups/${String(body['id'])}`
  const patched = await operator.patch(path, { itPhone: null, description: 'two\nlines' })
  t.equal(patched.status, 200)
  t.match(patched.body, {
    name: 'Sales',
    itEmail: 'it@example.org',
    itPhone: null,
    description: 'two\nlines',
  })
  const emptied = await operator.patch(path, { itEmail: ' ' })
  t.equal(emptied.body['itEmail'], null, 'an emptied form field clears too')
  const nameless = await operator.patch(path, { name: null })
  t.equal(nameless.status, 400)
  t.same(wrongFields(nameless), ['name'])
  t.same((await operator.patch(path, {})).body['name'], 'Sales', 'an empty patch changes nothing')
})

t.test('a group with accounts is deleted only with cascade, and they go with it', async (t) => {
  const operator = (await api(t)).as('operator')
  const id = await aGroup(operator)
  const account = (await operator.post(`/groups/${id}/accounts`, anAccount('111'))).body['id'] as number
  await operator.post(`/groups/${id}/accounts`, anAccount('112'))

  const refused = await operator.delete(`/groups/${id}`)
  t.equal(refused.status, 409)
  t.match(refused.body, { code: 'group_not_empty', count: 2, detail: /2 accounts/ })
  t.equal((await operator.delete(`/groups/${id}?cascade=false`)).status, 409)
  t.equal((await operator.delete(`/groups/${id}?cascade=maybe`)).status, 400)
  t.equal((await operator.get(`/groups/${id}`)).body['accountCount'], 2, 'nothing was deleted')

  const deleted = await operator.delete(`/groups/${id}?cascade=true`)
  t.equal(deleted.status, 204)
  t.equal(deleted.text, '')
  t.equal((await operator.get(`/groups/${id}`)).status, 404)
  t.equal((await operator.get(`/accounts/${account}`)).status, 404)
  t.equal((await operator.delete(`/groups/${id}?cascade=true`)).status, 404)
})

t.test('an empty group is deleted without more ado', async (t) => {
  const operator = (await api(t)).as('operator')
  const id = await aGroup(operator)
  t.equal((await operator.delete(`/groups/${id}`)).status, 204)
})

t.test('groups are found by a part of their name', async (t) => {
  const operator = (await api(t)).as('operator')
  for (const name of ['Sales North', 'Sales South', '100 % Support', 'Under_score'])
    await aGroup(operator, name)
  const names = async (search: string) => {
    const { body } = await operator.get(`/groups?search=${encodeURIComponent(search)}`)
    return (body['items'] as { name: string }[]).map(({ name }) => name)
  }
  t.same(await names('sales'), ['Sales North', 'Sales South'])
  t.same(await names('%'), ['100 % Support'], 'wildcards of SQL are letters')
  t.same(await names('_'), ['Under_score'])
  t.same(await names("'; drop table groups; --"), [])
  t.same(await names(''), ['Sales North', 'Sales South', '100 % Support', 'Under_score'])
})
