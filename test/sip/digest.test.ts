import t from 'tap'
import fc from 'fast-check'
import { challenges, digestResponse, hash, parseCredentials, sameResponse } from '../../src/sip/digest.js'

function ha1(algorithm: 'MD5' | 'SHA-256', username: string, realm: string, password: string) {
  return hash(algorithm, `${username}:${realm}:${password}`)
}

t.test('the responses of the examples in the RFCs are computed', async (t) => {
  const rfc7616 = {
    nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v',
    uri: '/dir/index.html',
    qop: { nc: '00000001', count: 1, cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ' },
  }
  const user = ['Mufasa', 'http-auth@example.org', 'Circle of Life'] as const
  t.equal(
    digestResponse('SHA-256', ha1('SHA-256', ...user), 'GET', rfc7616),
    '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1',
    'RFC 7616 §3.9.1, SHA-256',
  )
  t.equal(
    digestResponse('MD5', ha1('MD5', ...user), 'GET', rfc7616),
    '8ca523f5e9506fed4657c9700eebdbec',
    'RFC 7616 §3.9.1, MD5',
  )
  const rfc2617 = { nonce: 'dcd98b7102dd2f0e8b11d0f600bfb0c093', uri: '/dir/index.html' }
  const old = ha1('MD5', 'Mufasa', 'testrealm@host.com', 'Circle Of Life')
  t.equal(
    digestResponse('MD5', old, 'GET', { ...rfc2617, qop: { nc: '00000001', count: 1, cnonce: '0a4f113b' } }),
    '6629fae49393a05397450978507c4ef1',
    'RFC 2617 §3.5',
  )
  t.equal(
    digestResponse('MD5', old, 'GET', { ...rfc2617, qop: undefined }),
    '670fd8c2df070c60b045671b8b24ff02',
    'the same without qop',
  )
})

const COMPLETE =
  'username="u", realm="r", nonce="n", uri="sip:h", response="ABCDEF", algorithm=SHA-256, cnonce="c", qop=auth, nc=0000000a'

t.test('credentials are read in any order, quoted or not', async (t) => {
  const expected = {
    username: 'u',
    realm: 'r',
    nonce: 'n',
    uri: 'sip:h',
    response: 'abcdef',
    algorithm: 'SHA-256',
    qop: { nc: '0000000a', count: 10, cnonce: 'c' },
  }
  t.strictSame(parseCredentials(`Digest ${COMPLETE}`), [expected])
  const shuffled =
    'digest  NC=0000000a,QOP="auth" , cnonce=c,response=ABCDEF,uri=sip:h,nonce=n,,realm=r,username = "u", algorithm="sha-256",opaque=""'
  t.strictSame(parseCredentials(shuffled), [expected])
})

t.test(
  'escaped characters in username and realm are resolved, commas and quotes in them do no harm',
  async (t) => {
    const [one] =
      parseCredentials('Digest username="a\\"b,c=\\\\", realm="r", nonce="n", uri="u", response="r"') ?? []
    t.equal(one?.username, 'a"b,c=\\')
    t.equal(one?.algorithm, 'MD5', 'no algorithm means MD5')
    t.equal(one?.qop, undefined)
  },
)

t.test('several credentials in one value are told apart, other schemes are passed over', async (t) => {
  const header = `Bearer abc==, Custom a=1, b="x, Digest y", Digest ${COMPLETE}, Basic dTpw, Digest ${COMPLETE.replace('"u"', '"v"')}`
  t.strictSame(
    parseCredentials(header)?.map(({ username }) => username),
    ['u', 'v'],
  )
})

t.test('an unknown algorithm is told apart from MD5', async (t) => {
  t.equal(parseCredentials(`Digest ${COMPLETE.replace('SHA-256', 'MD5-sess')}`)?.[0]?.algorithm, undefined)
})

t.test('malformed credentials are refused', async (t) => {
  for (const [why, header] of [
    ['a parameter twice', `Digest ${COMPLETE}, username="x"`],
    ['an unclosed quote', 'Digest username="u'],
    ['no response', 'Digest username="u", realm="r", nonce="n", uri="u"'],
    ['no scheme', 'username="u", realm="r"'],
    ['nc that is no number', `Digest ${COMPLETE.replace('0000000a', '0000000g')}`],
    ['nc 0', `Digest ${COMPLETE.replace('0000000a', '00000000')}`],
    ['nc missing', `Digest ${COMPLETE.replace(', nc=0000000a', '')}`],
    ['auth-int', `Digest ${COMPLETE.replace('qop=auth', 'qop=auth-int')}`],
    ['a control character', `Digest ${COMPLETE.replace('"u"', '"u\u0000"')}`],
    ['text behind a quoted value', `Digest ${COMPLETE.replace('"u"', '"u"x')}`],
    ['too long a text', `Digest ${COMPLETE}, opaque="${'x'.repeat(9000)}"`],
    [
      'too many parameters',
      `Digest ${COMPLETE}${Array.from({ length: 40 }, (_, i) => `, p${i}=1`).join('')}`,
    ],
  ] as const)
    t.equal(parseCredentials(header), undefined, why)
})

t.test('any quoted username survives the way through a header', async () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, unit: 'grapheme' }), (username) => {
      fc.pre(!/[\u0000-\u001f\u007f]/.test(username))
      const quoted = username.replace(/["\\]/g, '\\$&')
      const parsed = parseCredentials(`Digest ${COMPLETE.replace('"u"', () => `"${quoted}"`)}`)
      return parsed?.[0]?.username === username
    }),
  )
})

t.test('no text throws or takes long', async (t) => {
  fc.assert(
    fc.property(fc.string({ maxLength: 300 }), (text) => {
      parseCredentials(text)
      parseCredentials(`Digest ${text}`)
      return true
    }),
  )
  const started = Date.now()
  for (const bad of [
    '"\\'.repeat(4000),
    'a '.repeat(4000),
    'a=,'.repeat(2600),
    ' '.repeat(8000),
    'x"'.repeat(4000),
  ])
    parseCredentials(`Digest ${bad}`)
  t.ok(Date.now() - started < 500)
})

t.test('one challenge per algorithm, in the order given', async (t) => {
  t.strictSame(challenges('a"b', 'N', ['SHA-256', 'MD5'], false), [
    'Digest realm="a\\"b", nonce="N", algorithm=SHA-256, qop="auth"',
    'Digest realm="a\\"b", nonce="N", algorithm=MD5, qop="auth"',
  ])
  t.match(challenges('r', 'N', ['MD5'], true)[0], /, stale=true$/)
})

t.test('responses of another length are just different', async (t) => {
  t.ok(sameResponse('ab', 'ab'))
  t.notOk(sameResponse('ab', 'ac'))
  t.notOk(sameResponse('ab', 'abc'))
  t.notOk(sameResponse('ab', 'é'))
})
