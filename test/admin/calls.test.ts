import t from 'tap'
import type { NewCall } from '../../src/store/call.js'
import { api, wrongFields, type Body } from './api.js'

const begin = Date.UTC(2026, 10, 24, 12)

const call = (n: number, more: Partial<NewCall> = {}): NewCall => ({
  ...{ callId: `call ${n}`, callerTag: 'a', calleeTag: 'b', securityModel: 'end-to-site', devices: 2 },
  ...{ startedAt: begin + n * 1000, rangAt: begin + n * 1000 + 50, answeredAt: begin + n * 1000 + 1500 },
  ...{ endedAt: begin + n * 1000 + 4750, endedBy: 'callee', disposition: 'ANSWERED' },
  ...{ sipStatus: 200, sipReason: 'OK', explanation: null },
  caller: {
    ...{ accountId: 1, number: '+49111', name: '=cmd()', groupId: 1, address: '192.0.2.1:5061' },
    ...{ transport: 'tls', cipher: 'TLSv1.3 TLS_AES_256_GCM_SHA384', userAgent: 'Phone "1"' },
  },
  callee: {
    ...{ accountId: 2, number: '222', name: 'Bob', groupId: 2, address: '[2001:db8::1]:5060' },
    ...{ transport: 'udp', cipher: null, userAgent: null },
  },
  ...more,
})

const refused: Partial<NewCall> = {
  ...{ rangAt: null, answeredAt: null, endedBy: 'server', disposition: 'REFUSED', sipStatus: 488 },
  ...{
    sipReason: 'Not Acceptable Here',
    explanation: 'Security models do not fit',
    devices: 0,
    calleeTag: null,
  },
}

t.test('calls are listed with both sides and what became of them, the newest first', async (t) => {
  const { as, store, nobody } = await api(t)
  await store.calls.write([
    { call: call(1) },
    { call: call(2, { endedAt: null, endedBy: null }) },
    { call: call(3, refused) },
  ])
  const auditor = as('auditor')
  const { status, body } = await auditor.get('/calls')
  t.equal(status, 200)
  t.equal(body['total'], 3)
  const [third, second, first] = body['items'] as Body[]
  t.match(third, { disposition: 'REFUSED', explanation: 'Security models do not fit', durationSeconds: null })
  t.match(second, { endedAt: null, endedBy: null, durationSeconds: null })
  t.match(first, {
    ...{ startedAt: '2026-11-24T12:00:01.000Z', rangAt: '2026-11-24T12:00:01.050Z' },
    ...{ answeredAt: '2026-11-24T12:00:02.500Z', endedAt: '2026-11-24T12:00:05.750Z', durationSeconds: 3.25 },
    ...{
      disposition: 'ANSWERED',
      endedBy: 'callee',
      sipStatus: 200,
      securityModel: 'end-to-site',
      devices: 2,
    },
    caller: {
      number: '+49111',
      transport: 'tls',
      cipher: /^TLSv1\.3/,
      userAgent: 'Phone "1"',
      groupName: null,
    },
    callee: { accountId: 2, name: 'Bob', address: '[2001:db8::1]:5060', transport: 'udp', cipher: null },
    callId: 'call 1',
  })
  t.equal((await nobody.get('/calls')).status, 401)

  const page = await auditor.get('/calls?limit=2')
  t.equal((page.body['items'] as Body[]).length, 2)
  const rest = await auditor.get(`/calls?limit=2&after=${String(page.body['next'])}`)
  t.match(rest.body, { items: [{ callId: 'call 1' }], next: null })
})

t.test('filters, and what is wrong about them', async (t) => {
  const { as, store } = await api(t)
  await store.calls.write([{ call: call(1) }, { call: call(2, refused) }])
  const get = async (query: string) => (await as('operator').get(`/calls?${query}`)).body['total']
  for (const [query, total] of [
    ['number=222', 2],
    ['number=%2B49111', 2],
    ['number=49111', 0],
    ['account=1', 2],
    ['account=3', 0],
    ['group=2', 2],
    ['disposition=REFUSED', 1],
    ['from=2026-11-24T12:00:02Z', 1],
    ['to=2026-11-24T12:00:02Z', 1],
    ['from=2026-11-24T13:00:01%2B01:00&to=2026-11-24T12:00:02Z', 1],
    ['from=0000-01-01T00:00:00Z&to=9999-12-31T23:59:59Z', 2],
    ['search=bob', 2],
  ] as const)
    t.equal(await get(query), total, query)
  const wrong = await as('operator').get(
    '/calls?account=x&group=0&disposition=answered&from=yesterday&to=2026-13-01T00:00:00Z&format=xml&colour=red',
  )
  t.equal(wrong.status, 400)
  t.same(wrongFields(wrong), ['account', 'colour', 'disposition', 'format', 'from', 'group', 'to'])
  t.same(wrongFields(await as('operator').get('/calls?after=nonsense')), ['after'])
  t.equal((await as('operator').get('/calls?from=2026-12-31T23:59:60Z')).status, 400, 'no leap second')
})

t.test('as CSV: all calls that match, as a download that no spreadsheet takes for formulas', async (t) => {
  const { as, store, send } = await api(t)
  await store.calls.write(Array.from({ length: 1200 }, (_, n) => ({ call: call(n, n === 0 ? refused : {}) })))
  const csv = await as('auditor').get('/calls?format=csv&limit=1')
  t.match(csv.headers, {
    'content-type': /^text\/csv/,
    'content-disposition': 'attachment; filename="calls.csv"',
  })
  const lines = csv.text.trimEnd().split('\r\n')
  t.equal(lines.length, 1201)
  t.match(lines[0], /^"id","startedAt",.*"callerNumber","callerName".*"callId"$/)
  t.match(lines[1], `"'+49111","'=cmd()"`)
  t.match(lines[1], '"Phone ""1"""')
  t.match(lines[1], ',3.25,"ANSWERED",200,"OK",,"callee","end-to-site",2,')
  const some = await as('auditor').get('/calls?format=csv&disposition=REFUSED')
  t.equal(some.text.trimEnd().split('\r\n').length, 2)
  const accepted = await send({
    url: '/api/v1/calls?disposition=BUSY',
    headers: { accept: 'text/csv', authorization: 'Bearer pl_test-token-of-auditor' },
  })
  t.equal(accepted.text.trimEnd().split('\r\n').length, 1, 'only the names of the columns')
  t.match(await as('auditor').get('/calls?format=csv&after=nonsense'), {
    status: 400,
    body: { code: 'invalid_input' },
  })
})
