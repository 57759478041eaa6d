import { onEveryDatabase, testStore } from '../support/database.js'

const full = (username: string) => ({ username, passwordHash: `hash of ${username}`, role: 'admin' as const })

onEveryDatabase(
  'an administrator is found by name in any case, and shown without the hash',
  async (t, database) => {
    const { admins } = await testStore(t, { database })
    const admin = await admins.create(full('Admin'))
    t.match(admin, { id: 1, username: 'Admin', role: 'admin', enabled: true })
    t.same(await admins.passwordHash('aDMIN'), { admin, passwordHash: 'hash of Admin' })
    t.equal(await admins.passwordHash('nobody'), undefined)
    t.equal(await admins.passwordHash('a\0'), undefined)
    t.same(await admins.list(), [admin])
    t.same(await admins.get(1), admin)
    await t.rejects(admins.create(full('ADMIN')), { code: 'admin_name_taken' })
  },
)

onEveryDatabase('the last enabled administrator stays', async (t, database) => {
  const { admins } = await testStore(t, { database })
  const { id } = await admins.create(full('a'))
  await admins.create({ ...full('o'), role: 'operator' })
  const disabled = await admins.create(full('d'))
  await admins.update(disabled.id, { enabled: false })
  await t.rejects(admins.delete(id), { code: 'last_admin' })
  await t.rejects(admins.update(id, { enabled: false }), { code: 'last_admin' })
  await t.rejects(admins.update(id, { role: 'auditor' }), { code: 'last_admin' })
  t.match(await admins.update(id, { passwordHash: 'x' }), { enabled: true, role: 'admin' })
  t.equal(await admins.delete(disabled.id), true)
  t.equal(await admins.delete(disabled.id), false)
})

onEveryDatabase('two administrators that remove each other at once leave one', async (t, database) => {
  const { admins } = await testStore(t, { database })
  for (let round = 0; round < 10; round += 1) {
    const [a, b] = [await admins.create(full(`a${round}`)), await admins.create(full(`b${round}`))]
    for (const { id } of await admins.list()) if (id !== a.id && id !== b.id) await admins.delete(id)
    const outcome = await Promise.allSettled([admins.delete(a.id), admins.delete(b.id)])
    t.same(outcome.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
    t.equal((await admins.list()).length, 1)
  }
})

onEveryDatabase('a session ends by time, sign-out, new password and disabling', async (t, database) => {
  let time = Date.now()
  const { admins } = await testStore(t, { database, now: () => time })
  await admins.create(full('keeper'))
  const { id } = await admins.create(full('a'))
  const open = (tokenHash: string) =>
    admins.createSession({ adminId: id, tokenHash, csrfHash: `csrf ${tokenHash}`, expiresAt: time + 1000 })

  const session = await open('1')
  t.match(session, { adminId: id, username: 'a', role: 'admin', expiresAt: time + 1000 })
  t.same(await admins.session('1'), { ...session, csrfHash: 'csrf 1' })
  t.equal(await admins.session('other'), undefined)
  time += 1000
  t.equal(await admins.session('1'), undefined)

  const second = await open('2')
  t.equal(await admins.deleteSession(second.id), true)
  t.equal(await admins.deleteSession(second.id), false)
  t.equal(await admins.session('2'), undefined)

  await open('3')
  await admins.update(id, { passwordHash: 'new' })
  t.equal(await admins.session('3'), undefined)

  await open('4')
  await admins.update(id, { enabled: false })
  t.equal(await admins.session('4'), undefined)
  await admins.update(id, { enabled: true })
  t.equal(await admins.session('4'), undefined, 'and does not come back')
})

onEveryDatabase(
  'a token is found by its hash while it lives, and its use is noted once a minute',
  async (t, database) => {
    let time = Date.now()
    const { admins } = await testStore(t, { database, now: () => time })
    const made = await admins.createToken({
      name: 'ci',
      tokenHash: 'h',
      role: 'operator',
      expiresAt: time + 3_600_000,
    })
    t.match(made, { id: 1, name: 'ci', role: 'operator', expiresAt: time + 3_600_000, lastUsedAt: null })
    await t.rejects(admins.createToken({ name: 'ci', tokenHash: 'x', role: 'admin', expiresAt: null }), {
      code: 'token_name_taken',
    })
    const first = time
    t.match(await admins.token('h'), { lastUsedAt: first })
    time += 59_000
    t.match(await admins.token('h'), { lastUsedAt: first })
    time += 1_000
    t.match(await admins.token('h'), { lastUsedAt: time })
    t.match(await admins.tokens(), [{ name: 'ci', lastUsedAt: time }])
    time = first + 3_600_000
    t.equal(await admins.token('h'), undefined)
    t.equal(await admins.deleteToken(1), true)
    t.equal(await admins.deleteToken(1), false)
  },
)

onEveryDatabase('a setting made by two at once has one value', async (t, database) => {
  const { settings } = await testStore(t, { database })
  t.equal(await settings.get('secret'), undefined)
  const values = await Promise.all(
    Array.from({ length: 10 }, (_, n) => settings.getOrCreate('secret', () => String(n))),
  )
  t.equal(new Set(values).size, 1)
  t.equal(await settings.get('secret'), values[0])
  await settings.set('secret', 'x')
  await settings.set('secret', 'y')
  t.equal(await settings.getOrCreate('secret', () => 'z'), 'y')
})
