import { randomBytes } from 'node:crypto'
import t from 'tap'
import type { DigestAlgorithm } from '../../src/config.js'
import { createAuthenticator, namesTarget, type Authentication } from '../../src/sip/authenticate.js'
import { digestResponse, hash } from '../../src/sip/digest.js'
import { createGuesses } from '../../src/sip/guesses.js'
import { createNonces } from '../../src/sip/nonce.js'
import { createNonceCounts } from '../../src/sip/nonce-counts.js'
import { account, FakeStore, REALM } from './fake-store.js'

const URI = 'sip:example.org'

function setUp(algorithms: DigestAlgorithm[] = ['SHA-256', 'MD5']) {
  const clock = { now: 1_000_000 }
  const store = new FakeStore(account(1), account(2, { enabled: false }))
  const nonces = createNonces({
    secret: Buffer.from('secret'),
    realm: REALM,
    lifetimeSeconds: 100,
    now: () => clock.now,
    random: randomBytes,
  })
  const authenticator = createAuthenticator({
    directory: store.directory,
    nonces,
    counts: createNonceCounts(),
    guesses: createGuesses({ now: () => clock.now, limit: 3 }),
    realm: REALM,
    algorithms,
    nonceLifetimeSeconds: 100,
    isLocal: (host) => host === 'example.org' || host === '127.0.0.1',
  })
  const ask = (credentials?: string, uri = URI, address = '192.0.2.7') =>
    authenticator.authenticate({ method: 'REGISTER', uri, credentials, address })
  return { ask, clock, store, nonce: async () => nonceOf(await ask()) }
}

function nonceOf(result: Authentication): string {
  const text = result.verdict === 'challenge' ? result.challenges[0] : undefined
  return /nonce="([^"]+)"/.exec(text ?? '')?.[1] ?? ''
}

interface Answer {
  nonce: string
  username?: string
  password?: string
  algorithm?: DigestAlgorithm
  nc?: string | null
  uri?: string
  method?: string
  realm?: string
}

function answer(options: Answer): string {
  const {
    username = '1001',
    password = 'secret-1',
    algorithm = 'SHA-256',
    uri = URI,
    nc = '00000001',
  } = options
  const realm = options.realm ?? REALM
  const qop = nc === null ? undefined : { nc, count: 0, cnonce: 'abc' }
  const ha1 = hash(algorithm, `${username}:${realm}:${password}`)
  const response = digestResponse(algorithm, ha1, options.method ?? 'REGISTER', {
    nonce: options.nonce,
    uri,
    qop,
  })
  const counted = nc === null ? '' : `, qop=auth, nc=${nc}, cnonce="abc"`
  return `Digest username="${username}", realm="${realm}", nonce="${options.nonce}", uri="${uri}", response="${response}", algorithm=${algorithm}${counted}`
}

t.test('without credentials one challenge per algorithm is given, the better one first', async (t) => {
  const { ask } = setUp()
  const result = await ask()
  t.match(result, { challenges: [/algorithm=SHA-256/, /algorithm=MD5/] })
  t.notMatch(result, { challenges: [/stale/] })
})

t.test('right credentials are accepted with each algorithm offered', async (t) => {
  for (const algorithm of ['SHA-256', 'MD5'] as const) {
    const { ask, nonce } = setUp()
    t.match(
      await ask(answer({ nonce: await nonce(), algorithm })),
      { verdict: 'ok', account: { id: 1 } },
      algorithm,
    )
  }
  const { ask, nonce } = setUp(['SHA-256'])
  t.match(
    await ask(answer({ nonce: await nonce(), algorithm: 'MD5' })),
    { verdict: 'challenge' },
    'not offered',
  )
})

t.test('a replay is never accepted, but counted requests are, in any order', async (t) => {
  const { ask, nonce } = setUp()
  const fresh = await nonce()
  const third = answer({ nonce: fresh, nc: '00000003' })
  t.match(await ask(third), { verdict: 'ok' })
  t.match(await ask(answer({ nonce: fresh, nc: '00000002' })), { verdict: 'ok' })
  const replay = await ask(third)
  t.match(replay, { challenges: [/stale=true/, /stale=true/] })
  t.match(await ask(answer({ nonce: nonceOf(replay) })), { verdict: 'ok' }, 'the new nonce works')
})

t.test('a client that does not count is accepted once per nonce (RFC 3261 §22.4)', async (t) => {
  const { ask, nonce } = setUp()
  const old = answer({ nonce: await nonce(), algorithm: 'MD5', nc: null })
  t.match(await ask(old), { verdict: 'ok' })
  t.match(await ask(old), { verdict: 'challenge' })
})

t.test('an expired nonce is stale and no failure; a made-up one gets a plain challenge', async (t) => {
  const { ask, nonce, clock } = setUp()
  const fresh = await nonce()
  clock.now += 100_000
  t.match(await ask(answer({ nonce: fresh })), { challenges: [/stale=true/, /stale=true/] })
  const madeUp = await ask(answer({ nonce: 'x'.repeat(44) }))
  t.match(madeUp, { verdict: 'challenge' })
  t.notMatch(madeUp, { challenges: [/stale/] })
})

t.test('a nonce past half its life brings the next one along', async (t) => {
  const { ask, nonce, clock } = setUp()
  const fresh = await nonce()
  t.notMatch(await ask(answer({ nonce: fresh })), { nextNonce: /./ })
  clock.now += 51_000
  const result = await ask(answer({ nonce: fresh, nc: '00000002' }))
  const next = result.verdict === 'ok' ? (result.nextNonce ?? '') : ''
  t.match(await ask(answer({ nonce: next })), { verdict: 'ok' })
})

t.test('unknown user and wrong password differ in the log alone', async (t) => {
  const { ask, nonce } = setUp()
  const { why: unknown, ...first } = (await ask(answer({ nonce: await nonce(), username: '9999' }))) as {
    why: string
  }
  const { why: wrong, ...second } = (await ask(answer({ nonce: await nonce(), password: 'no' }))) as {
    why: string
  }
  t.strictSame({ ...first, username: '' }, { ...second, username: '' })
  t.strictSame([unknown, wrong], ['unknown user', 'wrong password'])
})

t.test('a wrong answer does not use up the count of a right one', async (t) => {
  const { ask, nonce } = setUp()
  const fresh = await nonce()
  t.match(await ask(answer({ nonce: fresh, password: 'no' })), { verdict: 'refused' })
  t.match(await ask(answer({ nonce: fresh })), { verdict: 'ok' })
})

t.test('too many wrong answers shut that address out for that username, known or not', async (t) => {
  const { ask, nonce, clock, store } = setUp()
  const fresh = await nonce()
  for (const username of ['1001', '9999']) {
    const right = answer({ nonce: fresh, username })
    const wrong = answer({ nonce: fresh, username, password: 'no' })
    t.notMatch(await ask(wrong), { guessing: /./ })
    t.notMatch(await ask(wrong), { guessing: /./ })
    t.match(await ask(wrong), { verdict: 'refused', guessing: 'begun' })
    store.away = true
    for (const credentials of [wrong, right]) {
      const refused = await ask(credentials)
      t.match(refused, { verdict: 'refused', guessing: 'goes on' }, 'without a look')
      t.notMatch(refused, { reason: /./ }, 'and no other answer than before')
    }
    store.away = false
  }
  t.match(await ask(answer({ nonce: fresh }), URI, '192.0.2.8'), { verdict: 'ok' }, 'elsewhere')
  clock.now += 60_000
  t.match(await ask(answer({ nonce: fresh, nc: '00000002' })), { verdict: 'ok' }, 'a minute later')
})

t.test('guesses that come all at once are no way around the limit', async (t) => {
  const { ask, nonce } = setUp()
  const fresh = await nonce()
  const guesses = Array.from({ length: 20 }, (_, i) => ask(answer({ nonce: fresh, password: `no ${i}` })))
  const right = ask(answer({ nonce: fresh }))
  t.equal(
    (await Promise.all(guesses)).filter((one) => 'why' in one && one.why === 'wrong password').length,
    3,
  )
  t.match(await right, { verdict: 'refused' })
})

t.test('that an account is disabled is told only to who knows its password', async (t) => {
  const { ask, nonce } = setUp()
  const username = '1002'
  t.match(await ask(answer({ nonce: await nonce(), username, password: 'secret-2' })), {
    verdict: 'refused',
    reason: 'Account Disabled',
  })
  t.equal(((await ask(answer({ nonce: await nonce(), username }))) as { reason?: string }).reason, undefined)
})

t.test('method and uri are bound to the response', async (t) => {
  const { ask, nonce } = setUp()
  t.match(await ask(answer({ nonce: await nonce(), method: 'INVITE' })), { verdict: 'refused' })
  t.match(await ask(answer({ nonce: await nonce(), uri: 'sip:elsewhere.org' })), { verdict: 'malformed' })
  t.match(await ask('Digest username="'), { verdict: 'malformed' })
})

t.test('credentials for other servers on the way are passed over', async (t) => {
  const { ask, nonce } = setUp()
  const foreign = answer({ nonce: 'n', realm: 'elsewhere' })
  t.match(await ask(foreign), { verdict: 'challenge' })
  t.match(await ask(`${foreign}, ${answer({ nonce: await nonce() })}`), { verdict: 'ok' })
})

t.test('the signed uri may be the target, the same without its parameters, or the domain', async (t) => {
  const isLocal = (host: string) => host === 'example.org' || host === '127.0.0.1'
  for (const [signed, target, expected] of [
    ['sip:111@example.org', 'sip:111@example.org', true],
    ['sip:111@EXAMPLE.org', 'sip:111@example.org;transport=tcp', true],
    ['sip:example.org', 'sip:111@example.org', true],
    ['sip:127.0.0.1:5060', 'sip:111@example.org', true],
    ['example.org', 'sip:example.org', true],
    ['sip:11%31@example.org', 'sip:111@example.org', true],
    ['tel:111', 'tel:111', true],
    ['sip:222@example.org', 'sip:111@example.org', false],
    ['sip:111@example.org', 'sip:example.org', false],
    ['sip:evil.org', 'sip:111@example.org', false],
    ['*', 'sip:111@example.org', false],
  ] as const)
    t.equal(namesTarget(signed, target, isLocal), expected, `${signed} for ${target}`)
})
