import t from 'tap'
import fc from 'fast-check'
import { parseSipUri, sameUri, uriScheme } from '../../src/sip/sip-uri.js'

function uri(text: string) {
  const parsed = parseSipUri(text)
  if (!parsed) throw new Error(`not a SIP URI: ${text}`)
  return parsed
}

t.test('the pairs that RFC 3261 §19.1.4 calls equivalent are equal, both ways round', async (t) => {
  for (const [a, b] of [
    ['sip:%61lice@atlanta.com;transport=TCP', 'sip:alice@AtLanTa.CoM;Transport=tcp'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com;newparam=5'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com;security=on'],
    ['sip:carol@chicago.com;newparam=5', 'sip:carol@chicago.com;security=on'],
    [
      'sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com',
      'sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com',
    ],
    [
      'sip:alice@atlanta.com?subject=project%20x&priority=urgent',
      'sip:alice@atlanta.com?priority=urgent&subject=project%20x',
    ],
    ['sip:a@[2001:DB8::1]:5060', 'sip:a@[2001:db8::1]:5060'],
    ['sip:a@Example.org.:5060', 'sip:a@example.org:5060'],
  ] as const) {
    t.ok(sameUri(uri(a), uri(b)), `${a} = ${b}`)
    t.ok(sameUri(uri(b), uri(a)), `${b} = ${a}`)
  }
})

t.test('the pairs that RFC 3261 §19.1.4 calls different are different', async (t) => {
  for (const [a, b] of [
    ['sip:ALICE@AtLanTa.CoM;Transport=udp', 'sip:alice@AtLanTa.CoM;Transport=UDP'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:5060'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com;transport=udp'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:6000;transport=tcp'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com?Subject=next%20meeting'],
    ['sip:carol@chicago.com;security=on', 'sip:carol@chicago.com;security=off'],
    ['sip:bob@phone21.boxesbybob.com', 'sip:bob@192.0.2.4'],
    ['sip:a@h', 'sips:a@h'],
    ['sip:h', 'sip:a@h'],
    ['sip:a@h..', 'sip:a@h'],
    ['sip:a@h', 'sip:a:pw@h'],
    ['sip:a@h;maddr=1.2.3.4', 'sip:a@h'],
    ['sip:a%3Bb@h', 'sip:a;b@h'],
  ] as const)
    t.notOk(sameUri(uri(a), uri(b)), `${a} ≠ ${b}`)
})

t.test('what is no SIP URI is refused', async (t) => {
  for (const text of [
    '',
    'sip:',
    'sip:@host',
    'tel:+123',
    'mailto:a@b',
    'sip:a@h:99999',
    'sip:a@h:x',
    'sip:a b@h',
    'sip:a@h|x',
    'sip:a@h>',
    'sip:a@b@c',
    'sip:a@h\r\nVia: x',
    'sip:a\u0000@h',
    'sip:[::1',
    `sip:${'a'.repeat(1100)}@h`,
  ])
    t.equal(parseSipUri(text), undefined, JSON.stringify(text.slice(0, 40)))
})

t.test('the parts of a URI are told apart', async (t) => {
  const parsed = uri('sips:+49;x=1:pw@[2001:DB8::1]:5061;transport=TLS;lr?a=b')
  t.match(parsed, {
    scheme: 'sips',
    user: '+49;x=1',
    password: 'pw',
    host: '2001:db8::1',
    port: 5061,
    headers: 'a=b',
  })
  t.strictSame(
    [...parsed.params],
    [
      ['transport', 'TLS'],
      ['lr', null],
    ],
  )
  t.equal(uriScheme('TEL:+1'), 'tel')
})

t.test('no text throws, and every URI equals itself', async () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string().map((s) => `sip:${s}`),
        fc.webUrl().map((s) => s.replace(/^https?:\/\//, 'sip:u@')),
      ),
      (text) => {
        const parsed = parseSipUri(text)
        return parsed === undefined || sameUri(parsed, parsed)
      },
    ),
  )
})
