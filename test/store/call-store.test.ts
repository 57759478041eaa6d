import type { CallEnd } from '../../src/store/call.js'
import { onEveryDatabase, query, testStore } from '../support/database.js'
import { aCall, callsBegin, ofNobody, withAccounts } from './samples.js'

const begin = callsBegin
const call = aCall

const end = (n: number, more: Partial<CallEnd> = {}): { end: CallEnd } => ({
  end: { callId: `call ${n}`, fromTag: 'a', toTag: 'b', endedAt: begin + n + 9000, ...more },
})

onEveryDatabase(
  'every field of a call is kept, with the names of the groups as they were',
  async (t, database) => {
    const store = await testStore(t, { database })
    const { group } = await withAccounts(store, 1)
    const full = call(1, {
      explanation: 'Because "of" \\ it, ä ☎',
      endedAt: begin + 5000,
      endedBy: 'server',
      securityModel: 'end-to-end',
      devices: 3,
      caller: {
        ...{ accountId: 1, number: '111', name: 'Änn', groupId: group.id, address: '[2001:db8::1]:5061' },
        ...{ transport: 'wss', cipher: 'TLSv1.3 TLS_AES_256_GCM_SHA384', userAgent: 'Phone ☎ 1.0' },
      },
    })
    await store.calls.write([{ call: full }, { call: call(2, { callee: ofNobody, calleeTag: null }) }])
    await store.groups.update(group.id, { name: 'Renamed' })
    const { items, total, next } = await store.calls.list({})
    t.equal(total, 2)
    t.equal(next, null)
    t.match(items[0], { callee: { ...ofNobody, groupName: null }, calleeTag: null })
    t.same(items[1], {
      ...full,
      id: items[1]?.id,
      caller: { ...full.caller, groupName: 'Sales' },
      callee: { ...full.callee, groupName: null },
    })
  },
)

onEveryDatabase('a BYE ends the call of its dialog, once, and tells who hung up', async (t, database) => {
  const store = await testStore(t, { database })
  await store.calls.write([1, 2, 3, 4].map((n) => ({ call: call(n) })))
  await store.calls.write([
    end(1),
    end(2, { fromTag: 'b', toTag: 'a' }),
    end(3, { toTag: 'another fork' }),
    end(4, { endedAt: begin }),
    end(77),
  ])
  await store.calls.write([end(1, { fromTag: 'b', toTag: 'a', endedAt: begin + 99_000 })])
  // Both at once.
  await store.calls.write([{ call: call(5) }, end(5)])
  const { items } = await store.calls.list({})
  t.match(items.reverse(), [
    { endedAt: begin + 9001, endedBy: 'caller' },
    { endedAt: begin + 9002, endedBy: 'callee' },
    { endedAt: null, endedBy: null },
    { endedAt: begin + 4 + 2000, endedBy: 'caller' },
    { endedAt: begin + 9005, endedBy: 'caller' },
  ])
})

onEveryDatabase('a call that is written twice stands there once', async (t, database) => {
  const store = await testStore(t, { database })
  await store.calls.write([{ call: call(1) }, end(1)])
  await store.calls.write([{ call: call(1) }, { call: call(2) }])
  t.match(await store.calls.list({}), { total: 2, items: [{ endedAt: null }, { endedBy: 'caller' }] })
})

onEveryDatabase('what a phone writes can not spoil the log', async (t, database) => {
  const store = await testStore(t, { database })
  const long = 'x'.repeat(60_000)
  const odd = call(1, {
    callId: `\0${long}`,
    callerTag: `${'y'.repeat(254)}\u{1F642}`,
    sipReason: 'a\0b\ud800',
  })
  await store.calls.write([
    { call: odd },
    { end: { callId: `\0${long}`, fromTag: odd.callerTag, toTag: 'b', endedAt: begin + 9000 } },
  ])
  const [kept] = (await store.calls.list({})).items
  t.match(kept, { callId: /^x{254}$/, sipReason: 'ab\ufffd', endedBy: 'caller' })
})

onEveryDatabase(
  'pages go from the newest to the oldest, and new calls do not shift them',
  async (t, database) => {
    const store = await testStore(t, { database })
    // Two of one millisecond, and one that was written later than it began.
    const starts = [5, 1, 3, 3, 4, 2]
    await store.calls.write(starts.map((n, i) => ({ call: call(n, { callId: `c${i}` }) })))
    const seen: number[] = []
    let after: string | undefined
    do {
      const page = await store.calls.list({ limit: 2, after })
      seen.push(...page.items.map(({ startedAt }) => startedAt - begin))
      after = page.next ?? undefined
      await store.calls.write([{ call: call(1000 + seen.length) }])
    } while (after !== undefined)
    t.same(seen, [5, 4, 3, 3, 2, 1])
    const all = []
    for await (const { startedAt } of store.calls.all({ until: begin + 1000 })) all.push(startedAt - begin)
    t.same(all, [5, 4, 3, 3, 2, 1])
    for (const cursor of [
      '',
      'nonsense',
      Buffer.from('call:1:0').toString('base64url'),
      Buffer.from('id:1').toString('base64url'),
    ]) {
      await t.rejects(store.calls.list({ after: cursor }), { code: 'invalid_cursor' })
    }
  },
)

onEveryDatabase(
  'the log is filtered by number, account, group, outcome and time, for either side',
  async (t, database) => {
    const store = await testStore(t, { database })
    const turned = call(3)
    await store.calls.write([
      { call: call(1) },
      { call: call(2, { callee: ofNobody, disposition: 'FAILED', sipStatus: 404 }) },
      {
        call: {
          ...turned,
          caller: { ...turned.caller, ...{ accountId: 3, number: '333', name: 'Zoë', groupId: 3 } },
        },
      },
    ])
    const found = async (filter: Parameters<typeof store.calls.list>[0]) =>
      (await store.calls.list(filter)).items.map(({ startedAt }) => startedAt - begin)
    t.same(await found({ number: '111' }), [2, 1])
    t.same(await found({ number: '222' }), [3, 1])
    t.same(await found({ number: '22' }), [])
    t.same(await found({ accountId: 2 }), [3, 1])
    t.same(await found({ accountId: 2 ** 40 }), [])
    t.same(await found({ groupId: 3 }), [3])
    t.same(await found({ disposition: 'FAILED', number: '111' }), [2])
    t.same(await found({ from: begin + 2 }), [3, 2])
    t.same(await found({ from: begin + 2, until: begin + 3 }), [2])
    t.same(await found({ search: 'zO' }), [3])
    t.same(await found({ search: '%' }), [])
  },
)

onEveryDatabase('old calls are removed, a few at a time', async (t, database) => {
  const store = await testStore(t, { database })
  await store.calls.write([1, 2, 3, 4].map((n) => ({ call: call(n) })))
  t.equal(await store.calls.deleteBefore(begin + 4, 2), 2)
  t.equal(await store.calls.deleteBefore(begin + 4, 2), 1)
  t.equal(await store.calls.deleteBefore(begin + 4, 2), 0)
  t.match(await store.calls.list({}), { total: 1, items: [{ startedAt: begin + 4 }] })
})

onEveryDatabase('a page of a long log and the call of a BYE are found by index', async (t, database) => {
  await testStore(t, { database })
  const plan = async (statement: string) =>
    (await query<{ 'QUERY PLAN': string }>(database.connection, `explain ${statement}`))
      .map((row) => row['QUERY PLAN'])
      .join('\n')
  await query(
    database.connection,
    `
    insert into calls (call_id, caller_tag, callee_tag, started_at, answered_at, disposition, sip_status, sip_reason,
      security_model, devices, caller_account_id, caller_number, caller_group_id, caller_address, caller_transport)
    select 'c' || n, 'a', 'b', now() - n * interval '1 s', now(), 'ANSWERED', 200, 'OK', 'standard', 1, n % 50, '1', 1, '', 'udp'
    from generate_series(1, 5000) n`,
  )
  await query(database.connection, 'analyze calls')
  t.match(
    await plan('select id from calls order by started_at desc, id desc limit 50'),
    'calls_started_at_index',
  )
  t.match(await plan(`select id from calls where md5(call_id) = md5('c7')`), 'calls_call_unique')
})
