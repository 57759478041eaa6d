import assert from 'node:assert/strict'
import t from 'tap'
import fc from 'fast-check'
import { formatUri, parseUri, uriParam, withoutUriParams } from '../../../src/engine/message/uri.js'

function uri(text: string) {
  const parsed = parseUri(text)
  if (parsed === undefined) throw new Error(`not a URI: ${text}`)
  return parsed
}

t.test('a SIP URI is taken apart', async (t) => {
  t.strictSame(uri('sip:alice:pass;wd@Example.ORG:5070;Transport=tcp;lr?Subject=hi&Priority='), {
    scheme: 'sip',
    user: 'alice',
    password: 'pass;wd',
    host: 'example.org',
    port: 5070,
    params: [
      { name: 'Transport', value: 'tcp' },
      { name: 'lr', value: undefined },
    ],
    headers: [
      { name: 'Subject', value: 'hi' },
      { name: 'Priority', value: '' },
    ],
    opaque: undefined,
  })
})

t.test('parameters are found in any case; flags have an empty value', async (t) => {
  const parsed = uri('sip:a@b;TRANSPORT=ws;lr')
  t.equal(uriParam(parsed, 'transport'), 'ws')
  t.equal(uriParam(parsed, 'lr'), '')
  t.equal(uriParam(parsed, 'maddr'), undefined)
  t.equal(formatUri(withoutUriParams(parsed, ['transport', 'absent'])), 'sip:a@b;lr')
})

t.test('IPv6 hosts have no brackets inside and get them back', async (t) => {
  t.equal(uri('sip:[2001:DB8::1]:5061').host, '2001:db8::1')
  t.equal(uri('sip:[2001:db8::1]').port, undefined)
  // A colon too many before an IPv4 address, as the grammar of RFC 3261 had it (RFC 5118 §4.10).
  t.equal(uri('sip:[2001:db8:::192.0.2.1]').host, '2001:db8::192.0.2.1')
  t.equal(formatUri(uri('sip:a@[2001:db8::1]:5061;lr')), 'sip:a@[2001:db8::1]:5061;lr')
})

t.test('tel and other schemes', async (t) => {
  const tel = uri('tel:+1-201-555-0123;phone-context=example.com')
  t.equal(tel.user, '+1-201-555-0123')
  t.equal(uriParam(tel, 'phone-context'), 'example.com')
  t.equal(formatUri(tel), 'tel:+1-201-555-0123;phone-context=example.com')
  t.equal(uri('URN:service:sos').opaque, 'service:sos')
  t.equal(formatUri(uri('URN:service:sos')), 'urn:service:sos')
})

t.test('an empty user part is the same as none', async (t) => {
  t.equal(uri('sip:@example.org').user, undefined)
})

t.test('what is no URI gives undefined', async (t) => {
  for (const text of [
    '',
    'sip',
    'sip:',
    ':x',
    'sip:a@',
    'sip::pw@host',
    'sip:a@b@c',
    'sip:a@b;x=c@d',
    'sip:a@b c',
    'sip:a@<b>',
    'sip:a@"b"',
    'sip:a@b\\c',
    'sip:a@b:port',
    'sip:a@b:',
    'sip:a@b:70000',
    'sip:a@b;',
    'sip:a@b;;lr',
    'sip:a@b;=x',
    'sip:a@b?',
    'sip:a@[::1',
    'sip:a@[2001:db8:::1]',
    'sip:a@[:::::192.0.2.1]',
    'sip:a@[::1]x',
    'sip:a@[1.2.3.4]',
    'sip:a@::1',
    'sip:a%4@b',
    'sip:a@b%20',
    'sip:a@b\0',
    '1sip:a@b',
    'tel:',
    'tel:+',
    'tel:12x',
    'tel:12;',
    'mailto:',
  ])
    t.equal(parseUri(text), undefined, JSON.stringify(text))
})

t.test('formatting and reading again gives the same URI', async (t) => {
  const word = fc.stringMatching(/^[A-Za-z0-9._~-]{1,12}$/)
  const value = fc.option(word, { nil: undefined })
  const pairs = fc.array(fc.record({ name: word, value }, { noNullPrototype: true }), { maxLength: 4 })
  const anyUri = fc.record({
    scheme: fc.constantFrom('sip', 'sips'),
    user: fc.stringMatching(/^[A-Za-z0-9;?&=+$,/_.!~*'()-]{1,12}$/),
    password: value,
    host: fc.oneof(fc.domain(), fc.ipV4(), fc.constantFrom('2001:db8::1', '::1', '::ffff:192.0.2.1')),
    port: fc.option(fc.integer({ min: 0, max: 65535 }), { nil: undefined }),
    params: pairs,
    headers: pairs,
  })
  fc.assert(
    fc.property(anyUri, (parts) => {
      const expected = { ...parts, host: parts.host.toLowerCase(), opaque: undefined }
      assert.deepEqual(parseUri(formatUri(expected)), expected)
    }),
  )
  t.pass()
})

t.test('reading never throws, and what was read is written readably', async (t) => {
  const piece = fc.constantFrom(
    'sip:',
    'tel:',
    '@',
    ':',
    ';',
    '?',
    '=',
    '&',
    '[',
    ']',
    '%41',
    '%',
    'a',
    '1',
    '::1',
    '.',
    ' ',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
      const parsed = parseUri(pieces.join(''))
      if (parsed !== undefined) assert.deepEqual(parseUri(formatUri(parsed)), parsed)
    }),
    { numRuns: 2000 },
  )
  t.pass()
})
