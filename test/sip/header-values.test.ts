import t from 'tap'
import fc from 'fast-check'
import { hostPort, parseNameAddr, splitValues, tokens } from '../../src/sip/header-values.js'

t.test('commas within quotes and angle brackets do not separate values', async (t) => {
  t.strictSame(splitValues('"a, \\" b" <sip:x@h;p=1,2>;q=0.5 , sip:y@h,,<sip:z@h>'), [
    '"a, \\" b" <sip:x@h;p=1,2>;q=0.5',
    'sip:y@h',
    '<sip:z@h>',
  ])
  t.strictSame(splitValues('  '), [])
})

t.test('parameters behind a bare URI are those of the header', async (t) => {
  t.match(parseNameAddr('sip:a@h;expires=7;tag=x'), { uri: 'sip:a@h' })
  t.equal(parseNameAddr('sip:a@h;expires=7')?.params.get('expires'), '7')
  t.equal(parseNameAddr('<sip:a@h;expires=7>')?.params.get('expires'), undefined)
})

t.test('names, quotes and spaces around an address are read', async (t) => {
  const address = parseNameAddr('Alice Smith  < sip:a@h > ; +sip.instance = "<urn:uuid:1>" ;q=1;flag')
  t.equal(address?.uri, 'sip:a@h')
  t.equal(address?.params.get('+sip.instance'), '<urn:uuid:1>')
  t.equal(address?.params.get('flag'), null)
  t.equal(parseNameAddr('"<sip:evil@x>" <sip:a@h>')?.uri, 'sip:a@h')
})

t.test('what follows no grammar is refused', async (t) => {
  for (const text of ['', '<>', '"a" <sip:a@h', '<sip:a@h> junk', '<sip:a@h>;=x', '"unclosed <sip:a@h>'])
    t.equal(parseNameAddr(text), undefined, text)
})

t.test('no text throws', async () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      splitValues(text)
      parseNameAddr(text)
      return true
    }),
  )
})

t.test('option tags are compared without regard to case', async (t) => {
  t.strictSame([...tokens('Path, OUTBOUND')], ['path', 'outbound'])
  t.equal(tokens(undefined).size, 0)
  t.equal(hostPort('::1', 5060), '[::1]:5060')
})

t.test('long headers that follow no grammar take no long time', async (t) => {
  const started = Date.now()
  const n = 60_000
  for (const text of [
    `a${' '.repeat(n)}`,
    `<${' '.repeat(n)}`,
    `"${'\\"'.repeat(n / 2)}`,
    `<sip:a@h>${' ;a'.repeat(n / 3)}=`,
    `<sip:a@h>;a=${' '.repeat(n)}"`,
    '<'.repeat(n),
    ','.repeat(n),
  ]) {
    parseNameAddr(text)
    splitValues(text)
  }
  t.ok(Date.now() - started < 500)
})
