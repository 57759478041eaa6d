import t from 'tap'
import { testStore } from '../support/database.js'

t.test('a group is created with its name only, and found again', async (t) => {
  const store = await testStore(t)
  const group = await store.groups.create({ name: 'Sales' })
  t.match(group, { id: 1, name: 'Sales', itEmail: null, accountCount: 0 })
  t.same(await store.groups.get(1), group)
})
