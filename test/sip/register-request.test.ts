import t from 'tap'
import fc from 'fast-check'
import { read, registerRequest } from './registers.js'

t.test('contacts, one header or several, carry their own expiry or that of the request', async (t) => {
  const { contacts } = registerRequest({
    contact: '"A, B" <sip:a@h>;expires=10;q=0.5, <sip:b@h;transport=tcp>, sip:c@h;expires=0',
    expires: '99',
  })
  t.match(contacts, [
    { contact: 'sip:a@h', expires: 10, q: 0.5 },
    { contact: 'sip:b@h;transport=tcp', expires: 99, q: 1 },
    { contact: 'sip:c@h', expires: 0 },
  ])
})

t.test(
  'without any expiry the registrar decides; a malformed one counts as an hour (RFC 3261 §20.19)',
  async (t) => {
    for (const [headers, expires] of [
      [{ contact: '<sip:a@h>' }, undefined],
      [{ contact: '<sip:a@h>;expires=soon' }, 3600],
      [{ contact: '<sip:a@h>;expires=-1' }, 3600],
      [{ contact: '<sip:a@h>', expires: '1.5' }, 3600],
      [{ contact: '<sip:a@h>', expires: '9999999999' }, 2 ** 32 - 1],
    ] as const)
      t.match(registerRequest(headers).contacts, [{ expires }], JSON.stringify(headers))
  },
)

t.test('the star stands alone and with Expires: 0 (RFC 3261 §10.3 step 6)', async (t) => {
  t.equal(registerRequest({ contact: '*', expires: '0' }).contacts, '*')
  for (const headers of [
    { contact: '*' },
    { contact: '*', expires: '60' },
    { contact: '*, <sip:a@h>', expires: '0' },
    { contact: '<sip:a@h>, *', expires: '0' },
    { contact: '*;expires=0', expires: '0' },
  ])
    t.match(read(headers), { reply: { status: 400 } }, JSON.stringify(headers))
})

t.test('no contact is a question', async (t) => {
  t.strictSame(registerRequest({}).contacts, [])
})

t.test('instance and reg-id of RFC 5626 are read; a reg-id alone means nothing', async (t) => {
  const { contacts } = registerRequest({
    contact:
      '<sip:a@h>;+sip.instance="<urn:uuid:1>";reg-id=2, <sip:b@h>;reg-id=1, <sip:c@h>;+sip.instance="<x>";reg-id=0',
  })
  t.match(contacts, [
    { instance: '<urn:uuid:1>', regId: 2 },
    { instance: null, regId: null },
    { instance: '<x>', regId: null },
  ])
})

t.test('Path is taken where the phone understands it, else 420 names it (RFC 3327)', async (t) => {
  const path = '<sip:p1.example.org;lr>, <sip:p2.example.org;lr>'
  t.strictSame(registerRequest({ path, supported: 'gruu, path' }).path, [
    '<sip:p1.example.org;lr>',
    '<sip:p2.example.org;lr>',
  ])
  t.strictSame(read({ path }), {
    reply: { status: 420, reason: 'Path Not Supported by the Phone', headers: { Unsupported: 'path' } },
  })
})

t.test('what can not be registered is refused with 400', async (t) => {
  for (const headers of [
    { contact: '<tel:+49301>' },
    { contact: '<mailto:a@h>' },
    { contact: '<http://h/>' },
    { contact: '<sip:a@h' },
    { contact: '<sip:a@h|x>' },
    { contact: '<sip:a@h>;q=1.5' },
    { contact: '<sip:a@h>;q=x' },
    { contact: `<sip:${'a'.repeat(2000)}@h>` },
    { contact: '<sip:a@h>;+sip.instance="\u0000"' },
    { contact: Array.from({ length: 51 }, (_, i) => `<sip:${i}@h>`).join() },
    { 'call-id': '' },
    { 'call-id': 'a\u0000b' },
    { cseq: 'x REGISTER' },
    { cseq: '2147483648 REGISTER' },
    { path: Array(11).fill('<sip:p>').join(), supported: 'path' },
    { path: `<sip:${'p'.repeat(600)};lr>`, supported: 'path' },
    { path: '<sip:p1;lr>, sip:p2;lr', supported: 'path' },
    { path: '<sip:p1;lr', supported: 'path' },
    { path: '<mailto:p1@h>', supported: 'path' },
  ])
    t.match(read(headers), { reply: { status: 400 } }, JSON.stringify(headers).slice(0, 60))
})

t.test('the name of the phone is kept without what a database or a terminal would choke on', async (t) => {
  t.equal(registerRequest({ 'user-agent': 'Fon\u0000\u001b[31m 1.0' }).userAgent, 'Fon[31m 1.0')
  t.equal(registerRequest({ 'user-agent': 'x'.repeat(999) }).userAgent?.length, 255)
  t.equal(registerRequest({}).userAgent, null)
})

t.test('nothing that is taken holds a character that would spoil a transaction for others', async () => {
  const dirty = fc.string({
    unit: fc.constantFrom('a', '1', ' ', '"', '\\', '\0', '\u0001', '\r', '\u007f', 'é'),
  })
  const texts = (value: unknown): string[] =>
    typeof value === 'string'
      ? [value]
      : typeof value === 'object' && value
        ? Object.values(value).flatMap(texts)
        : []
  fc.assert(
    fc.property(dirty, fc.nat(5), (text, place) => {
      const put = (at: number) => (at === place ? text : 'x')
      const result = read({
        contact: `<sip:a${put(0)}@h;p=${put(1)}>;+sip.instance="<${put(2)}>";reg-id=1`,
        path: `"${put(3)}" <sip:${put(4)};lr>`,
        supported: 'path, outbound',
        'call-id': put(5),
        'user-agent': text,
      })
      return 'reply' in result || !texts(result.request).some((one) => /[\0-\x08\x0a-\x1f\x7f]/.test(one))
    }),
  )
})

t.test('a contact that is longer than the database takes is told so; the longest is taken', async (t) => {
  const contact = (length: number) => `<sip:a@h;x=${'y'.repeat(length - 'sip:a@h;x='.length)}>`
  t.strictSame(read({ contact: contact(1025) }), {
    reply: { status: 400, reason: 'Bad Contact: Longer Than 1024 Characters' },
  })
  t.equal(registerRequest({ contact: contact(1024) }).contacts.length, 1)
})
