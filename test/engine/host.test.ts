/** The engine in its thread: start, refusal, death. */
import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import t from 'tap'
import { startEngine, type WorkerOptions } from '../../src/engine/host.js'
import { secret, testLimits } from '../support/edge.js'
import { createPhone } from '../support/phone.js'

const log = { debug: () => {}, warn: () => {}, error: () => {} }
const options: WorkerOptions = {
  listeners: [{ transport: 'udp', host: '127.0.0.1', port: 0 }],
  control: { host: '127.0.0.1', port: 0, secret },
  limits: testLimits,
  recordRouteKey: randomBytes(32),
  debug: false,
}

t.test('it answers on its port, tells its figures, and stops', async (t) => {
  const engine = await startEngine(options, log, () => t.fail('it died'))
  const { host, port } = engine.addresses.listeners[0] ?? { host: '', port: 0 }
  const phone = await createPhone({ transport: 'udp', server: { host, port } })
  phone.send(phone.request({ method: 'OPTIONS', uri: 'sip:localhost' }))
  await phone.expect(503)
  t.match(await engine.stats(), { requests: 1, applications: 0 })
  await engine.drain(10)
  await engine.stop()
  await phone.close()
})

t.test('a taken port is told with its fields, and is no death', async (t) => {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.teardown(() => void socket.close())
  const { port } = socket.address()
  await t.rejects(
    startEngine({ ...options, listeners: [{ transport: 'udp', host: '127.0.0.1', port }] }, log, () =>
      t.fail('told as a death'),
    ),
    { code: 'EADDRINUSE', transport: 'udp', host: '127.0.0.1', port },
  )
})

t.test('a thread that dies is told once; whatever is asked of it then is settled', async (t) => {
  let deaths = 0
  const died = new Promise<void>((resolve) => {
    void startEngine(options, log, () => {
      deaths++
      resolve()
    }).then((engine) => (dead = engine))
  })
  let dead: Awaited<ReturnType<typeof startEngine>> | undefined
  while (!dead) await new Promise((resolve) => setTimeout(resolve, 5))
  await dead.kill()
  await died
  await t.rejects(dead.stats())
  await dead.drain(10)
  await dead.stop()
  t.equal(deaths, 1)
})
