import pg from 'pg'
import t from 'tap'
import type { Test } from 'tap'
import { clientConfig } from '../../src/store/connection.js'
import { createDirectory } from '../../src/store/directory.js'
import type { Change, ChangeFeed } from '../../src/store/change-feed.js'
import { onEveryDatabase, query, testStore } from '../support/database.js'
import { until } from '../support/tools.js'
import { become, binding, hashes, newAccount, withAccounts } from './samples.js'

const secretChange = 'update credentials set ha1_md5 = $2 where digest_username = $1'

onEveryDatabase('what was asked once is answered from memory', async (t, database) => {
  const { directory, ...store } = await testStore(t, { database })
  await withAccounts({ directory, ...store }, 2)
  await store.registrations.apply([become(1, binding('sip:a@h'))])
  const ask = async () => [
    (await directory.credential('1001'))?.ha1Md5,
    (await directory.accountByNumber('1'))?.id,
    (await directory.account(1))?.virtualNumber,
    (await directory.bindings(1)).length,
    await directory.credential('nobody'),
    await directory.accountByNumber('999'),
    await directory.account(99),
    (await directory.bindings(99)).length,
  ]
  const first = await ask()
  t.same(first, ['md5-1', 1, '1', 1, undefined, undefined, undefined, 0])
  await query(database.connection, 'alter table accounts rename to hidden_accounts')
  await query(database.connection, 'alter table registrations rename to hidden_registrations')
  t.same(await ask(), first)
  await t.rejects(directory.credential('1002'), 'while what was never asked needs the database')
})

onEveryDatabase('a change is seen by the very next look-up on the same node', async (t, database) => {
  const store = await testStore(t, { database })
  const { group } = await withAccounts(store, 1)
  const { directory, accounts } = store
  t.equal(await directory.accountByNumber('2'), undefined)
  t.equal(await directory.credential('1002'), undefined)
  await accounts.create(group.id, newAccount(2))
  t.match(await directory.accountByNumber('2'), { id: 2 }, 'a number that did not exist')
  t.match(await directory.credential('1002'), { account: { id: 2 } })

  t.match(await directory.credential('1001'), { ha1Md5: 'md5-1' })
  await accounts.update(1, { hashes: hashes('new') })
  t.match(await directory.credential('1001'), { ha1Md5: 'md5-new' })
  await accounts.update(1, { enabled: false })
  t.match(await directory.credential('1001'), { account: { enabled: false } })
  await accounts.update(1, { virtualNumber: '77' })
  t.match(
    [await directory.accountByNumber('1'), await directory.accountByNumber('77')],
    [undefined, { id: 1 }],
  )
  await store.groups.delete(group.id, { cascade: true })
  for (const username of ['1001', '1002']) t.equal(await directory.credential(username), undefined)
  t.equal(await directory.account(1), undefined)
})

onEveryDatabase('a change is seen on another node as soon as it is told', async (t, database) => {
  const [here, there] = [await testStore(t, { database }), await testStore(t, { database })]
  await withAccounts(here, 1)
  const next = () => new Promise((resolve) => t.teardown(there.onChange(resolve)))

  t.match(await there.directory.credential('1001'), { ha1Md5: 'md5-1' })
  let told = next()
  await here.accounts.update(1, { hashes: hashes('new') })
  t.same(await told, { accountIds: [1] })
  t.match(await there.directory.credential('1001'), { ha1Md5: 'md5-new' })

  t.same(await there.directory.bindings(1), [])
  await here.registrations.apply([become(1, binding('sip:a@h'))])
  await until('the binding is known', async () => (await there.directory.bindings(1)).length === 1)
  const [{ id } = { id: 0 }] = await there.directory.bindings(1)
  await here.registrations.delete(id)
  await until('the binding is gone', async () => (await there.directory.bindings(1)).length === 0)

  told = next()
  await here.groups.delete(1, { cascade: true })
  await told
  t.equal(await there.directory.credential('1001'), undefined)
})

onEveryDatabase(
  'who is told of a change can rely on it, on the node that made it before it resolves',
  async (t, database) => {
    const store = await testStore(t, { database })
    await withAccounts(store, 1)
    const told: unknown[] = []
    const forget = store.onChange((change) => told.push(change))
    await store.accounts.update(1, { enabled: false })
    t.same(told, [{ accountIds: [1] }])
    await t.rejects(store.accounts.update(1, { groupId: 99 }))
    forget()
    const before = told.length
    await store.accounts.update(1, { enabled: true })
    t.equal(told.length, before)
  },
)

onEveryDatabase('a big change is told in as many parts as it takes', async (t, database) => {
  const [here, there] = [await testStore(t, { database }), await testStore(t, { database })]
  await here.groups.create({ name: 'Big' })
  await query(
    database.connection,
    `insert into accounts (group_id, username, virtual_number) select 1, n, n from generate_series(100001, 103000) n`,
  )
  const told = new Set<number>()
  there.onChange((change) => {
    if (change !== 'everything') change.accountIds.forEach((id) => told.add(id))
  })
  t.same(await here.groups.delete(1, { cascade: true }), { accounts: 3000 })
  await until('all are told', () => told.size === 3000)
})

onEveryDatabase(
  'while changes of other nodes cannot be heard nothing is answered from memory',
  async (t, database) => {
    const store = await testStore(t, { database })
    await withAccounts(store, 1)
    const told: unknown[] = []
    store.onChange((change) => told.push(change))
    const behind = new pg.Client(database.connection)
    await behind.connect()
    t.teardown(() => behind.end())
    const password = async () => (await store.directory.credential('1001'))?.ha1Md5

    t.equal(await password(), 'md5-1')
    await behind.query(secretChange, ['1001', 'unheard'])
    t.equal(await password(), 'md5-1', 'memory answers')

    // New connections are refused, so the listener stays away; those that are open go on.
    const name =
      (await behind.query<{ name: string }>('select current_database() as name')).rows[0]?.name ?? ''
    const elsewhere = database.beside('postgres')
    const allow = (allowed: boolean) =>
      query(elsewhere, `alter database ${pg.escapeIdentifier(name)} allow_connections ${allowed}`)
    await allow(false)
    await query(
      elsewhere,
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and query ilike 'listen%'`,
      [name],
    )
    await until('the loss is noticed', () => told.includes('everything'))
    for (const secret of ['a', 'b']) {
      await behind.query(secretChange, ['1001', secret])
      t.equal(await password(), secret)
    }

    const before = told.length
    await allow(true)
    await until('it listens again', () => told.length > before)
    t.equal(await password(), 'b')
    await behind.query(secretChange, ['1001', 'c'])
    t.equal(await password(), 'b', 'memory answers again')
  },
)

/** A directory over a database that answers when the test says so. */
function controlled(t: Test, limits?: { accounts: number; absent: number }) {
  const queries: { name: string; value: unknown; answer: (rows: unknown[]) => void }[] = []
  const pool = {
    query: ({ name, values }: { name: string; values: unknown[] }) =>
      new Promise((resolve) => {
        queries.push({ name, value: values[0], answer: (rows) => resolve({ rows }) })
      }),
  } as unknown as pg.Pool
  let tell: (change: Change) => void = () => t.fail('nobody listens')
  const feed = {
    live: true,
    onChange(listener: (change: Change) => void) {
      tell = listener
      return () => {}
    },
  }
  const directory = createDirectory(pool, feed as unknown as ChangeFeed, Date.now, limits)
  const account = (id: number, ha1Md5 = 'x') => ({
    id,
    username: `u${id}`,
    virtual_number: `n${id}`,
    credential_id: id,
    digest_username: `u${id}`,
    ha1_md5: ha1Md5,
  })
  return { directory, queries, account, feed, tell: (change: Change) => tell(change) }
}

t.test('those who ask the same at the same time are answered by one query', async (t) => {
  const { directory, queries, account } = controlled(t)
  const answers = [directory.credential('u1'), directory.credential('u1'), directory.credential('u1')]
  t.equal(queries.length, 1)
  queries[0]?.answer([account(1)])
  for (const answer of await Promise.all(answers)) t.match(answer, { digestUsername: 'u1' })
})

t.test('what was read before a change is neither kept nor given to those who ask after it', async (t) => {
  const { directory, queries, account, tell } = controlled(t)
  const early = directory.credential('u1')
  tell({ kind: 'accounts', ids: [1] })
  const late = directory.credential('u1')
  t.equal(queries.length, 2)
  queries[0]?.answer([account(1, 'old')])
  t.match(await early, { ha1Md5: 'old' })
  queries[1]?.answer([account(1, 'new')])
  t.match(await late, { ha1Md5: 'new' })
  t.match(await directory.credential('u1'), { ha1Md5: 'new' })
  t.equal(queries.length, 2)
})

t.test('an absence read before a change is not kept either', async (t) => {
  const { directory, queries, account, tell } = controlled(t)
  const early = directory.accountByNumber('n1')
  tell({ kind: 'accounts', ids: [1] })
  queries[0]?.answer([])
  t.equal(await early, undefined)
  const late = directory.accountByNumber('n1')
  queries[1]?.answer([account(1)])
  t.match(await late, { id: 1 })
})

t.test('bindings read before a change of them are not kept', async (t) => {
  const { directory, queries, account, tell } = controlled(t)
  const early = directory.bindings(1)
  queries[0]?.answer([account(1)])
  await until('bindings are asked for', () => queries.length === 2)
  tell({ kind: 'bindings', ids: [1] })
  queries[1]?.answer([])
  t.same(await early, [])
  const late = directory.bindings(1)
  await until('they are asked for again', () => queries.length === 3)
  queries[2]?.answer([{ id: 5, path: '', expires_at: Infinity }])
  t.match(await late, [{ id: 5 }])
})

t.test('of two writes that overlap none is taken for the newer', async (t) => {
  const { directory, queries, account } = controlled(t)
  const known = directory.account(1)
  queries[0]?.answer([account(1)])
  await known
  const [first, second] = [directory.beginBindingsWrite(), directory.beginBindingsWrite()]
  const bindings = (contact: string) => new Map([[1, [{ ...binding(contact), id: 1, accountId: 1 }]]])
  second.committed(bindings('sip:second@h'))
  t.match(await directory.bindings(1), [{ contact: 'sip:second@h' }])
  first.committed(bindings('sip:first@h'))
  const asked = directory.bindings(1)
  t.equal(queries.length, 2, 'the database knows')
  queries[1]?.answer([])
  await asked
})

t.test('names that do not exist take little memory, and accounts only as many as are allowed', async (t) => {
  const { directory, queries, account } = controlled(t, { accounts: 2, absent: 3 })
  const ask = async (username: string, rows: unknown[]) => {
    const before = queries.length
    const asked = directory.credential(username)
    await Promise.resolve()
    queries[before]?.answer(rows)
    await asked
    return queries.length - before
  }
  for (const name of ['a', 'b', 'c', 'd']) t.equal(await ask(name, []), 1)
  t.same([await ask('b', []), await ask('d', [])], [0, 0])
  t.equal(await ask('a', []), 1, 'the oldest was forgotten')
  const long = 'x'.repeat(10_000)
  t.same([await ask(long, []), await ask(long, [])], [1, 1], 'a long name is never kept')
  t.equal(await ask('a\0', []), 0, 'a name that no account can have is not asked for')

  for (const id of [1, 2]) await ask(`u${id}`, [account(id)])
  t.equal(await ask('u1', []), 0)
  await ask('u3', [account(3)])
  t.equal(await ask('u1', []), 0, 'the one used last stays')
  t.equal(await ask('u2', [account(2)]), 1, 'the one not used went')
})

t.test('the driver gives times as milliseconds and counts as numbers', async (t) => {
  const { types } = clientConfig('postgres://x', 'a')
  const parser = (type: number) => types?.getTypeParser(type, 'text') as (text: string) => unknown
  t.equal(parser(20)('123'), 123)
  t.equal(parser(1184)('2026-01-02 03:04:05.678+01'), Date.UTC(2026, 0, 2, 2, 4, 5, 678))
})
