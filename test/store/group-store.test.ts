import { onEveryDatabase, testStore } from '../support/database.js'
import { newAccount } from './samples.js'

onEveryDatabase('a group needs a name only; ids start at 1', async (t, database) => {
  const { groups } = await testStore(t, { database })
  const group = await groups.create({ name: 'Sales' })
  t.match(group, { id: 1, name: 'Sales', itEmail: null, itContact: null, itPhone: null, description: null })
  t.equal(group.accountCount, 0)
  t.ok(Math.abs(group.createdAt - Date.now()) < 60_000)
  t.same(await groups.get(1), group)
})

onEveryDatabase('a patch leaves what is absent and clears what is null', async (t, database) => {
  const { groups } = await testStore(t, { database })
  const { id } = await groups.create({ name: 'Sales', itEmail: 'it@example.org', itPhone: '100' })
  t.match(await groups.update(id, { itEmail: null, description: 'x' }), {
    name: 'Sales',
    itEmail: null,
    itPhone: '100',
    description: 'x',
  })
  t.match(await groups.update(id, {}), { name: 'Sales', description: 'x' })
})

onEveryDatabase('two groups cannot have one name, whatever the case of its letters', async (t, database) => {
  const { groups } = await testStore(t, { database })
  await groups.create({ name: 'Ärzte' })
  const other = await groups.create({ name: 'Sales' })
  await t.rejects(groups.create({ name: 'ÄRZTE' }), { name: 'StoreError', code: 'group_name_taken' })
  await t.rejects(groups.update(other.id, { name: 'ärzte' }), { code: 'group_name_taken' })
  t.match(await groups.update(other.id, { name: 'SALES' }), { name: 'SALES' }, 'its own name is no obstacle')
})

onEveryDatabase('a group with accounts is deleted only together with them', async (t, database) => {
  const { groups, accounts, directory, registrations } = await testStore(t, { database })
  const group = await groups.create({ name: 'Sales' })
  const other = await groups.create({ name: 'Other' })
  const gone = [
    await accounts.create(group.id, newAccount(1)),
    await accounts.create(group.id, newAccount(2)),
  ]
  await accounts.create(other.id, newAccount(3))
  t.match(await groups.get(group.id), { accountCount: 2 })

  await t.rejects(groups.delete(group.id, { cascade: false }), {
    code: 'group_not_empty',
    details: { count: 2 },
  })
  t.match(await accounts.list({}), { total: 3 })

  t.same(await groups.delete(group.id, { cascade: true }), { accounts: 2 })
  t.equal(await groups.get(group.id), undefined)
  t.match(await accounts.list({}), { total: 1 })
  t.equal(await directory.credential(gone[0]?.username ?? ''), undefined)
  t.equal(await registrations.count(), 0)
  t.equal(await groups.delete(group.id, { cascade: true }), undefined)
})

onEveryDatabase('an empty group is deleted without asking', async (t, database) => {
  const { groups } = await testStore(t, { database })
  const { id } = await groups.create({ name: 'Sales' })
  t.same(await groups.delete(id, { cascade: false }), { accounts: 0 })
  t.same((await groups.list({})).items, [])
})

onEveryDatabase(
  'an account that is being created keeps its group from going unnoticed',
  async (t, database) => {
    const { groups, accounts } = await testStore(t, { database })
    for (let round = 0; round < 10; round += 1) {
      const { id } = await groups.create({ name: `Group ${round}` })
      const [created, deleted] = await Promise.allSettled([
        accounts.create(id, newAccount(round)),
        groups.delete(id, { cascade: false }),
      ])
      if (created.status === 'fulfilled')
        t.match(deleted, { status: 'rejected', reason: { code: 'group_not_empty' } })
      else t.match([created.reason, deleted.status], [{ code: 'group_not_found' }, 'fulfilled'])
    }
  },
)

onEveryDatabase('pages follow each other without gaps, and know the total', async (t, database) => {
  const { groups } = await testStore(t, { database })
  for (let n = 1; n <= 7; n += 1) await groups.create({ name: `Group ${n}` })
  const seen: number[] = []
  let after: string | undefined
  do {
    const page = await groups.list({ limit: 3, after })
    t.equal(page.total, 7)
    seen.push(...page.items.map(({ id }) => id))
    after = page.next ?? undefined
    // A row that goes does not shift the next page.
    if (seen.length === 3)
      await groups.delete(1, { cascade: false }).then(() => groups.create({ name: 'Group 8' }))
  } while (after !== undefined)
  t.same(seen, [1, 2, 3, 4, 5, 6, 7, 8])
  t.equal((await groups.list({ limit: 7 })).next, null, 'a full last page is the last')
})

onEveryDatabase('a cursor that was not given out is refused', async (t, database) => {
  const { groups } = await testStore(t, { database })
  for (const after of [
    '',
    'x',
    'aWQ6MA',
    'aWQ6MQ==',
    'aWQ6OTk5OTk5OTk5OTk5OTk5OTk',
    "'; drop table groups",
  ]) {
    await t.rejects(groups.list({ after }), { code: 'invalid_cursor' }, JSON.stringify(after))
  }
  t.same((await groups.list({ after: Buffer.from('id:9999999999').toString('base64url') })).items, [])
})

onEveryDatabase('search looks into name, contact and description, letter by letter', async (t, database) => {
  const { groups } = await testStore(t, { database })
  await groups.create({ name: '100% Sales', itEmail: 'it@example.org' })
  await groups.create({ name: 'Support_1', itContact: 'Ann', description: 'Second floor \\ left' })
  const names = async (search: string) => (await groups.list({ search })).items.map(({ name }) => name)
  t.same(await names('sales'), ['100% Sales'])
  t.same(await names('IT@EX'), ['100% Sales'])
  t.same(await names('ann'), ['Support_1'])
  t.same(await names('floor'), ['Support_1'])
  t.same(await names('%'), ['100% Sales'])
  t.same(await names('_'), ['Support_1'])
  t.same(await names('\\'), ['Support_1'])
  t.same(await names('a\0b'), [])
  t.equal((await groups.list({ search: 'sales' })).total, 1)
})

onEveryDatabase('an id that no group can have finds none', async (t, database) => {
  const { groups } = await testStore(t, { database })
  for (const id of [0, -1, 1.5, NaN, 2 ** 31, 2 ** 60, 99]) {
    t.equal(await groups.get(id), undefined)
    t.equal(await groups.update(id, { name: 'x' }), undefined)
    t.equal(await groups.delete(id, { cascade: true }), undefined)
  }
})
