import t from 'tap'
import { canonicalName, labelFor, readHeaderName } from '../../../src/engine/message/header-names.js'

t.test('all registered compact forms are known, in both cases', async (t) => {
  const compact: Record<string, string> = {
    a: 'accept-contact',
    b: 'referred-by',
    c: 'content-type',
    d: 'request-disposition',
    e: 'content-encoding',
    f: 'from',
    i: 'call-id',
    j: 'reject-contact',
    k: 'supported',
    l: 'content-length',
    m: 'contact',
    n: 'identity-info',
    o: 'event',
    r: 'refer-to',
    s: 'subject',
    t: 'to',
    u: 'allow-events',
    v: 'via',
    x: 'session-expires',
    y: 'identity',
  }
  for (const [letter, name] of Object.entries(compact)) {
    t.equal(canonicalName(letter), name)
    t.equal(canonicalName(letter.toUpperCase()), name)
    t.strictSame(readHeaderName(letter), { name, label: letter, known: true })
  }
})

t.test('names are found in any spelling, and unknown ones are lower-cased', async (t) => {
  for (const spelling of ['Call-ID', 'call-id', 'CALL-ID', 'Call-Id'])
    t.equal(canonicalName(spelling), 'call-id')
  t.strictSame(readHeaderName('X-Foo'), { name: 'x-foo', label: 'X-Foo', known: false })
  t.equal(canonicalName('constructor'), 'constructor')
})

t.test('labels are written as usual', async (t) => {
  for (const label of [
    'Call-ID',
    'CSeq',
    'WWW-Authenticate',
    'MIME-Version',
    'RAck',
    'RSeq',
    'SIP-ETag',
    'Min-SE',
    'Via',
  ])
    t.equal(labelFor(label.toLowerCase()), label)
  t.equal(labelFor('x-some-thing'), 'X-Some-Thing')
})
