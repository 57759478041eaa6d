import t from 'tap'
import fc from 'fast-check'
import { identityHeaders } from '../../src/sip/identity.js'
import { parseNameAddr } from '../../src/sip/header-values.js'

function identity(displayName: string | null, headers: Record<string, string> = {}) {
  const all: Record<string, string> = { from: '"Boss" <sip:900@evil.example>;tag=abc', ...headers }
  return identityHeaders({ virtualNumber: '111', displayName }, 'example.org', {
    header: (name) => all[name.toLowerCase()],
  })
}

t.test(
  'the callee sees number and name of the account, whatever the phone claims; the tag stays',
  async (t) => {
    t.strictSame(identity('Ann'), {
      From: '"Ann" <sip:111@example.org>;tag=abc',
      'P-Asserted-Identity': '"Ann" <sip:111@example.org>',
    })
    t.equal(identity(null)['From'], '<sip:111@example.org>;tag=abc')
  },
)

t.test('claims of the phone and its credentials do not travel on', async (t) => {
  const headers = identity(null, {
    'p-asserted-identity': '<sip:900@x>',
    'p-preferred-identity': '<sip:900@x>',
    'remote-party-id': '<sip:900@x>',
    identity: 'e30.e30.c2ln;info=<https://x/c.pem>',
    'history-info': '<sip:900@x>;index=1',
    diversion: '<sip:900@x>;reason=unconditional',
    'proxy-authorization': 'Digest …',
    authorization: 'Digest …',
  })
  t.equal(headers['P-Asserted-Identity'], '<sip:111@example.org>')
  for (const name of [
    'P-Preferred-Identity',
    'Remote-Party-ID',
    'Identity',
    'History-Info',
    'Diversion',
    'Proxy-Authorization',
    'Authorization',
  ])
    t.equal(headers[name], '', name)
})

t.test('who asks for privacy is shown to nobody', async (t) => {
  for (const privacy of ['id', 'header', 'user', 'critical', 'id;critical', 'session; ID', 'none, user'])
    t.strictSame(
      identity('Ann', { privacy, 'p-asserted-identity': '<sip:900@x>' }),
      { From: '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=abc', 'P-Asserted-Identity': '' },
      privacy,
    )
  for (const privacy of ['none', 'session', '']) t.match(identity('Ann', { privacy })['From'], /111/, privacy)
})

t.test('no name can break out of its quotes', async (t) => {
  t.equal(
    identity('Eve" <sip:900@x>;tag=y,\\\r\nX-Evil: 1\u0000\u0085\u2028')['From'],
    '"Eve\\" <sip:900@x>;tag=y,\\\\ X-Evil: 1" <sip:111@example.org>;tag=abc',
  )
  t.equal(identity(' \r\n ')['From'], '<sip:111@example.org>;tag=abc')
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (name) => {
      const from = identity(name)['From'] ?? ''
      const parsed = parseNameAddr(from)
      return (
        !/[\r\n\0]/.test(from) && parsed?.uri === 'sip:111@example.org' && parsed.params.get('tag') === 'abc'
      )
    }),
  )
})

t.test('a tag that is no token is left out rather than handed on', async (t) => {
  t.equal(identity(null, { from: '<sip:a@h>;tag="x y"' })['From'], '<sip:111@example.org>')
  t.equal(identity(null, { from: 'sip:a@h;tag=q.1' })['From'], '<sip:111@example.org>;tag=q.1')
})
