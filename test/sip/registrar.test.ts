import t from 'tap'
import pino from 'pino'
import { createRegistrar } from '../../src/sip/registrar.js'
import { account, FakeStore } from './fake-store.js'
import { NOW, registerRequest } from './registers.js'

const policy = { minExpires: 60, defaultExpires: 3600, maxExpires: 7200, maxContacts: 10 }
const request = (contact = '<sip:a@h>') => registerRequest({ contact })

function setUp(
  t: { teardown(fn: () => unknown): unknown },
  options: { batch?: number; maxQueued?: number } = {},
) {
  const store = new FakeStore(...Array.from({ length: 50 }, (_, i) => account(i + 1)))
  const registrar = createRegistrar({
    store: store.registrations,
    policy,
    batch: options.batch ?? 500,
    databaseAnswers: () => Promise.resolve(!store.away),
    log: pino({ enabled: false }),
    now: () => NOW,
    ...(options.maxQueued !== undefined && { maxQueued: options.maxQueued }),
  })
  t.teardown(() => registrar.stop())
  return { store, registrar }
}

t.test('what arrives together is one transaction, what arrives meanwhile the next', async (t) => {
  const { store, registrar } = setUp(t, { batch: 8 })
  let release = () => {}
  const started = new Promise<void>((resolve) => {
    store.beforeCommit = () => {
      resolve()
      return new Promise((go) => (release = go))
    }
  })
  const first = [1, 2, 3].map((id) => registrar.register(id, request()))
  await started
  const meanwhile = Array.from({ length: 10 }, (_, i) => registrar.register(i + 4, request()))
  t.equal(registrar.queued, 10)
  store.beforeCommit = () => Promise.resolve()
  release()
  t.match(await Promise.all([...first, ...meanwhile]), Array(13).fill({ reply: { status: 200 } }))
  t.strictSame(store.transactions, [3, 8, 2])
})

t.test('nothing is answered before the commit', async (t) => {
  const { store, registrar } = setUp(t)
  const order: string[] = []
  store.beforeCommit = async () => {
    await new Promise((resolve) => setImmediate(resolve))
    order.push('commit')
  }
  await registrar.register(1, request()).then(() => order.push('answer'))
  t.strictSame(order, ['commit', 'answer'])
})

t.test('several REGISTERs of one account in one batch are applied in their order', async (t) => {
  const { store, registrar } = setUp(t)
  await Promise.all([
    registrar.register(1, request('<sip:a@h>')),
    registrar.register(1, request('<sip:b@h>')),
  ])
  t.equal(store.bindings.get(1)?.length, 2)
  t.strictSame(store.transactions, [2])
})

t.test('one poisoned request does not fail its neighbours', async (t) => {
  const { store, registrar } = setUp(t)
  store.beforeCommit = (ids) => (ids.includes(2) ? Promise.reject(new Error('poison')) : Promise.resolve())
  const results = await Promise.allSettled([1, 2, 3].map((id) => registrar.register(id, request())))
  t.strictSame(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  t.equal((await registrar.register(4, request())).reply.status, 200, 'and the work goes on')
})

t.test('when the database is away, all are told at once, and it works again afterwards', async (t) => {
  const { store, registrar } = setUp(t)
  store.away = true
  const results = await Promise.allSettled([1, 2, 3].map((id) => registrar.register(id, request())))
  t.ok(results.every(({ status }) => status === 'rejected'))
  store.away = false
  t.equal((await registrar.register(1, request())).reply.status, 200)
})

t.test('who finds the queue full is asked to come back', async (t) => {
  const { registrar } = setUp(t, { maxQueued: 2 })
  const results = await Promise.all([1, 2, 3].map((id) => registrar.register(id, request())))
  t.match(results, [{ reply: { status: 200 } }, { reply: { status: 200 } }, { reply: { status: 503 } }])
  t.equal(results[2]?.reply.headers?.['Retry-After'], '5')
})

t.test('an account that was disabled, deleted or made secure meanwhile gets no binding', async (t) => {
  const { store, registrar } = setUp(t)
  const [first, second] = store.accounts
  first!.enabled = false
  second!.securityModel = 'end-to-site'
  t.match(await registrar.register(1, request()), { reply: { status: 403, reason: 'Account Disabled' } })
  t.match(await registrar.register(2, request()), {
    reply: { status: 403, headers: { Warning: /TLS or WSS/ } },
  })
  t.match(await registrar.register(99, request()), { reply: { status: 403 } })
  t.match(await registrar.register(2, { ...request(), transport: 'tls' }), { reply: { status: 200 } })
  t.strictSame([...store.bindings.keys()], [2])
})

t.test('stopping waits for what was accepted', async (t) => {
  const { store, registrar } = setUp(t)
  const answers = [1, 2].map((id) => registrar.register(id, request()))
  await registrar.stop()
  t.equal(store.bindings.size, 2)
  await Promise.all(answers)
})
