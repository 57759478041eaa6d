import t from 'tap'
import { productFor, type Account } from '../support/product.js'
import { sippSettings } from '../support/sipp.js'
import { skipWithout } from '../support/tools.js'
import { device, plays, type Host, type Transport } from './phones.js'

// Debian's SIPp is built without TLS: its TLS is that of the softphones.
const transports: Transport[] = ['udp', 'tcp']
const bothFamilies = '127.0.0.1:0,[::1]:0'
/** Longer than any phone here takes to answer, however busy the machine; the test without an answer waits that long. */
const ringTimeout = '4'

t.test('SIPp', { skip: skipWithout('sipp') }, async (t) => {
  const listeners = { SIP_UDP: bothFamilies, SIP_TCP: bothFamilies }
  const product = await productFor(t, { ...sippSettings, ...listeners, SIP_RING_TIMEOUT: ringTimeout })
  // Callers and callees are of two groups: groups never restrict calls.
  const [callers, callees] = [await product.createGroup('Callers'), await product.createGroup('Callees')]
  const caller = await product.createAccount(callers, { virtualNumber: '111' })
  let next = 200
  const newCallee = (): Promise<Account> => product.createAccount(callees, { virtualNumber: String(++next) })
  const bindings = async (account: Account): Promise<unknown[]> => {
    const { body } = await product.api('GET', `/accounts/${account.id}/registrations`)
    return (body as { items: unknown[] }).items
  }
  const serverFor = (transport: Transport, host: Host = '127.0.0.1'): string =>
    product.sip(transport, host === '::1' ? 6 : 4)

  // Most of the time of a scenario passes in waiting.
  await t.test('registers and calls', { jobs: 6 }, async (t) => {
    const calls = (
      t: Parameters<typeof plays>[0],
      scenario: string,
      number: string,
      transport: Transport = 'udp',
      { host = '127.0.0.1', from = caller }: { host?: Host; from?: Account } = {},
    ): Promise<void> => {
      const remote = serverFor(transport, host)
      return plays(t, { scenario, remote, transport, host, users: [{ ...from, dials: number }] })
    }

    // The longest first.
    t.test('nobody answers', async (t) => {
      const callee = await newCallee()
      const rang = await device(t, serverFor('udp'), callee, 'uas-rings-expect-cancel')
      await calls(t, 'no-answer-expect-480', callee.virtualNumber)
      await rang()
    })

    for (const transport of transports) {
      t.test(`over ${transport}: all three devices ring, an answer stops the others`, async (t) => {
        const callee = await newCallee()
        const server = serverFor(transport)
        const devices = [
          await device(t, server, callee, 'uas-rings-expect-answered-elsewhere', transport),
          await device(t, server, callee, 'uas-answers-later', transport),
          await device(t, server, callee, 'uas-rings-expect-answered-elsewhere', transport),
        ]
        await calls(t, 'call-uac-forked', callee.virtualNumber, transport)
        await Promise.all(devices.map((over) => over()))
      })
    }

    for (const transport of transports) {
      t.test(`over ${transport}: registers, refreshes, leaves, and is refused`, async (t) => {
        const run = (scenario: string, account: Account) =>
          plays(t, { scenario, remote: serverFor(transport), transport, users: [account] })

        const phone = await newCallee()
        await run('register-expect-200', phone)
        t.equal((await bindings(phone)).length, 1, 'the API shows the binding')

        const refresher = await newCallee()
        await run('register-refresh-expect-200', refresher)
        t.equal((await bindings(refresher)).length, 1, 'a refresh adds no binding')

        const leaver = await newCallee()
        await run('unregister-expect-200', leaver)
        t.equal((await bindings(leaver)).length, 0, 'and none is left after unregistering')

        const stranger = await newCallee()
        await run('register-wrong-password-expect-403', { ...stranger, password: 'not-the-password' })
        await run('register-too-brief-expect-423', stranger)
        t.equal((await bindings(stranger)).length, 0, 'a refused REGISTER leaves no binding')
      })
    }

    for (const from of transports) {
      for (const to of transports) {
        t.test(`from ${from} to ${to}: answered, ended by the caller`, async (t) => {
          const callee = await newCallee()
          const answered = await device(t, serverFor(to), callee, 'uas-answers', to)
          await calls(t, 'call-uac', callee.virtualNumber, from)
          await answered()
        })

        t.test(`from ${from} to ${to}: answered, ended by the callee`, async (t) => {
          const callee = await newCallee()
          const hungUp = await device(t, serverFor(to), callee, 'uas-hangs-up', to)
          await calls(t, 'call-uac-callee-hangs-up', callee.virtualNumber, from)
          await hungUp()
        })
      }
    }

    for (const transport of transports) {
      t.test(`over ${transport} from IPv6 to IPv6: ended by the caller`, async (t) => {
        const callee = await newCallee()
        const answered = await device(t, serverFor(transport, '::1'), callee, 'uas-answers', transport, '::1')
        await calls(t, 'call-uac', callee.virtualNumber, transport, { host: '::1' })
        await answered()
      })

      t.test(`over ${transport} from IPv4 to IPv6: ended by the callee`, async (t) => {
        const callee = await newCallee()
        const hungUp = await device(t, serverFor(transport, '::1'), callee, 'uas-hangs-up', transport, '::1')
        await calls(t, 'call-uac-callee-hangs-up', callee.virtualNumber, transport)
        await hungUp()
      })

      t.test(`over ${transport} from IPv6 to IPv4: ended by the callee`, async (t) => {
        const callee = await newCallee()
        const hungUp = await device(t, serverFor(transport), callee, 'uas-hangs-up', transport)
        await calls(t, 'call-uac-callee-hangs-up', callee.virtualNumber, transport, { host: '::1' })
        await hungUp()
      })

      t.test(`over ${transport}: the caller gives up`, async (t) => {
        const callee = await newCallee()
        const cancelled = await device(t, serverFor(transport), callee, 'uas-rings-expect-cancel', transport)
        await calls(t, 'cancel-expect-487', callee.virtualNumber, transport)
        await cancelled()
      })

      t.test(`over ${transport}: the callee is busy`, async (t) => {
        const callee = await newCallee()
        const refused = await device(t, serverFor(transport), callee, 'uas-busy', transport)
        await calls(t, 'busy-expect-486', callee.virtualNumber, transport)
        await refused()
      })

      t.test(`over ${transport}: what is refused, and how`, async (t) => {
        const absent = await newCallee()
        await calls(t, 'unknown-number-expect-404', '999', transport)
        await calls(t, 'not-registered-expect-480', absent.virtualNumber, transport)
        await calls(t, 'no-credentials-expect-407', absent.virtualNumber, transport)
        const from = { ...caller, password: 'not-the-password' }
        await calls(t, 'wrong-password-call-expect-403', absent.virtualNumber, transport, { from })
        await calls(t, 'foreign-domain-expect-403', absent.virtualNumber, transport)
      })
    }

    t.test('the callee is shown the virtual number, whatever the caller puts into From', async (t) => {
      const callee = await newCallee()
      const seen = await device(t, serverFor('udp'), callee, 'uas-sees-virtual-number')
      await calls(t, 'call-uac', callee.virtualNumber)
      await seen()
    })
  })

  await t.test('a binding that was acknowledged is there after kill -9', async (t) => {
    const phone = await newCallee()
    await plays(t, { scenario: 'register-expect-200', remote: serverFor('udp'), users: [phone] })
    await product.kill()
    await product.restart()
    t.equal((await bindings(phone)).length, 1)
  })
})
