import { onEveryDatabase, query, testStore } from '../support/database.js'
import { become, binding, hashes, newAccount, withAccounts } from './samples.js'

onEveryDatabase('an account has the defaults of a softphone that everyone may see', async (t, database) => {
  const { groups, accounts } = await testStore(t, { database })
  const group = await groups.create({ name: 'Sales' })
  const account = await accounts.create(group.id, newAccount(1))
  t.match(account, {
    id: 1,
    groupId: group.id,
    username: '1001',
    virtualNumber: '1',
    displayName: null,
    visible: true,
    type: 'softphone',
    securityModel: 'standard',
    enabled: true,
    mac: null,
    deny: [],
    permit: [],
  })
  t.same(await accounts.get(account.id), account)
  t.notMatch(JSON.stringify(account), /md5|sha256/i, 'hashes stay inside')
})

onEveryDatabase('every field of an account is kept', async (t, database) => {
  const { groups, accounts } = await testStore(t, { database })
  const group = await groups.create({ name: 'Sales' })
  const full = {
    displayName: 'Ann "A" Å',
    email: 'ann@example.org',
    mobile: '+4912345',
    description: 'desk, left',
    visible: false,
    type: 'deskphone' as const,
    securityModel: 'end-to-end' as const,
    enabled: false,
    mac: 'aa:bb:cc:dd:ee:ff',
    deny: ['0.0.0.0/0', '::/0'],
    permit: ['192.0.2.0/24'],
  }
  t.match(await accounts.create(group.id, newAccount(1, full)), full)
  t.match(await accounts.get(1), full)
})

onEveryDatabase(
  'a username, a number and a missing group are refused by their names',
  async (t, database) => {
    const { groups, accounts } = await testStore(t, { database })
    const { id } = await groups.create({ name: 'Sales' })
    await accounts.create(id, newAccount(1))
    await t.rejects(accounts.create(id, newAccount(2, { username: '1001' })), { code: 'username_taken' })
    await t.rejects(accounts.create(id, newAccount(2, { virtualNumber: '1' })), { code: 'number_taken' })
    await t.rejects(accounts.create(99, newAccount(2)), { code: 'group_not_found' })
    const second = await accounts.create(id, newAccount(2))
    await t.rejects(accounts.update(second.id, { virtualNumber: '1' }), { code: 'number_taken' })
    await t.rejects(accounts.update(second.id, { username: '1001', hashes: hashes('x') }), {
      code: 'username_taken',
    })
    await t.rejects(accounts.update(second.id, { groupId: 99 }), { code: 'group_not_found' })
    t.same(await accounts.get(second.id), second, 'a refused change changes nothing')
  },
)

onEveryDatabase('of fifty parallel creations of one number one wins', async (t, database) => {
  const { groups, accounts } = await testStore(t, { database })
  const { id } = await groups.create({ name: 'Sales' })
  const creations = await Promise.allSettled(
    Array.from({ length: 50 }, (_, n) => accounts.create(id, newAccount(n, { virtualNumber: '111' }))),
  )
  t.equal(creations.filter(({ status }) => status === 'fulfilled').length, 1)
  const codes = creations.flatMap((each) =>
    each.status === 'rejected' ? [(each.reason as { code: string }).code] : [],
  )
  t.same(codes, Array<string>(49).fill('number_taken'))
  t.match(await accounts.list({}), { total: 1 })
})

onEveryDatabase('the username of a device credential is taken as well', async (t, database) => {
  const { groups, accounts } = await testStore(t, { database })
  const { id } = await groups.create({ name: 'Sales' })
  await accounts.create(id, newAccount(1))
  await query(
    database.connection,
    `insert into credentials (account_id, kind, digest_username, ha1_md5, ha1_sha256) values (1, 'device', '555', '', '')`,
  )
  await t.rejects(accounts.create(id, newAccount(2, { username: '555' })), { code: 'username_taken' })
  t.match(await accounts.list({}), { total: 1 })
})

onEveryDatabase(
  'disabling, new hashes and a new username end the bindings; other changes keep them',
  async (t, database) => {
    const { accounts, registrations, directory, ...store } = await testStore(t, { database })
    const { ids } = await withAccounts({ accounts, registrations, directory, ...store }, 1)
    const id = ids[0] as number
    const left = async () => [(await directory.bindings(id)).length, await registrations.count()]
    const register = () => registrations.apply([become(id, binding('sip:a@192.0.2.1'))])

    await register()
    await accounts.update(id, {
      displayName: 'Ann',
      virtualNumber: '999',
      securityModel: 'end-to-site',
      enabled: true,
    })
    t.same(await left(), [1, 1])
    for (const patch of [
      { enabled: false },
      { hashes: hashes('new') },
      { username: '2001', hashes: hashes('newer') },
    ]) {
      await register()
      t.same(await left(), [1, 1])
      await accounts.update(id, patch)
      t.same(await left(), [0, 0], JSON.stringify(patch))
    }
  },
)

onEveryDatabase('credentials follow the account', async (t, database) => {
  const store = await testStore(t, { database })
  const { ids } = await withAccounts(store, 1)
  const id = ids[0] as number
  t.match(await store.directory.credential('1001'), { kind: 'password', ha1Md5: 'md5-1', account: { id } })
  await store.accounts.update(id, { hashes: hashes('2') })
  t.match(await store.directory.credential('1001'), { ha1Md5: 'md5-2', ha1Sha256: 'sha256-2' })
  await store.accounts.update(id, { username: '2001', hashes: hashes('3') })
  t.equal(await store.directory.credential('1001'), undefined)
  t.match(await store.directory.credential('2001'), { ha1Md5: 'md5-3', account: { id, username: '2001' } })
  t.equal(await store.accounts.delete(id), true)
  t.equal(await store.directory.credential('2001'), undefined)
  t.equal(await store.accounts.delete(id), false)
})

onEveryDatabase('a new username without new hashes is a mistake of the caller', async (t, database) => {
  const store = await testStore(t, { database })
  const { accounts } = await withAccounts(store, 1)
  await t.rejects(store.accounts.update(1, { username: '2001' }), TypeError)
  t.match(await store.accounts.update(1, { username: '1001', displayName: 'x' }), { displayName: 'x' })
  t.match(accounts, [{ username: '1001' }])
})

onEveryDatabase('an account moves to another group', async (t, database) => {
  const store = await testStore(t, { database })
  await withAccounts(store, 2)
  const other = await store.groups.create({ name: 'Other' })
  await store.accounts.update(1, { groupId: other.id })
  t.match((await store.accounts.list({ groupId: other.id })).items, [{ id: 1 }])
  t.match(await store.accounts.list({ groupId: 1 }), { items: [{ id: 2 }], total: 1 })
  t.match(await store.accounts.list({ groupId: 2 ** 40 }), { items: [], total: 0 })
})

onEveryDatabase('accounts are found by username, number, name, e-mail and mobile', async (t, database) => {
  const store = await testStore(t, { database })
  const { id } = await store.groups.create({ name: 'Sales' })
  await store.accounts.create(
    id,
    newAccount(1, { displayName: 'Ann', email: 'a@example.org', mobile: '+49777' }),
  )
  await store.accounts.create(id, newAccount(2, { displayName: 'Bob', description: 'Ann' }))
  const found = async (search: string) => (await store.accounts.list({ search })).items.map((each) => each.id)
  t.same(await found('1002'), [2])
  t.same(await found('ANN'), [1])
  t.same(await found('@example'), [1])
  t.same(await found('+497'), [1])
  t.same(await found('100'), [1, 2])
  t.same(await found('nobody'), [])
})

onEveryDatabase('a suggested username is free, numeric and not the same each time', async (t, database) => {
  const store = await testStore(t, { database })
  const [first, second] = [await store.accounts.suggestUsername(), await store.accounts.suggestUsername()]
  t.match(first, /^[1-9][0-9]{7}$/)
  t.not(first, second)
})
