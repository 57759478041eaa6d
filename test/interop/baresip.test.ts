import t from 'tap'
import { toneShare } from '../support/audio.js'
import { Baresip, baresipTools } from '../support/baresip.js'
import { productFor, type Product, type TestScope } from '../support/product.js'
import { skipWithout } from '../support/tools.js'

// Six products and twelve phones, with real seconds of sound: slow where the machine is busy.
t.setTimeout(240_000)

const skip = skipWithout(...baresipTools)
const lowTone = 440
const highTone = 1000

const phoneFor = async (t: TestScope, options: Parameters<typeof Baresip.start>[0]): Promise<Baresip> => {
  const phone = await Baresip.start(options)
  t.teardown(async () => {
    if (!t.passing()) t.comment(`log of baresip ${options.account.virtualNumber}:\n${phone.log}`)
    await phone.stop()
  })
  return phone
}

/** Two phones of two groups in a call; the callee took it by itself. */
const talking = async (t: TestScope, product: Product, transport: 'udp' | 'tcp') => {
  const [ann, bob] = [await product.createGroup('Sales'), await product.createGroup('Store')]
  const server = product.sip(transport)
  const caller = await phoneFor(t, {
    account: await product.createAccount(ann, { virtualNumber: '111', displayName: 'Ann' }),
    ...{ server, transport, tone: lowTone, autoAnswer: false },
  })
  const callee = await phoneFor(t, {
    account: await product.createAccount(bob, { virtualNumber: '222', displayName: 'Bob' }),
    ...{ server, transport, tone: highTone, autoAnswer: true },
  })
  await caller.command('dial', 'sip:222@localhost')
  await Promise.all([caller.event('CALL_ESTABLISHED'), callee.event('CALL_ESTABLISHED')])
  return { caller, callee }
}

/** Each hears the other's tone, and not its own: it is neither echoed nor mixed up. */
const hearEachOther = async (t: Tap, caller: Baresip, callee: Baresip): Promise<void> => {
  const [atCaller, atCallee] = await Promise.all([caller.listen(1), callee.listen(1)])
  t.ok(toneShare(atCaller, highTone) > 0.9, 'the caller hears the callee')
  t.ok(toneShare(atCallee, lowTone) > 0.9, 'the callee hears the caller')
  t.equal(toneShare(atCaller, lowTone), 0, 'the caller does not hear itself')
  t.equal(toneShare(atCallee, highTone), 0, 'the callee does not hear itself')
}

type Tap = TestScope & Pick<typeof t, 'ok' | 'equal'>

for (const transport of ['udp', 'tcp'] as const) {
  t.test(`baresip calls baresip over ${transport}`, { skip }, async (t) => {
    const product = await productFor(t)
    const { caller, callee } = await talking(t, product, transport)
    t.equal(
      (await callee.event('CALL_ESTABLISHED')).peeruri,
      'sip:111@localhost',
      'the virtual number is shown',
    )
    await hearEachOther(t, caller, callee)
    await caller.command('hangup')
    await callee.event('CALL_CLOSED')
    t.pass('BYE ends it at the other side')
  })

  for (const who of ['caller', 'callee'] as const) {
    t.test(
      `over ${transport} a call outlives kill -9 of the server, and the ${who} ends it`,
      { skip },
      async (t) => {
        const product = await productFor(t)
        const { caller, callee } = await talking(t, product, transport)
        await product.kill()
        await product.restart()
        await hearEachOther(t, caller, callee)
        const [first, other] = who === 'caller' ? [caller, callee] : [callee, caller]
        t.notOk(other.events.some((event) => event.type === 'CALL_CLOSED'))
        await first.command('hangup')
        await other.event('CALL_CLOSED')
        t.pass('BYE arrives through the restarted server')
      },
    )
  }
}
