import type { NewSipEvent } from '../../src/store/sip-event.js'
import { onEveryDatabase, testStore } from '../support/database.js'
import { aSipEvent, become, binding, withAccounts } from './samples.js'

const begin = Date.UTC(2026, 10, 24, 12)

const event = (n: number, more: Partial<NewSipEvent> = {}) => aSipEvent({ at: begin + n, ...more })

onEveryDatabase(
  'every field of an event is kept, with its account as it was, and written once',
  async (t, database) => {
    const store = await testStore(t, { database })
    const { group, accounts } = await withAccounts(store, 1)
    const [account] = accounts
    const { key, ...full } = event(1, {
      accountId: account!.id,
      address: '[2001:db8::1]:5061',
      transport: 'wss',
      cipher: 'TLSv1.3 TLS_AES_256_GCM_SHA384',
      contact: 'sip:"of" \\ ä ☎\0@x',
      userAgent: 'u'.repeat(5000),
      reason: 'idle for too long',
      count: 3,
    })
    await store.sipEvents.write([{ key, ...full }])
    await store.sipEvents.write([{ key, ...full }, event(2)])
    await store.groups.update(group.id, { name: 'Renamed' })
    const { items, total } = await store.sipEvents.list({})
    t.equal(total, 2)
    t.same(items[1], {
      ...full,
      id: items[1]?.id,
      contact: 'sip:"of" \\ ä ☎@x',
      userAgent: 'u'.repeat(255),
      username: account!.username,
      number: account!.virtualNumber,
      groupId: group.id,
      groupName: 'Sales',
    })
    t.match(items[0], { accountId: null, username: null, groupName: null })
  },
)

onEveryDatabase('a username is tied to its account, or kept if it is of nobody', async (t, database) => {
  const store = await testStore(t, { database })
  const { accounts } = await withAccounts(store, 1)
  await store.sipEvents.write([
    event(1, { type: 'AUTH_FAILED', username: accounts[0]!.username }),
    event(2, { type: 'AUTH_FAILED', username: 'nobody' }),
  ])
  const { items } = await store.sipEvents.list({})
  t.match(items, [
    { username: 'nobody', accountId: null, number: null },
    { username: accounts[0]!.username, accountId: accounts[0]!.id, number: accounts[0]!.virtualNumber },
  ])
})

onEveryDatabase(
  'events are read newest first, filtered, page by page while more come in',
  async (t, database) => {
    const store = await testStore(t, { database })
    const { ids, group } = await withAccounts(store, 2)
    // Two at each moment: the id decides between them.
    await store.sipEvents.write(
      [1, 1, 2, 2, 3, 3].map((n, i) =>
        event(n, {
          accountId: ids[i % 2]!,
          type: i < 2 ? 'EXPIRE' : 'REGISTER',
          userAgent: `agent ${i}`,
        }),
      ),
    )
    const agents = (items: readonly { userAgent: string | null }[]) => items.map(({ userAgent }) => userAgent)
    const first = await store.sipEvents.list({ limit: 3 })
    t.same(agents(first.items), ['agent 5', 'agent 4', 'agent 3'])
    t.equal(first.total, 6)
    await store.sipEvents.write([event(9)])
    const second = await store.sipEvents.list({ limit: 3, after: first.next! })
    t.same(agents(second.items), ['agent 2', 'agent 1', 'agent 0'])
    t.equal(second.next, null)
    await t.rejects(store.sipEvents.list({ after: 'x' }), { code: 'invalid_cursor' })

    t.equal((await store.sipEvents.list({ type: 'EXPIRE' })).total, 2)
    t.equal((await store.sipEvents.list({ accountId: ids[0]! })).total, 3)
    t.equal((await store.sipEvents.list({ accountId: 1e12 })).total, 0)
    t.equal((await store.sipEvents.list({ groupId: group.id })).total, 6)
    t.equal((await store.sipEvents.list({ from: begin + 2, until: begin + 3 })).total, 2)
    t.equal((await store.sipEvents.list({ search: 'AGENT 3' })).total, 1)
    const all = []
    for await (const item of store.sipEvents.all({ groupId: group.id, after: first.next! })) all.push(item)
    t.same(agents(all), ['agent 2', 'agent 1', 'agent 0'])

    t.equal(await store.sipEvents.deleteBefore(begin + 3, 3), 3)
    t.equal(await store.sipEvents.deleteBefore(begin + 3, 3), 1)
    t.equal((await store.sipEvents.list({})).total, 3)
  },
)

onEveryDatabase('a binding that expires is told of once, whoever removes it', async (t, database) => {
  let time = Date.now()
  const store = await testStore(t, { database, now: () => time })
  const { ids } = await withAccounts(store, 1)
  const told: string[] = []
  store.registrations.onExpired((expired) => told.push(...expired.map(({ contact }) => contact)))
  const live = (contact: string, seconds: number) =>
    binding(contact, { expiresAt: Date.now() + seconds * 1000 })
  await store.registrations.apply([
    become(ids[0]!, live('sip:swept', 10), live('sip:pushed', 20), live('sip:back', 20)),
  ])
  time += 15_000
  t.equal(await store.registrations.deleteExpired(), 1)
  t.same(told, ['sip:swept'])
  time += 10_000
  await store.registrations.apply([become(ids[0]!, live('sip:back', 90))])
  t.same(told, ['sip:swept', 'sip:pushed'], 'one that comes back has not gone')
  t.equal(await store.registrations.deleteExpired(), 0)
  t.equal(told.length, 2)
})
