/** drachtio-srf's connection to an edge: secret, tags, methods, loss and return, several applications. */
import { once } from 'node:events'
import { connect as connectSocket, createServer, type AddressInfo, type Socket } from 'node:net'
import t from 'tap'
import { callerSide, inDialog, invite, sdp } from '../../support/call.js'
import { deferred } from '../../support/deferred.js'
import { onEveryEdge, type Edge } from '../../support/edges.js'
import type { Phone } from '../../support/phone.js'
import {
  controlSocket,
  newApplication,
  settled,
  type App,
  type AppRequest,
  type Dialog,
  type Handler,
} from '../../support/srf.js'
import { until } from '../../support/tools.js'

const emitter = (app: App): NodeJS.EventEmitter => app as unknown as NodeJS.EventEmitter

/** Sends a MESSAGE and gives the status of its final answer. */
async function message(phone: Phone): Promise<number> {
  const text = phone.request({ method: 'MESSAGE', uri: 'sip:222@localhost' })
  phone.send(text)
  const callId = /^Call-ID: (.*)$/m.exec(text)?.[1]?.trim()
  const answer = await phone.expect((got) => (got.status ?? 0) >= 200 && got.header('call-id') === callId)
  return answer.status ?? 0
}

onEveryEdge('connect tells where phones reach the edge, and its version', async (t, edge) => {
  const app = newApplication()
  app.on('error', () => {})
  t.teardown(() => app.disconnect())
  const connected = new Promise<[Error | null, string, string, string]>((resolve) =>
    app.connect(edge.control, (...told) => resolve(told)),
  )
  const [error, hostports, version, local] = await connected
  t.equal(error, null)
  for (const transport of ['udp', 'tcp', 'tls', 'ws'] as const)
    t.ok(hostports.split(',').includes(`${transport}/127.0.0.1:${edge.port(transport)}`), transport)
  t.match(version, /^v\d+\.\d+\.\d+/)
  t.strictSame(local.split(',').sort(), hostports.split(',').sort(), 'nothing else is advertised here')
})

onEveryEdge('a wrong secret is told to the application', async (t, edge) => {
  const app = newApplication()
  app.on('error', () => {})
  const outcome = once(emitter(app), 'connect')
  app.connect({ ...edge.control, secret: 'wrong' })
  const [error] = (await outcome) as [Error]
  t.match(error, /failed to authenticate/)
  app.disconnect()
})

onEveryEdge('nobody is served before authentication', async (t, edge) => {
  const socket = connectSocket(edge.control.port, edge.control.host)
  t.teardown(() => void socket.destroy())
  socket.on('error', () => {})
  socket.write('17#first|route|invite')
  const [bytes] = (await once(socket, 'data')) as [Buffer]
  t.match(
    bytes.toString(),
    edge.differs('commands before authentication', { embedded: /\|NO\|/, drachtioServer: /\|OK/ }),
  )
})

onEveryEdge('a large command, such as a message of 20 kB', async (t, edge) => {
  const app = await edge.application()
  const phone = await edge.phone('tcp', { listen: true, connect: false })
  const body = 'ö'.repeat(10_000)
  const uri = `sip:bob@127.0.0.1:${phone.localPort};transport=tcp`
  app.request(uri, { method: 'MESSAGE', headers: { 'Content-Type': 'text/plain' }, body }, () => {})
  if (edge.differs('commands of more than some 12 kB', { embedded: true, drachtioServer: false })) {
    const received = await phone.expect('MESSAGE')
    t.equal(received.body, body)
    phone.reply(received, 200)
  } else {
    await new Promise((resolve) => setTimeout(resolve, 300))
    t.strictSame(phone.received, [])
  }
})

onEveryEdge('tags are taken; settings and locals of the application stay its own', async (t, edge) => {
  const app = await edge.application(undefined, ['blue', 'node-1'])
  app.set('colour', 'blue')
  t.equal(app.get('colour'), 'blue')
  app.locals['users'] = 1
  t.equal(app.locals['users'], 1)
  t.equal(app.idle, true)
})

onEveryEdge('an application that has disconnected gets nothing more, and callers a 503', async (t, edge) => {
  const app = await edge.application((app) => app.message((_, res) => res.send(200)))
  const phone = await edge.phone('udp')
  t.equal(await message(phone), 200)
  const closed = once(emitter(app), 'close')
  app.disconnect()
  await closed
  await until('the edge has noticed', async () => (await message(phone)) === 503)
  const refusal = phone.received.at(-1)
  t.equal(
    refusal?.header('retry-after') !== undefined,
    edge.differs('503 tells when to come again', { embedded: true, drachtioServer: false }),
  )
})

onEveryEdge('a lost connection is built up again by itself, with all methods', async (t, edge) => {
  const relay = await startRelay(t, edge)
  const app = newApplication()
  app.on('error', () => {})
  t.teardown(() => app.disconnect())
  app.message((_, res) => res.send(200))
  const first = once(emitter(app), 'connect')
  app.connect({ ...edge.control, port: relay.port })
  await first
  const again = once(emitter(app), 'connect')
  const reconnecting = once(emitter(app), 'reconnecting')
  relay.cut()
  t.match(await reconnecting, [{ delay: Number, attempt: 2 }])
  t.match(await again, [null, /udp\//])
  await settled(app)
  const phone = await edge.phone('udp')
  t.equal(await message(phone), 200)
})

onEveryEdge('a dialog outlives the loss of the connection', async (t, edge) => {
  const relay = await startRelay(t, edge)
  const app = newApplication()
  app.on('error', () => {})
  t.teardown(() => app.disconnect())
  const answered = deferred<Dialog>()
  app.invite((req, res) => {
    app.createUAS(req, res, { localSdp: sdp }).then(answered.resolve, answered.reject)
  })
  const first = once(emitter(app), 'connect')
  app.connect({ ...edge.control, port: relay.port })
  await first
  await settled(app)
  const phone = await edge.phone('udp')
  phone.send(invite(phone))
  const side = callerSide(await phone.expect(200))
  phone.send(inDialog(phone, 'ACK', side))
  const dialog = await answered.promise
  const ended = deferred<AppRequest>()
  dialog.on('destroy', ended.resolve)
  const again = once(emitter(app), 'connect')
  relay.cut()
  await again
  await settled(app)
  phone.send(inDialog(phone, 'BYE', side))
  const { status } = await phone.expect((got) => got.header('cseq') === '2 BYE')
  t.equal(
    status,
    edge.differs('a dialog whose application has reconnected', { embedded: 200, drachtioServer: 481 }),
  )
  if (status === 200) t.match(await ended.promise, { method: 'BYE' })
})

onEveryEdge('a method that nobody routes is refused', async (t, edge) => {
  await edge.application((app) => app.message((_, res) => res.send(200)))
  const phone = await edge.phone('udp')
  phone.send(phone.request({ method: 'OPTIONS', uri: 'sip:localhost' }))
  const refusal = await phone.expect((got) => (got.status ?? 0) >= 200)
  t.equal(refusal.status, edge.differs('a method without a taker', { embedded: 405, drachtioServer: 503 }))
})

onEveryEdge('a method can be given up and taken again while connected', async (t, edge) => {
  const app = await edge.application((app) => {
    app.message((_, res) => res.send(200))
    app.options((_, res) => res.send(200))
  })
  const phone = await edge.phone('udp')
  t.equal(await message(phone), 200)
  app.unregisterForMessages('message')
  await settled(app)
  t.equal(
    await message(phone),
    edge.differs('a method without a taker', { embedded: 405, drachtioServer: 503 }),
  )
  phone.send(phone.request({ method: 'OPTIONS', uri: 'sip:localhost' }))
  const other = await phone.expect((got) => /OPTIONS/.test(got.header('cseq') ?? '') && got.status !== 100)
  t.equal(other.status, edge.differs('giving up one method', { embedded: 200, drachtioServer: 503 }))
  app.reregisterForMessages('message')
  await settled(app)
  t.equal(await message(phone), 200)
})

onEveryEdge('methods asked for after connecting are routed as well', async (t, edge) => {
  const app = await edge.application()
  app.message((_, res) => res.send(202))
  await settled(app)
  t.equal(await message(await edge.phone('tcp')), 202)
})

onEveryEdge('several applications share the load, and take over from one that leaves', async (t, edge) => {
  const counts = [0, 0, 0]
  const apps: App[] = []
  for (const index of counts.keys()) {
    const count: Handler = (_, res) => {
      counts[index] = (counts[index] ?? 0) + 1
      res.send(200)
    }
    apps.push(await edge.application((app) => app.message(count)))
  }
  const phone = await edge.phone('udp')
  for (let sent = 0; sent < 9; sent++) await message(phone)
  t.strictSame(counts, [3, 3, 3], 'in turn')
  const closed = once(emitter(apps[1]!), 'close')
  apps[1]?.disconnect()
  await closed
  for (let sent = 0; sent < 4; sent++) t.equal(await message(phone), 200)
  t.strictSame(counts, [5, 3, 5])
})

onEveryEdge(
  'an application that dies with a call in its hands: the caller is not left waiting',
  async (t, edge) => {
    const app = await edge.application((app) => app.invite((_, res) => res.send(180)))
    const phone = await edge.phone('udp')
    phone.send(phone.request({ method: 'INVITE', uri: 'sip:222@localhost' }))
    await phone.expect(180)
    controlSocket(app).destroy()
    app.disconnect()
    if (edge.differs('an INVITE whose application has died', { embedded: true, drachtioServer: false })) {
      const answer = await phone.expect(503)
      t.ok(answer.header('retry-after'))
    } else {
      phone.send(phone.request({ method: 'OPTIONS', uri: 'sip:localhost' }))
      await phone.expect(503)
      t.notOk(phone.received.some((got) => got.status === 503 && /INVITE/.test(got.header('cseq') ?? '')))
    }
  },
)

onEveryEdge(
  'endSession is for outbound connections only: here it leaves the connection alone',
  async (t, edge) => {
    const app = await edge.application((app) =>
      app.message((req, res) => {
        res.send(200)
        app.endSession(req)
      }),
    )
    const phone = await edge.phone('udp')
    t.equal(await message(phone), 200)
    t.equal(await message(phone), 200)
    t.equal(controlSocket(app).destroyed, false)
  },
)

/** Between an application and the edge, to cut the connection without either knowing. */
async function startRelay(
  t: { teardown(f: () => void): void },
  edge: Edge,
): Promise<{ port: number; cut(): void }> {
  const sockets = new Set<Socket>()
  const relay = createServer((application) => {
    const server = connectSocket(edge.control.port, edge.control.host)
    for (const socket of [application, server]) {
      sockets.add(socket)
      socket.on('error', () => {})
    }
    application.pipe(server).pipe(application)
  }).listen(0, '127.0.0.1')
  await once(relay, 'listening')
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
    sockets.clear()
  }
  t.teardown(() => {
    relay.close()
    cut()
  })
  return { port: (relay.address() as AddressInfo).port, cut }
}

t.end()
