/** The records of calls that an edge tells where an application asks for them: cdr:attempt, cdr:start, cdr:stop. */
import t from 'tap'
import { callWith } from '../../support/app-call.js'
import { call, proxyTo } from '../../support/app-proxy.js'
import { callerSide, inDialog, sdp } from '../../support/call.js'
import { accept, answer, contactOf } from '../../support/callee.js'
import { onEveryEdge } from '../../support/edges.js'
import { ackForFailure, cancelFor } from '../../support/sip-text.js'
import { settled, type App } from '../../support/srf.js'
import { freePort, until } from '../../support/tools.js'

/** Asks for them, and collects them. */
function records(app: App): string[] {
  const told: string[] = []
  app.on('cdr:attempt', (source) => told.push(`attempt ${source}`))
  app.on('cdr:start', (source, _time, role, message) => {
    told.push(`start ${source} ${role}`)
    t.ok(message.get('call-id'))
  })
  app.on('cdr:stop', (source, time, reason) => {
    told.push(`stop ${source} ${reason}`)
    t.match(time, /^\d\d:\d\d:\d\d/)
  })
  return told
}

onEveryEdge(
  'the records of a call that an application answers, and of one that it makes',
  async (t, edge) => {
    // Each record names who sent its message.
    for (const [role, source, answered] of [
      ['uas', 'network', 'application'],
      ['uac', 'application', 'network'],
    ] as const) {
      let told: string[] = []
      const listener = await edge.application((app) => (told = records(app)))
      const { app, ask } = await callWith(edge, role)
      await ask('BYE')
      await until('three records', () => told.length >= 3)
      t.strictSame(told, [`attempt ${source}`, `start ${answered} ${role}`, `stop network normal-release`])
      for (const one of [listener, app]) {
        const closed = new Promise<void>((resolve) => one.once('close', resolve))
        one.disconnect()
        await closed
      }
    }
  },
)

onEveryEdge('the records of a call that is refused', async (t, edge) => {
  let told: string[] = []
  await edge.application((app) => {
    told = records(app)
    app.invite((_, res) => res.send(486))
  })
  const alice = await edge.phone('udp')
  const text = call(edge, alice)
  alice.send(ackForFailure(text, await alice.expect(486)))
  await until('two records', () => told.length === 2)
  t.strictSame(told, ['attempt network', 'stop application call-rejected'])
})

onEveryEdge(
  'the records of a call that its caller cancels, and of one that finds nobody',
  async (t, edge) => {
    let told: string[] = []
    const app = await edge.application((app) => {
      told = records(app)
      app.invite((_, res) => res.send(180))
    })
    const alice = await edge.phone('udp')
    const text = call(edge, alice)
    await alice.expect(180)
    alice.send(cancelFor(text))
    alice.send(ackForFailure(text, await alice.expect(487)))
    await until('two records', () => told.length === 2)
    t.strictSame(told.splice(0), ['attempt network', 'stop network call-canceled'])
    await t.rejects(app.createUAC(`sip:bob@127.0.0.1:${await freePort()};transport=tcp`, { localSdp: sdp }))
    await until('two records', () => told.length === 2)
    t.strictSame(told, ['attempt application', 'stop network call-rejected'])
  },
)

onEveryEdge('the records of a proxied call that its caller cancels', async (t, edge) => {
  const [alice, bob] = [await edge.phone('udp'), await edge.phone('udp')]
  const { app } = await proxyTo(edge, contactOf(bob))
  const told = records(app)
  await settled(app)
  const text = call(edge, alice)
  const received = await bob.expect('INVITE')
  bob.reply(received, 180)
  await alice.expect(180)
  alice.send(cancelFor(text))
  await accept(bob, 'CANCEL')
  bob.reply(received, 487)
  alice.send(ackForFailure(text, await alice.expect(487)))
  await until('four records', () => told.length === 4)
  const reason = edge.differs('the record of a cancelled proxied call', {
    embedded: 'call-canceled',
    drachtioServer: 'call-rejected',
  })
  t.strictSame(told.slice(2).sort(), [`stop application ${reason}`, 'stop network call-canceled'])
})

onEveryEdge('the records of a proxied call: both legs', async (t, edge) => {
  const [alice, bob] = [await edge.phone('udp'), await edge.phone('udp')]
  const { app } = await proxyTo(edge, contactOf(bob), { recordRoute: true })
  const told = records(app)
  await settled(app)
  call(edge, alice)
  answer(bob, await bob.expect('INVITE'))
  const side = callerSide(await alice.expect(200))
  alice.send(inDialog(alice, 'ACK', side))
  alice.send(inDialog(alice, 'BYE', side))
  await accept(bob, 'BYE')
  await until('six records', () => told.length === 6)
  t.strictSame(told.sort(), [
    'attempt application',
    'attempt network',
    'start application proxy-uas',
    'start network proxy-uac',
    'stop application normal-release',
    'stop network normal-release',
  ])
})

t.end()
