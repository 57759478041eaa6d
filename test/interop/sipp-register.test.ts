import t from 'tap'
import { productFor, type Account } from '../support/product.js'
import { sippSettings } from '../support/sipp.js'
import { skipWithout } from '../support/tools.js'
import { plays, type Transport } from './phones.js'

t.test('SIPp registers', { skip: skipWithout('sipp') }, async (t) => {
  const product = await productFor(t, sippSettings)
  const group = await product.createGroup('SIPp')
  let next = 111
  const newAccount = () => product.createAccount(group, { virtualNumber: String(next++) })
  const bindings = async (account: Account): Promise<unknown[]> => {
    const { body } = await product.api('GET', `/accounts/${account.id}/registrations`)
    return (body as { items: unknown[] }).items
  }

  for (const transport of ['udp', 'tcp'] as Transport[]) {
    t.test(`over ${transport}`, async (t) => {
      const remote = product.sip(transport)
      const run = (scenario: string, account: Account) =>
        plays(t, { scenario, remote, transport, users: [account] })

      const phone = await newAccount()
      await run('register-expect-200', phone)
      t.equal((await bindings(phone)).length, 1, 'the API shows the binding')

      const refresher = await newAccount()
      await run('register-refresh-expect-200', refresher)
      t.equal((await bindings(refresher)).length, 1, 'a refresh adds no binding')

      const leaver = await newAccount()
      await run('unregister-expect-200', leaver)
      t.equal((await bindings(leaver)).length, 0, 'and none is left after unregistering')

      const stranger = await newAccount()
      await run('register-wrong-password-expect-403', { ...stranger, password: 'not-the-password' })
      await run('register-too-brief-expect-423', stranger)
      t.equal((await bindings(stranger)).length, 0, 'a refused REGISTER leaves no binding')
    })
  }

  t.test('a binding that was acknowledged is there after kill -9', async (t) => {
    const phone = await newAccount()
    await plays(t, { scenario: 'register-expect-200', remote: product.sip('udp'), users: [phone] })
    await product.kill()
    await product.restart()
    t.equal((await bindings(phone)).length, 1)
  })
})
