/** The control port against connections that do not play along. */
import { once } from 'node:events'
import net from 'node:net'
import t, { type Test } from 'tap'
import { ControlServer } from '../../../src/engine/control/server.js'
import type { CommandHandler, ControlSession } from '../../../src/engine/control/session.js'

/** A server whose sessions hand themselves out with the command `drop`. */
async function start(t: Test, limits: { maxQueueBytes?: number; authenticateMs?: number }) {
  let given: (session: ControlSession) => void = () => {}
  const session = new Promise<ControlSession>((resolve) => (given = resolve))
  const nothing = (): void => {}
  const handler: CommandHandler = {
    respond: nothing,
    request: nothing,
    proxy: nothing,
    drop: given,
    closed: nothing,
  }
  const server = new ControlServer(
    {
      secret: 'secret',
      hostports: () => ({ advertised: '', local: '' }),
      maxFrameBytes: 1000,
      maxQueueBytes: 1000,
      authenticateMs: 10_000,
      onError: (error) => t.fail(String(error)),
      ...limits,
    },
    handler,
  )
  const { host, port } = await server.start('127.0.0.1', 0)
  t.teardown(() => server.stop())
  const socket = net.connect({ host, port })
  socket.on('error', nothing)
  t.teardown(() => void socket.destroy())
  await once(socket, 'connect')
  return { socket, session, say: (text: string) => void socket.write(`${text.length}#${text}`) }
}

t.test('a connection that does not authenticate is closed, one that does stays', async (t) => {
  const stranger = await start(t, { authenticateMs: 50 })
  const application = await start(t, { authenticateMs: 50 })
  application.say('1|authenticate|secret|')
  await once(stranger.socket.resume(), 'close')
  application.say('2|ping')
  await once(application.socket, 'data')
  t.equal(application.socket.destroyed, false)
})

t.test('an application that reads nothing of what it is sent is closed', async (t) => {
  const { session, say, socket } = await start(t, {})
  say('1|authenticate|secret|')
  say('2|route|invite')
  say('3|drop|x')
  const stuck = await session
  t.equal(stuck.takes('invite'), true)
  socket.pause()
  const text = 'x'.repeat(100_000)
  let sent = 0
  while (stuck.authenticated && sent++ < 1000) {
    stuck.send(text)
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.ok(sent < 1000)
})

t.test('connections that say nothing never keep an application out', async (t) => {
  const { socket, say } = await start(t, {})
  say('1|authenticate|secret|')
  await once(socket, 'data')
  const { remoteAddress: host = '', remotePort: port = 0 } = socket
  const silent = Array.from({ length: 40 }, () => net.connect({ host, port }))
  t.teardown(() => silent.forEach((one) => one.destroy()))
  const left = silent.slice(0, 8).map((one) => once(one.resume(), 'close'))
  await Promise.all(left)
  const late = net.connect({ host, port })
  t.teardown(() => late.destroy())
  late.write('22#1|authenticate|secret|')
  t.match(String((await once(late, 'data'))[0]), /OK/)
  say('2|ping')
  await once(socket, 'data')
  t.equal(silent.filter((one) => one.destroyed).length < 12, true, 'the others may still speak')
})
