import t from 'tap'
import { aSipEvent } from '../store/samples.js'
import { aGroup, anAccount, api, wrongFields, type Body } from './api.js'

const at = (second: number) => Date.UTC(2026, 10, 24, 12, 0, second)

t.test('what devices did is listed newest first, of all or filtered', async (t) => {
  const { as, store, send } = await api(t)
  const operator = as('operator')
  const group = await aGroup(operator)
  const ann = (await operator.post(`/groups/${group}/accounts`, anAccount('111'))).body['id'] as number
  await store.sipEvents.write([
    aSipEvent({ at: at(1), accountId: ann, transport: 'tls', cipher: 'TLSv1.3 AES', userAgent: 'Snom D785' }),
    aSipEvent({ at: at(2), type: 'AUTH_FAILED', username: 'nobody', reason: 'unknown', count: 40 }),
    aSipEvent({ at: at(3), type: 'EXPIRE', accountId: ann }),
  ])
  const { body } = await as('auditor').get('/sip-events')
  t.match(body, { total: 3, next: null })
  const items = body['items'] as Body[]
  t.match(items, [
    { type: 'EXPIRE', accountId: ann },
    { type: 'AUTH_FAILED', accountId: null, username: 'nobody', reason: 'unknown', count: 40 },
    { type: 'REGISTER', number: '111', groupName: 'Sales', transport: 'tls', cipher: 'TLSv1.3 AES' },
  ])
  t.equal(items[2]?.['at'], '2026-11-24T12:00:01.000Z')
  t.equal((await send({ url: '/api/v1/sip-events' })).status, 401)

  const page = await operator.get('/sip-events?limit=2')
  const rest = await operator.get(`/sip-events?limit=2&after=${String(page.body['next'])}`)
  t.match(rest.body, { items: [{ type: 'REGISTER' }], next: null })

  for (const [query, total] of [
    ['type=EXPIRE', 1],
    [`account=${ann}`, 2],
    ['account=2147483647', 0],
    [`group=${group}`, 2],
    ['from=2026-11-24T12:00:02Z', 2],
    ['to=2026-11-24T12:00:02Z', 1],
    ['search=snom', 1],
    ['search=nobody', 1],
  ] as const)
    t.equal((await operator.get(`/sip-events?${query}`)).body['total'], total, query)
  const wrong = await operator.get('/sip-events?type=register&account=0&from=yesterday&format=xml&colour=red')
  t.same(wrongFields(wrong), ['account', 'colour', 'format', 'from', 'type'])
  t.same(wrongFields(await operator.get('/sip-events?after=nonsense')), ['after'])
})

t.test('as CSV: all events that match, and no formula of a phone', async (t) => {
  const { as, store, send } = await api(t)
  const formulas = ['=1+1', '+1', '-1', '@sum', '\t=1', ' =1', '＝1']
  await store.sipEvents.write([
    ...formulas.map((userAgent) => aSipEvent({ userAgent })),
    aSipEvent({ userAgent: 'Phone "1", good', contact: '<sip:1@192.0.2.1>;q=1' }),
  ])
  const csv = await as('auditor').get('/sip-events?format=csv&limit=1')
  t.match(csv.headers, {
    'content-type': /^text\/csv; charset=utf-8/,
    'content-disposition': 'attachment; filename="sip-events.csv"',
  })
  const lines = csv.text.trimEnd().split('\r\n')
  t.equal(lines.length, 1 + 8)
  for (const formula of formulas) t.ok(csv.text.includes(`,"'${formula}",`), formula)
  t.ok(csv.text.includes(',"<sip:1@192.0.2.1>;q=1","Phone ""1"", good",,1\r\n'))

  const type = async (accept: string, query = '') =>
    (
      await send({
        url: `/api/v1/sip-events${query}`,
        headers: { accept, authorization: 'Bearer pl_test-token-of-auditor' },
      })
    ).headers['content-type']
  t.match(await type('text/csv'), /csv/)
  t.match(await type('application/json;q=0.5, text/csv'), /csv/)
  t.match(await type('text/csv;q=0.5, application/json'), /json/)
  t.match(await type('*/*'), /json/)
  t.match(await type('text/csv', '?format=json'), /json/)
})
