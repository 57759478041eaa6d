import t from 'tap'
import type { Binding, Store } from '../../src/store/types.js'
import { aGroup, anAccount, api } from './api.js'

const binding = (contact: string, more: Partial<Binding> = {}): Binding => ({
  contact,
  instance: null,
  regId: null,
  q: 0.5,
  callId: `call of ${contact}`,
  cseq: 1,
  expiresAt: Date.now() + 60_000,
  source: '192.0.2.7:5060',
  transport: 'tls',
  receivedOn: null,
  path: [],
  userAgent: 'Snom D785',
  node: 'one',
  createdAt: Date.now(),
  ...more,
})

const register = (store: Store, accountId: number, bindings: Binding[]) =>
  store.registrations.apply([{ accountId, decide: () => ({ bindings, result: null }) }])

t.test('live registrations are listed with what a person looks for, of all or of one account', async (t) => {
  const { as, store } = await api(t)
  const operator = as('operator')
  const group = await aGroup(operator)
  const create = async (number: string, displayName: string) =>
    (await operator.post(`/groups/${group}/accounts`, anAccount(number, { displayName }))).body[
      'id'
    ] as number
  const ann = await create('111', 'Ann')
  const bob = await create('112', 'Bob')
  await register(store, ann, [
    binding('sip:111@192.0.2.7'),
    binding('sip:111@192.0.2.8', { expiresAt: Date.now() - 1000 }),
  ])
  await register(store, bob, [
    binding('sip:112@[2001:db8::1]', { source: '[2001:db8::1]:5061', path: ['<sip:p1;lr>', '<sip:p2;lr>'] }),
  ])

  const all = await operator.get('/registrations')
  t.equal(all.body['total'], 2, 'an expired one is not live')
  const [first] = (await operator.get(`/accounts/${bob}/registrations`)).body['items'] as Record<
    string,
    unknown
  >[]
  t.match(first, {
    accountId: bob,
    displayName: 'Bob',
    virtualNumber: '112',
    groupName: 'Sales',
    contact: 'sip:112@[2001:db8::1]',
    source: '[2001:db8::1]:5061',
    transport: 'tls',
    path: ['<sip:p1;lr>', '<sip:p2;lr>'],
    userAgent: 'Snom D785',
    q: 0.5,
    expiresAt: /^\d{4}-\d\d-\d\dT.*Z$/,
  })
  t.equal((await operator.get('/registrations?search=ann')).body['total'], 1)
  t.equal((await operator.get('/accounts/4711/registrations')).status, 404)

  t.equal((await operator.delete(`/registrations/${String(first!['id'])}`)).status, 204)
  t.equal((await operator.delete(`/registrations/${String(first!['id'])}`)).status, 404)
  t.same(await store.directory.bindings(bob), [], 'the router does not know it any more')
  t.equal((await store.directory.bindings(ann)).length, 1)
})

t.test('disabling, a new password, deletion: the bindings are gone with the answer', async (t) => {
  const { as, store } = await api(t)
  const operator = as('operator')
  const group = await aGroup(operator)
  const changes: Record<string, (id: number) => Promise<unknown>> = {
    disabled: (id) => operator.patch(`/accounts/${id}`, { enabled: false }),
    'new password': (id) => operator.patch(`/accounts/${id}`, { password: 'battery staple' }),
    deleted: (id) => operator.delete(`/accounts/${id}`),
    'deleted with its group': () => operator.delete(`/groups/${group}?cascade=true`),
  }
  let number = 200
  for (const [change, make] of Object.entries(changes)) {
    const created = await operator.post(`/groups/${group}/accounts`, anAccount(String((number += 1))))
    const id = created.body['id'] as number
    await register(store, id, [binding(`sip:${number}@192.0.2.7`)])
    t.equal((await store.directory.bindings(id)).length, 1)
    await make(id)
    t.same(await store.directory.bindings(id), [], change)
    t.equal((await operator.get('/registrations')).body['total'], 0, change)
  }
})
