import fc from 'fast-check'
import t from 'tap'
import { aGroup, anAccount, api, tokenOf, wrongFields } from './api.js'

t.test('every wrong field is named, once, in words a person understands', async (t) => {
  const operator = (await api(t)).as('operator')
  const group = await aGroup(operator)
  const wrong = {
    username: 'bob',
    password: 'short',
    virtualNumber: '030 / 123',
    displayName: 'x'.repeat(101),
    email: 'not an address',
    mobile: 'call me',
    description: 5,
    visible: 'yes',
    type: 'fax',
    securityModel: 'none',
    enabled: null,
    mac: '00:11',
    deny: ['10.0.0.0/8', '10.0.0.1/8', 7],
    permit: 'all',
    admin: true,
  }
  const answer = await operator.post(`/groups/${group}/accounts`, wrong)
  t.match(answer, { status: 400, body: { code: 'invalid_input', title: String, detail: String } })
  t.match(answer.headers['content-type'], 'application/problem+json')
  const named = wrongFields(answer)
  const expected = [...Object.keys(wrong).filter((field) => field !== 'deny'), 'deny[1]', 'deny[2]']
  t.same(named, expected.sort())
  t.matchStrict(
    Object.fromEntries(
      (answer.body['errors'] as { field: string; message: string }[]).map((e) => [e.field, e.message]),
    ),
    {
      username: 'must be 3 to 20 digits',
      password: 'must have at least 8 characters',
      virtualNumber: /digits/,
      displayName: 'must have at most 100 characters',
      email: /e-mail address/,
      visible: 'must be true or false',
      description: 'must be a text or null',
      type: 'must be one of: softphone, deskphone',
      admin: 'is not a known field',
      'deny[1]': /such as 192\.0\.2\.0\/24/,
    },
  )
})

t.test('what is missing is named', async (t) => {
  const operator = (await api(t)).as('operator')
  t.same(wrongFields(await operator.post('/groups', {})), ['name'])
  t.same(wrongFields(await operator.post(`/groups/${await aGroup(operator)}/accounts`, {})), [
    'password',
    'virtualNumber',
  ])
  t.same(wrongFields(await operator.post('/groups', { name: '   ' })), ['name'])
})

t.test('lengths are exact at both ends, counted in code points as the database does', async (t) => {
  const operator = (await api(t)).as('operator')
  const group = await aGroup(operator)
  const status = async (more: object) =>
    (await operator.post(`/groups/${group}/accounts`, anAccount('1', { ...more }))).status
  t.equal(await status({ virtualNumber: '1'.repeat(20), displayName: '🙂'.repeat(100) }), 201)
  t.equal(await status({ virtualNumber: `+${'1'.repeat(20)}`, password: 'x'.repeat(128) }), 201)
  t.equal(await status({ virtualNumber: '1'.repeat(21) }), 400)
  t.equal(await status({ virtualNumber: '2', displayName: '🙂'.repeat(101) }), 400)
  t.equal(await status({ virtualNumber: '2', displayName: 'e\u0301'.repeat(51) }), 400)
  t.equal(await status({ virtualNumber: '2', password: 'x'.repeat(129) }), 400)
  t.equal(await status({ virtualNumber: '2', password: '       ' }), 400, 'seven spaces')
  t.equal(await status({ virtualNumber: '2', username: '12' }), 400)
  t.equal(await status({ virtualNumber: '2', username: '1'.repeat(21) }), 400)
  t.equal(await status({ virtualNumber: '2', deny: Array(65).fill('10.0.0.0/8'), type: 'deskphone' }), 400)
})

t.test('control characters are refused everywhere, line breaks only outside descriptions', async (t) => {
  const operator = (await api(t)).as('operator')
  const group = await aGroup(operator)
  for (const character of ['\0', '\r\n', '\u001b', '\u007f', '\u0085']) {
    const fields = {
      displayName: `a${character}b`,
      password: `12345678${character}9`,
      mobile: `1${character}2`,
    }
    const answer = await operator.post(`/groups/${group}/accounts`, anAccount('1', fields))
    t.same(wrongFields(answer), ['displayName', 'mobile', 'password'], JSON.stringify(character))
  }
  t.equal(
    (await operator.post(`/groups/${group}/accounts`, anAccount('1', { description: 'a\0b' }))).status,
    400,
  )
  t.equal(
    (await operator.post(`/groups/${group}/accounts`, anAccount('1', { description: 'a\r\n\tb' }))).status,
    201,
  )
  t.equal((await operator.get('/accounts?search=%00')).status, 400)
  t.equal((await operator.get('/accounts?search=a%0Ab')).status, 400)
})

t.test('a text has something to see, and is read as it was written', async (t) => {
  const operator = (await api(t)).as('operator')
  const group = await aGroup(operator)
  const refused = [
    '\u200b',
    '\u202e',
    '\u2028',
    '\u3164',
    '\u2800',
    '\u0301',
    ' \u200b\u00a0\ufeff ',
    'evil\u202elive',
    'a\u2066b',
    'a\u2028b',
  ]
  for (const text of refused) {
    const what = [...text].map((character) => character.codePointAt(0)?.toString(16)).join(' ')
    t.same(wrongFields(await operator.post('/groups', { name: text })), ['name'], what)
    const account = await operator.post(`/groups/${group}/accounts`, anAccount('1', { displayName: text }))
    t.same(wrongFields(account), ['displayName'], what)
  }
  for (const description of ['\u200b', 'a\u202eb']) {
    t.same(wrongFields(await operator.post('/groups', { name: 'x', description })), ['description'])
  }
  // Names of people: joiners and direction marks are part of some writings and of some emoji.
  for (const name of ['نام\u200cها', 'שלום\u200f!', '👩\u200d🚒', 'क्\u200dष', 'e\u0301', '.'])
    t.match(await operator.post('/groups', { name }), { status: 201, body: { name } }, name)
})

t.test('what is no Unicode is refused, not replaced', async (t) => {
  const { as, send } = await api(t)
  const operator = as('operator')
  for (const half of ['\ud800', 'a\udfff', '\udc00\ud800']) {
    t.same(wrongFields(await operator.post('/groups', { name: half })), ['name'], JSON.stringify(half))
  }
  const group = await aGroup(operator)
  const account = anAccount('1', { password: '1234567\ud800' })
  t.same(wrongFields(await operator.post(`/groups/${group}/accounts`, account)), ['password'])
  for (const bytes of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0xaf]]) {
    const payload = Buffer.concat([Buffer.from('{"name":"a'), Buffer.from(bytes), Buffer.from('"}')])
    const headers = { authorization: `Bearer ${tokenOf('operator')}`, 'content-type': 'application/json' }
    t.match(await send({ method: 'POST', url: '/api/v1/groups', payload, headers }), {
      status: 400,
      body: { code: 'invalid_json', detail: /UTF-8/ },
    })
  }
})

t.test('what looks like SQL, HTML or SIP is text like any other', async (t) => {
  const operator = (await api(t)).as('operator')
  const group = await aGroup(operator)
  for (const [index, displayName] of [
    "Robert'); drop table accounts;--",
    '<script>alert(1)</script>',
    '"Ann" <sip:a@b>;x=y',
    '{{7*7}} ${7*7} %n',
    '$1 ? ??',
  ].entries()) {
    const { body } = await operator.post(`/groups/${group}/accounts`, anAccount(`5${index}`, { displayName }))
    t.equal((await operator.get(`/accounts/${String(body['id'])}`)).body['displayName'], displayName)
    t.equal(
      (await operator.get(`/accounts?search=${encodeURIComponent(displayName)}`)).body['total'],
      1,
      displayName,
    )
  }
})

t.test('a body that is no JSON, of another type, too large, or no object', async (t) => {
  const { send } = await api(t)
  const post = (payload: string, type = 'application/json') =>
    send({ method: 'POST', url: '/api/v1/session', payload, headers: { 'content-type': type } })
  const cases: [string, Awaited<ReturnType<typeof post>>, number, string][] = [
    ['broken', await post('{"a":'), 400, 'invalid_json'],
    ['empty', await post(''), 400, 'invalid_json'],
    ['prototype', await post('{"__proto__":{"role":"admin"}}'), 400, 'invalid_json'],
    ['noise', await post('\u0000\u0001\ufffd'), 400, 'invalid_json'],
    ['list', await post('[]'), 400, 'invalid_input'],
    ['null', await post('null'), 400, 'invalid_input'],
    ['number', await post('5'), 400, 'invalid_input'],
    ['text', await post('name=x', 'text/plain'), 415, 'unsupported_media_type'],
    ['form', await post('name=x', 'application/x-www-form-urlencoded'), 415, 'unsupported_media_type'],
    ['large', await post(JSON.stringify({ username: 'x'.repeat(1024 * 1024) })), 413, 'body_too_large'],
    ['nothing', await send({ method: 'POST', url: '/api/v1/session' }), 400, 'invalid_input'],
    ['deep', await post('['.repeat(100_000) + ']'.repeat(100_000)), 400, 'invalid_input'],
  ]
  for (const [name, answer, status, code] of cases) t.match(answer, { status, body: { code, status } }, name)
  const many = await post(
    JSON.stringify(Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`f${i}`, 1]))),
  )
  t.equal(wrongFields(many).length, 50, 'a flood of wrong fields does not come back as one')
})

t.test('ids that can not be the id of anything name nothing', async (t) => {
  const { as } = await api(t)
  t.equal(await aGroup(as('operator')), 1, 'or 01 would be unknown anyway')
  const ids = [
    '0',
    '-1',
    '1.5',
    'abc',
    '2147483648',
    '9007199254740993',
    '9'.repeat(400),
    '%00',
    "1'--",
    '1e3',
    '01',
    '٣',
  ]
  for (const id of ids) {
    for (const path of [
      `/groups/${id}`,
      `/accounts/${id}`,
      `/accounts/${id}/registrations`,
      `/tokens/${id}`,
      `/admins/${id}`,
    ]) {
      t.match(await as('admin').get(path), { status: 404, body: { code: 'not_found' } }, path.slice(0, 40))
    }
    t.equal((await as('admin').delete(`/registrations/${id}`)).status, 404)
  }
  t.match(await as('admin').get('/groups/%zz'), { status: 400, body: { code: 'bad_request' } })
})

t.test('queries are checked as bodies are', async (t) => {
  const { as } = await api(t)
  const fields = async (query: string) => wrongFields(await as('auditor').get(`/accounts?${query}`))
  t.same(await fields('limit=0'), ['limit'])
  t.same(await fields('limit=501'), ['limit'])
  for (const limit of ['', 'ten', '1.5', '010', '1e2', '0x10', '-1', '99999999999999999999'])
    t.same(await fields(`limit=${limit}`), ['limit'])
  t.same(await fields('limit=1&limit=2'), ['limit'])
  t.same(await fields('after=nonsense'), ['after'])
  t.same(await fields('after='), ['after'])
  t.same(await fields(`after=${'x'.repeat(501)}`), ['after'])
  t.same(await fields(`search=${'x'.repeat(101)}`), ['search'])
  t.same(await fields('offset=5&limit=x&after=a&after=b'), ['after', 'limit', 'offset'])
})

t.test(
  'whatever an account is made of, the answer is a success or a problem, never a failure of the server',
  async (t) => {
    const operator = (await api(t)).as('operator')
    const group = await aGroup(operator)
    const value = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.jsonValue(),
      fc.constantFrom('111', '+1', 'deskphone', '::/0'),
    )
    const names = [
      'username',
      'password',
      'virtualNumber',
      'displayName',
      'email',
      'mobile',
      'description',
      'type',
      'mac',
      'deny',
      'permit',
      'x',
    ]
    const body = fc.dictionary(fc.constantFrom(...names), value)
    await fc.assert(
      fc.asyncProperty(body, async (fields) => {
        const answer = await operator.post(`/groups/${group}/accounts`, { ...anAccount('111'), ...fields })
        t.ok([201, 400, 409].includes(answer.status), `${answer.status} ${JSON.stringify(fields)}`)
      }),
      { numRuns: 150 },
    )
  },
)
