import t from 'tap'
import { productFor, type Account, type Product } from '../support/product.js'
import { sippSettings } from '../support/sipp.js'
import { skipWithout } from '../support/tools.js'
import { device, plays, type Transport } from './phones.js'

const skip = skipWithout('sipp')

/** A caller with the number 111 in one group, and callees on demand in another: groups never restrict calls. */
const telephones = async (product: Product) => {
  const caller = await product.createAccount(await product.createGroup('Callers'), { virtualNumber: '111' })
  const group = await product.createGroup('Callees')
  let next = 200
  const newCallee = (): Promise<Account> => product.createAccount(group, { virtualNumber: String(++next) })
  return { caller, newCallee }
}

t.test('SIPp calls', { skip }, async (t) => {
  const product = await productFor(t, sippSettings)
  const { caller, newCallee } = await telephones(product)
  const calls = (
    t: Parameters<typeof plays>[0],
    scenario: string,
    number: string,
    transport: Transport = 'udp',
    from = caller,
  ): Promise<void> =>
    plays(t, { scenario, remote: product.sip(transport), transport, users: [{ ...from, dials: number }] })

  for (const from of ['udp', 'tcp'] as Transport[]) {
    for (const to of ['udp', 'tcp'] as Transport[]) {
      t.test(`from ${from} to ${to}: answered, ended by the caller`, async (t) => {
        const callee = await newCallee()
        const answered = await device(t, product.sip(to), callee, 'uas-answers', to)
        await calls(t, 'call-uac', callee.virtualNumber, from)
        await answered()
      })

      t.test(`from ${from} to ${to}: answered, ended by the callee`, async (t) => {
        const callee = await newCallee()
        const hungUp = await device(t, product.sip(to), callee, 'uas-hangs-up', to)
        await calls(t, 'call-uac-callee-hangs-up', callee.virtualNumber, from)
        await hungUp()
      })
    }
  }

  t.test('the callee is shown the virtual number, whatever the caller puts into From', async (t) => {
    const callee = await newCallee()
    const seen = await device(t, product.sip('udp'), callee, 'uas-sees-virtual-number')
    await calls(t, 'call-uac', callee.virtualNumber)
    await seen()
  })

  for (const transport of ['udp', 'tcp'] as Transport[]) {
    t.test(`over ${transport}: the caller gives up`, async (t) => {
      const callee = await newCallee()
      const cancelled = await device(t, product.sip(transport), callee, 'uas-rings-expect-cancel', transport)
      await calls(t, 'cancel-expect-487', callee.virtualNumber, transport)
      await cancelled()
    })

    t.test(`over ${transport}: the callee is busy`, async (t) => {
      const callee = await newCallee()
      const refused = await device(t, product.sip(transport), callee, 'uas-busy', transport)
      await calls(t, 'busy-expect-486', callee.virtualNumber, transport)
      await refused()
    })

    t.test(`over ${transport}: all three devices ring, an answer stops the others`, async (t) => {
      const callee = await newCallee()
      const server = product.sip(transport)
      const devices = [
        await device(t, server, callee, 'uas-rings-expect-answered-elsewhere', transport),
        await device(t, server, callee, 'uas-answers-later', transport),
        await device(t, server, callee, 'uas-rings-expect-answered-elsewhere', transport),
      ]
      await calls(t, 'call-uac-forked', callee.virtualNumber, transport)
      await Promise.all(devices.map((over) => over()))
    })

    t.test(`over ${transport}: what is refused, and how`, async (t) => {
      const absent = await newCallee()
      await calls(t, 'unknown-number-expect-404', '999', transport)
      await calls(t, 'not-registered-expect-480', absent.virtualNumber, transport)
      await calls(t, 'no-credentials-expect-407', absent.virtualNumber, transport)
      const intruder = { ...caller, password: 'not-the-password' }
      await calls(t, 'wrong-password-call-expect-403', absent.virtualNumber, transport, intruder)
      await calls(t, 'foreign-domain-expect-403', absent.virtualNumber, transport)
    })
  }
})

t.test('SIPp rings and nobody answers', { skip }, async (t) => {
  const product = await productFor(t, { ...sippSettings, SIP_RING_TIMEOUT: '2' })
  const { caller, newCallee } = await telephones(product)
  const callee = await newCallee()
  const rang = await device(t, product.sip('udp'), callee, 'uas-rings-expect-cancel')
  await plays(t, {
    scenario: 'no-answer-expect-480',
    remote: product.sip('udp'),
    users: [{ ...caller, dials: callee.virtualNumber }],
  })
  await rang()
})
