import assert from 'node:assert/strict'
import t from 'tap'
import fc from 'fast-check'
import { headerParam, parseNameAddr } from '../../../src/engine/message/name-addr.js'

t.test('display name, URI and header parameters are told apart', async (t) => {
  const cases: [text: string, display: string, uri: string, params: string[]][] = [
    ['<sip:a@b;lr>;tag=1', '', 'sip:a@b;lr', ['tag=1']],
    ['sip:a@b;tag=1;x', '', 'sip:a@b', ['tag=1', 'x']],
    ['sip:a@b', '', 'sip:a@b', []],
    ['  Bob  Builder\t< sip:a@b > ; tag = 1 ', 'Bob  Builder', 'sip:a@b', ['tag=1']],
    ['caller<sip:a@b>', 'caller', 'sip:a@b', []],
    ['"B <b@c>; \\"x\\" \\\\" <sip:a@b>', 'B <b@c>; "x" \\', 'sip:a@b', []],
    ['"" <sip:a@b>', '', 'sip:a@b', []],
    ['<sip:a@b>;x="q;<>,\\"";tag=2', '', 'sip:a@b', ['x="q;<>,\\""', 'tag=2']],
    ['sip:a@b;x="<q>"', '', 'sip:a@b', ['x="<q>"']],
    ['tel:+12015550123', '', 'tel:+12015550123', []],
    ['<sip:a@b>;tag=', '', 'sip:a@b', ['tag=']],
    ['<sip:a@b>;tag=ab==;received=2001:db8::1', '', 'sip:a@b', ['tag=ab==', 'received=2001:db8::1']],
  ]
  for (const [text, display, uri, params] of cases) {
    const parsed = parseNameAddr(text)
    t.equal(parsed?.display, display, text)
    t.equal(parsed?.uri, uri, text)
    t.strictSame(
      parsed?.params.map(({ name, value }) => (value === undefined ? name : `${name}=${value}`)),
      params,
      text,
    )
  }
})

t.test('what has no clear end or no URI gives undefined', async (t) => {
  for (const text of [
    '',
    '*',
    '<>',
    'Bob',
    '<sip:a@b',
    'sip:a@b>',
    '"Bob <sip:a@b>',
    '"Bob" sip:a@b',
    'Bob "the" <sip:a@b>',
    '<sip:a b@c>',
    '<<sip:a@b>>',
    '<sip:a@b> tag=1',
    '<sip:a@b>;',
    '<sip:a@b>;;tag=1',
    '<sip:a@b>;=1',
    '<sip:a@b>;x="1',
    '<sip:a@b>;x="1"2',
    '<sip:a@b>;x=1 2',
    '<sip:a@b>;x=1"2',
    '<sip:a@b>, <sip:c@d>',
    'sip:a@b?x=y',
    'sip:a@b,sip:c@d',
  ])
    t.equal(parseNameAddr(text), undefined, text)
})

t.test('one parameter is found without parsing the rest, as the full parser finds it', async (t) => {
  const cases: [text: string, expected: string | undefined][] = [
    ['<sip:a@b>;tag=1', '1'],
    ['<sip:a@b;tag=no>;tag=yes', 'yes'],
    ['<sip:a@b;tag=no>', undefined],
    ['sip:a@b;tag=1', '1'],
    ['"x;tag=no" <sip:a@b>;x=y;TAG=yes', 'yes'],
    ['"<x>;tag=no" <sip:a@b>', undefined],
    ['<sip:a@b>;tag=1;x', '1'],
    ['<sip:a@b> ; tag = 1 ; x', '1'],
    ['<sip:a@b>;tag', ''],
    ['<sip:a@b>;tag=', ''],
    ['<sip:a@b>;tags=2;tag=1', '1'],
    ['sip:a@b;x="<;tag=no>";tag=yes', 'yes'],
    ['<sip:a@b>', undefined],
    ['"unclosed <sip:a@b>;tag=1', undefined],
    ['', undefined],
  ]
  for (const [text, expected] of cases) t.equal(headerParam(text, 'tag'), expected, text)
})

t.test('the fast way and the full parser never disagree on a valid value', async (t) => {
  const piece = fc.constantFrom('"', '\\', '<', '>', 'sip:a@b', ';', 'tag', '=', 'x', ' ', '1', ',', 'TAG')
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 16 }), (pieces) => {
      const text = pieces.join('')
      const parsed = parseNameAddr(text)
      if (parsed === undefined) return
      const tag = parsed.params.find(({ name }) => name.toLowerCase() === 'tag')
      assert.equal(headerParam(text, 'tag'), tag && (tag.value ?? ''), text)
    }),
    { numRuns: 5000 },
  )
  t.pass()
})
