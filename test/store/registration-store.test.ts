import fc from 'fast-check'
import type { Binding, RegistrationChange } from '../../src/store/types.js'
import { onEveryDatabase, query, testStore } from '../support/database.js'
import { until } from '../support/tools.js'
import { add, become, binding, newAccount, withAccounts } from './samples.js'

const contacts = (bindings: readonly Binding[]) => bindings.map(({ contact }) => contact).sort()

onEveryDatabase('every field of a binding is kept', async (t, database) => {
  const store = await testStore(t, { database })
  await withAccounts(store, 1)
  const full = binding('sip:a@192.0.2.1;x="ä, \\ {1}";y=NULL', {
    instance: '<urn:uuid:00000000-0000-1000-8000-000A95A0E128>',
    regId: 4_294_967_295,
    q: 0.7,
    callId: 'a"b\\c',
    cseq: 4_294_967_295,
    expiresAt: Date.now() + 123_456,
    source: '[2001:db8::1]:5060',
    transport: 'wss',
    receivedOn: '[2001:db8::2]:5067',
    path: ['<sip:edge1.example.org;lr>', '"x, y" <sip:edge2.example.org;lr>;ob'],
    userAgent: 'Phone ☎ 1.0',
  })
  await store.registrations.apply([become(1, full)])
  t.match(await store.directory.bindings(1), [full], 'from memory')
  const other = await testStore(t, { database })
  const [read] = await other.directory.bindings(1)
  t.same(read, { ...full, id: 1, accountId: 1 }, 'from the database')
})

onEveryDatabase(
  'changes of one batch are decided in order, each seeing the one before',
  async (t, database) => {
    const store = await testStore(t, { database })
    await withAccounts(store, 2)
    const outcomes = await store.registrations.apply([
      become(2, binding('sip:x@h')),
      become(1, binding('sip:a@h')),
      add(2, binding('sip:y@h')),
      add(1, binding('sip:b@h')),
      become(1),
      add(1, binding('sip:c@h')),
    ])
    t.same(
      outcomes.map((outcome) => (outcome === 'gone' ? outcome : contacts(outcome.result))),
      [[], [], ['sip:x@h'], ['sip:a@h'], ['sip:a@h', 'sip:b@h'], []],
    )
    t.same(contacts(await store.directory.bindings(1)), ['sip:c@h'])
    t.same(contacts(await store.directory.bindings(2)), ['sip:x@h', 'sip:y@h'])
  },
)

onEveryDatabase('an account that is gone is told, and the others go on', async (t, database) => {
  const store = await testStore(t, { database })
  await withAccounts(store, 2)
  await store.accounts.delete(1)
  const outcomes = await store.registrations.apply([
    become(1, binding('sip:a@h')),
    become(2, binding('sip:b@h')),
    become(2 ** 31 - 1, binding('sip:c@h')),
  ])
  t.match(outcomes, ['gone', { result: [] }, 'gone'])
  t.same(contacts(await store.directory.bindings(2)), ['sip:b@h'])
})

onEveryDatabase('the account is given as it stands at that moment', async (t, database) => {
  const store = await testStore(t, { database })
  await withAccounts(store, 1)
  await store.directory.account(1)
  await query(database.connection, 'update accounts set enabled = false')
  const [outcome] = await store.registrations.apply([
    { accountId: 1, decide: (_, account) => ({ result: account.enabled }) },
  ])
  t.same(outcome, { result: false })
})

onEveryDatabase(
  'a decision without bindings writes nothing, nor does one that changes nothing',
  async (t, database) => {
    const store = await testStore(t, { database })
    await withAccounts(store, 1)
    const kept = binding('sip:a@h', { path: ['<sip:edge;lr>'] })
    await store.registrations.apply([become(1, kept)])
    const versions = () => query(database.connection, 'select id, xmin::text, ctid::text from registrations')
    const before = await versions()
    await store.registrations.apply([{ accountId: 1, decide: () => ({ result: 1 }) }])
    await store.registrations.apply([become(1, { ...kept })])
    t.same(await versions(), before)
    await store.registrations.apply([become(1, { ...kept, cseq: 2 }, binding('sip:b@h'))])
    t.match(await store.directory.bindings(1), [{ id: 2 }, { id: 1, cseq: 2 }], 'a refresh keeps its id')
  },
)

onEveryDatabase('expired bindings are not given out, and make room for new ones', async (t, database) => {
  let time = Date.now()
  const store = await testStore(t, { database, now: () => time })
  await withAccounts(store, 1)
  const short = binding('sip:a@h', { expiresAt: time + 1000 })
  await store.registrations.apply([become(1, short, binding('sip:b@h'))])
  time += 1000
  t.same(contacts(await store.directory.bindings(1)), ['sip:b@h'])
  t.equal(await store.registrations.count(), 1)
  t.match(await store.registrations.list({}), { items: [{ contact: 'sip:b@h' }], total: 1 })
  const [outcome] = await store.registrations.apply([add(1, { ...short, expiresAt: time + 5000 })])
  t.match(outcome, { result: [{ contact: 'sip:b@h' }] })
  t.same(contacts(await store.directory.bindings(1)), ['sip:a@h', 'sip:b@h'])
})

onEveryDatabase(
  'a device that comes back takes over its binding, whatever its contact is now',
  async (t, database) => {
    const store = await testStore(t, { database })
    await withAccounts(store, 1)
    const x = { instance: '<urn:x>', regId: 1 }
    const y = { instance: '<urn:y>', regId: 1 }
    await store.registrations.apply([become(1, binding('sip:a@h', x), binding('sip:b@h', y))])
    await store.registrations.apply([become(1, binding('sip:a@h', y), binding('sip:b@h', x))])
    t.match(
      (await store.directory.bindings(1)).map(({ contact, instance }) => [contact, instance]).sort(),
      [
        ['sip:a@h', '<urn:y>'],
        ['sip:b@h', '<urn:x>'],
      ],
      'even if two swap theirs',
    )
    await store.registrations.apply([become(1, binding('sip:c@h', x))])
    t.match(await store.directory.bindings(1), [{ contact: 'sip:c@h', instance: '<urn:x>' }])
  },
)

onEveryDatabase('one contact, and one device, are one row', async (t, database) => {
  const store = await testStore(t, { database })
  await withAccounts(store, 2)
  const device = { instance: '<urn:x>', regId: 1 }
  await t.rejects(store.registrations.apply([become(1, binding('sip:a@h'), binding('sip:a@h'))]))
  await t.rejects(
    store.registrations.apply([become(1, binding('sip:a@h', device), binding('sip:b@h', device))]),
  )
  await store.registrations.apply([
    become(1, binding('sip:a@h', device), binding('sip:b@h', { ...device, regId: 2 })),
    become(2, binding('sip:a@h', device)),
  ])
  t.equal(await store.registrations.count(), 3, 'of each account and flow')
})

onEveryDatabase('a contact longer than an index entry is kept', async (t, database) => {
  const store = await testStore(t, { database })
  await withAccounts(store, 1)
  const long = binding(`sip:${Array.from({ length: 9000 }, (_, n) => n.toString(36)).join('')}@h`)
  await store.registrations.apply([become(1, { ...long, instance: long.contact, regId: 1 })])
  t.match(await store.directory.bindings(1), [{ contact: long.contact }])
})

onEveryDatabase('a batch of which one part fails is not applied at all', async (t, database) => {
  const store = await testStore(t, { database })
  await withAccounts(store, 2)
  const fine = become(1, binding('sip:a@h'))
  const failing: RegistrationChange<readonly Binding[]> = {
    accountId: 2,
    decide: () => {
      throw new Error('decide failed')
    },
  }
  await t.rejects(store.registrations.apply([fine, failing]), { message: 'decide failed' })
  await t.rejects(store.registrations.apply([fine, become(2, binding('sip:b\0@h'))]))
  t.equal(await store.registrations.count(), 0)
  t.same(await store.directory.bindings(1), [])
  await store.registrations.apply([fine])
  t.equal(await store.registrations.count(), 1, 'and the connection is still good')
})

onEveryDatabase('batches that meet on the same accounts neither lose nor deadlock', async (t, database) => {
  const store = await testStore(t, { database })
  const other = await testStore(t, { database })
  await withAccounts(store, 5)
  const batch = (n: number) =>
    [1, 2, 3, 4, 5]
      .sort((a, b) => ((a * 7 + n) % 5) - ((b * 7 + n) % 5))
      .map((id) => add(id, binding(`sip:${n}@h`)))
  await Promise.all(
    Array.from({ length: 20 }, (_, n) => (n % 2 ? store : other).registrations.apply(batch(n))),
  )
  t.equal(await store.registrations.count(), 100)
  for (const { directory } of [store, other]) t.equal((await directory.bindings(3)).length, 20)
})

onEveryDatabase(
  'a registration and a deletion or disabling of its account follow each other',
  async (t, database) => {
    const store = await testStore(t, { database })
    const { group } = await withAccounts(store, 20)
    const work = []
    for (let id = 1; id <= 20; id += 1) {
      work.push(
        store.registrations.apply([
          {
            accountId: id,
            decide: (_, { enabled }) => ({
              result: enabled,
              ...(enabled ? { bindings: [binding(`sip:${id}@h`)] } : {}),
            }),
          },
        ]),
        id % 2 ? store.accounts.delete(id) : store.accounts.update(id, { enabled: false }),
      )
    }
    await Promise.all(work)
    t.equal(await store.registrations.count(), 0)
    for (let id = 1; id <= 20; id += 1) t.same(await store.directory.bindings(id), [])

    const applied = Array.from({ length: 10 }, (_, n) =>
      store.registrations.apply([20, 18, 16, 14, 12, 10].map((id) => add(id, binding(`sip:${id}-${n}@h`)))),
    )
    await Promise.all([...applied, store.groups.delete(group.id, { cascade: true })])
    t.same(await query(database.connection, 'select count(*)::integer as count from registrations'), [
      { count: 0 },
    ])
  },
)

onEveryDatabase('one binding is ended, by id or because its flow is dead', async (t, database) => {
  const store = await testStore(t, { database })
  await withAccounts(store, 2)
  const [a, b] = [binding('sip:a@h', { cseq: 5 }), binding('sip:b@h')]
  await store.registrations.apply([become(1, a, b)])
  t.equal(
    await store.registrations.deleteDead(1, 'sip:a@h', a.callId, 4),
    false,
    'an older registration of it',
  )
  t.equal(await store.registrations.deleteDead(2, 'sip:a@h', a.callId, 5), false, "another account's")
  t.equal((await store.directory.bindings(1)).length, 2)
  t.equal(await store.registrations.deleteDead(1, 'sip:a@h', a.callId, 5), true)
  const [left] = await store.directory.bindings(1)
  t.match(left, { contact: 'sip:b@h' })
  t.equal(await store.registrations.delete(left?.id ?? 0), true)
  t.same(await store.directory.bindings(1), [])
  for (const id of [left?.id ?? 0, 0, -1, NaN, 2 ** 60]) t.equal(await store.registrations.delete(id), false)
})

onEveryDatabase('the sweep removes what has expired and nothing else', async (t, database) => {
  let time = Date.now()
  const store = await testStore(t, { database, now: () => time })
  await withAccounts(store, 1)
  const old = Array.from({ length: 600 }, (_, n) => binding(`sip:${n}@h`, { expiresAt: time + 1000 }))
  await store.registrations.apply([become(1, ...old, binding('sip:live@h'))])
  t.equal(await store.registrations.deleteExpired(), 0)
  time += 1000
  t.equal(await store.registrations.deleteExpired(), 600)
  t.same(contacts(await store.directory.bindings(1)), ['sip:live@h'])
})

onEveryDatabase('the list shows whose binding it is, and is searched by it', async (t, database) => {
  const store = await testStore(t, { database })
  const { group } = await withAccounts(store, 1)
  await store.accounts.create(group.id, newAccount(2, { displayName: 'Bob' }))
  await store.registrations.apply([
    become(1, binding('sip:a@h', { userAgent: 'Fancy/1.0' })),
    become(2, binding('sip:b@h', { source: '198.51.100.7:1234' })),
  ])
  t.match(await store.registrations.list({ limit: 1 }), {
    items: [
      { id: 1, accountId: 1, username: '1001', virtualNumber: '1', groupId: group.id, groupName: 'Sales' },
    ],
    total: 2,
  })
  const found = async (search: string) =>
    (await store.registrations.list({ search })).items.map((each) => each.contact)
  t.same(await found('bob'), ['sip:b@h'])
  t.same(await found('fancy'), ['sip:a@h'])
  t.same(await found('198.51'), ['sip:b@h'])
  t.match(await store.registrations.list({ accountId: 2 }), { items: [{ contact: 'sip:b@h' }], total: 1 })
})

onEveryDatabase(
  'statements prepared while the tables are empty find their rows by index later',
  async (t, database) => {
    const store = await testStore(t, { database, poolSize: 2 })
    const { accounts } = await withAccounts(store, 1)
    const work = async () => {
      await store.registrations.apply([
        become(1, binding('sip:a@h', { cseq: (Math.random() * 1e9) | 0 }), binding('sip:b@h')),
      ])
      await store.registrations.apply([become(1, binding('sip:a@h'))])
      await store.directory.credential(`${accounts[0]?.username} is absent ${Math.random()}`)
    }
    for (let n = 0; n < 10; n += 1) await work()
    await query(
      database.connection,
      `with a as (insert into accounts (group_id, username, virtual_number) select 1, n, n from generate_series(5001, 9000) n returning id)
     insert into registrations (account_id, contact, q, call_id, cseq, expires_at, source, transport, path, node, created_at)
     select id, 'c', 1, 'c', 1, now() + '1 hour', 's', 'udp', '', 'n', now() from a`,
    )
    const scans = `select coalesce(sum(seq_tup_read), 0)::integer as read, coalesce(sum(idx_scan), 0)::integer as found
    from pg_stat_user_tables where relname in ('accounts', 'registrations', 'credentials')`
    const read = async () => (await query<{ read: number; found: number }>(database.connection, scans))[0]
    const before = await read()
    for (let n = 0; n < 10; n += 1) await work()
    await store.close()
    const after = await until('the work is counted', async () => {
      const now = await read()
      return (now?.found ?? 0) >= (before?.found ?? 0) + 60 && now
    })
    t.ok(after.read < 4000, `${after.read} rows were read by scanning`)
  },
)

onEveryDatabase('whatever is decided, memory and database say the same', async (t, database) => {
  const store = await testStore(t, { database })
  await withAccounts(store, 3)
  const device = fc.record({
    contact: fc.constantFrom('sip:a@h', 'sip:b@h', 'sip:c@h', 'sip:d@h'),
    device: fc.option(fc.record({ instance: fc.constantFrom('<x>', '<y>'), regId: fc.constantFrom(1, 2) })),
    cseq: fc.integer({ min: 1, max: 3 }),
    path: fc.array(fc.constantFrom('<sip:e1;lr>', '<sip:e2;lr>'), { maxLength: 2 }),
  })
  const set = fc.uniqueArray(device, { selector: ({ contact }) => contact, maxLength: 4 }).filter((list) => {
    const keys = list.flatMap((each) => (each.device ? [JSON.stringify(each.device)] : []))
    return new Set(keys).size === keys.length
  })
  const batch = fc.array(fc.record({ accountId: fc.integer({ min: 1, max: 3 }), set }), {
    minLength: 1,
    maxLength: 5,
  })
  const plain = (bindings: readonly Binding[]) =>
    bindings
      .map(({ contact, instance, regId, cseq, path }) =>
        JSON.stringify({ contact, instance, regId, cseq, path }),
      )
      .sort()
  const expiresAt = Date.now() + 3_600_000

  const model = new Map<number, string[]>()
  await fc.assert(
    fc.asyncProperty(batch, async (changes) => {
      const applied = changes.map(({ accountId, set }) => ({
        accountId,
        bindings: set.map(({ contact, device, cseq, path }) =>
          binding(contact, { ...(device ?? {}), cseq, path, expiresAt }),
        ),
      }))
      await store.registrations.apply(
        applied.map(({ accountId, bindings }) => become(accountId, ...bindings)),
      )
      for (const { accountId, bindings } of applied) model.set(accountId, plain(bindings))
      const listed = (await store.registrations.list({ limit: 500 })).items
      for (const id of [1, 2, 3]) {
        const expected = model.get(id) ?? []
        t.same(plain(await store.directory.bindings(id)), expected)
        t.same(plain(listed.filter(({ accountId }) => accountId === id)), expected)
      }
    }),
    { numRuns: 40 },
  )
})
