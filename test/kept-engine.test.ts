/** An engine that dies is replaced, with the certificate that was renewed meanwhile. */
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { makeSelfSigned } from '../src/engine/transport/self-signed.js'
import { KeptEngine } from '../src/kept-engine.js'
import { secret, testLimits } from './support/edge.js'
import { createPhone } from './support/phone.js'
import { until } from './support/tools.js'

t.test('a renewed certificate is shown to new phones, and by the engine that follows too', async (t) => {
  const [old, renewed] = await Promise.all([makeSelfSigned(['127.0.0.1']), makeSelfSigned(['127.0.0.1'])])
  const lines: string[] = []
  const log = (_details: object, text: string) => void lines.push(text)
  const engine = await KeptEngine.start(
    {
      listeners: [{ transport: 'tls', host: '127.0.0.1', port: 0 }],
      control: { host: '127.0.0.1', port: 0, secret },
      limits: testLimits,
      recordRouteKey: randomBytes(32),
      tls: old,
      debug: false,
    },
    { debug: log, warn: log, error: log, fatal: log },
    100,
  )
  t.teardown(() => engine.stop())
  const before = engine.addresses
  const phone = async (ca: string) => {
    const made = await createPhone({ transport: 'tls', server: before.listeners[0]!, ca })
    t.teardown(() => made.close())
    return made
  }
  const ask = async (one: Awaited<ReturnType<typeof phone>>) => {
    one.send(one.request({ method: 'OPTIONS', uri: 'sip:localhost' }))
    await one.expect(503)
  }
  const connected = await phone(old.cert)
  await engine.updateTls(renewed)
  await ask(connected)
  await t.rejects(phone(old.cert))
  await ask(await phone(renewed.cert))
  const { key } = await makeSelfSigned(['127.0.0.1'])
  await t.rejects(engine.updateTls({ cert: renewed.cert, key }), { code: 'ETLS' })

  await engine.kill()
  await t.rejects(engine.updateTls(old), /died and is being started again/)
  await connected.untilClosed()
  await until('another one runs', () => lines.includes('the SIP engine runs again'))
  t.strictSame(engine.addresses, before)
  await ask(await phone(renewed.cert))
})
