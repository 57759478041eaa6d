/** What the call log says after a call of each kind, between phones over real sockets. */
import t from 'tap'
import { makeSelfSigned } from '../../../src/engine/transport/self-signed.js'
import { startLogs } from '../../../src/logs.js'
import type { Call } from '../../../src/store/call.js'
import type { Phone, ReceivedMessage } from '../../support/phone.js'
import { calleeSide, callerSide, inDialog } from '../../support/call.js'
import { accept, contactOf } from '../../support/callee.js'
import { silent } from '../../support/database.js'
import { fastTiming } from '../../support/edge.js'
import { ackForFailure, cancelFor } from '../../support/sip-text.js'
import { sendAuthenticated, startNetwork, toNumber, type Network, type Person } from './network.js'

const PHONE = { 'User-Agent': 'Deskphone 1.0' }

/** Waits for so many calls in the log, newest first, that meet the condition. */
async function logged({ store }: Network, count: number, condition: (call: Call) => boolean = () => true) {
  for (;;) {
    const { items } = await store.calls.list({})
    const found = items.filter(condition)
    if (found.length >= count) return found
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** `bob` calls that number; the callee rings if there is one. */
async function ring(caller: Phone, bob: Person, callees: readonly Phone[], number = '111') {
  const { sent } = await sendAuthenticated(caller, bob, toNumber(bob, number, { headers: PHONE }))
  const invites: ReceivedMessage[] = []
  for (const callee of callees) {
    const invite = await callee.expect('INVITE')
    callee.reply(invite, 180)
    invites.push(invite)
  }
  if (callees.length > 0) await caller.expect(180)
  return { sent, invites }
}

/** The callee answers; resolves to both sides of the dialog. */
async function pickUp(caller: Phone, callee: Phone, invite: ReceivedMessage) {
  const headers = { 'User-Agent': 'Softphone ☎' }
  const answer = callee.reply(invite, 200, { contact: `<${contactOf(callee)}>`, headers })
  const sides = { caller: callerSide(await caller.expect(200)), callee: calleeSide(invite, answer) }
  caller.send(inDialog(caller, 'ACK', sides.caller))
  await callee.expect('ACK')
  return sides
}

t.test('an answered call, ended by either side', async (t) => {
  const tls = await makeSelfSigned(['localhost'])
  const network = await startNetwork(t, {
    tls,
    listeners: [
      { transport: 'udp', host: '127.0.0.1', port: 0 },
      { transport: 'tls', host: '127.0.0.1', port: 0 },
    ],
  })
  const [ann, bob] = [await network.person('111'), await network.person('222')]
  const caller = await network.registered(bob, 'tls')
  const callee = await network.registered(ann, 'udp')
  for (const ends of ['caller', 'callee'] as const) {
    const before = Date.now()
    const { invites } = await ring(caller, bob, [callee])
    const sides = await pickUp(caller, callee, invites[0]!)
    const [running] = await logged(network, 1, ({ endedAt }) => endedAt === null)
    t.match(running, { disposition: 'ANSWERED', endedBy: null, sipStatus: 200, sipReason: 'OK', devices: 1 })
    if (ends === 'caller') {
      caller.send(inDialog(caller, 'BYE', sides.caller))
      await accept(callee, 'BYE')
      await caller.expect(200)
    } else {
      callee.send(inDialog(callee, 'BYE', sides.callee))
      await accept(caller, 'BYE')
      await callee.expect(200)
    }
    const [call] = await logged(network, 1, ({ endedBy }) => endedBy === ends)
    t.match(call, {
      disposition: 'ANSWERED',
      securityModel: 'standard',
      explanation: null,
      caller: {
        ...{ accountId: bob.id, number: '222', name: 'Person 222', groupName: 'Everybody', transport: 'tls' },
        ...{ address: `127.0.0.1:${caller.localPort}`, cipher: /^TLSv1\.3 TLS_/, userAgent: 'Deskphone 1.0' },
      },
      callee: {
        ...{ accountId: ann.id, number: '111', name: 'Person 111', groupName: 'Everybody', transport: 'udp' },
        ...{ address: `127.0.0.1:${callee.localPort}`, cipher: null, userAgent: 'Softphone ☎' },
      },
    })
    const { startedAt, rangAt, answeredAt, endedAt } = call!
    t.ok(before <= startedAt && startedAt <= rangAt! && rangAt! <= answeredAt! && answeredAt! <= endedAt!)
  }
  t.equal((await network.store.calls.list({})).total, 2)
})

t.test('a call that nobody takes: busy, declined, cancelled, not answered, silent', async (t) => {
  const network = await startNetwork(t, { ringTimeout: 1, timing: fastTiming })
  const [ann, bob] = [await network.person('111'), await network.person('222')]
  const caller = await network.registered(bob)
  const callee = await network.registered(ann, 'tcp')
  const latest = async (count: number) => (await logged(network, count))[0]
  const device = { address: `127.0.0.1:${callee.localPort}`, transport: 'tcp' }
  const answerWith = async (status: number, headers: Record<string, string> = {}) => {
    const { sent, invites } = await ring(caller, bob, [callee])
    callee.reply(invites[0]!, status, { headers })
    caller.send(ackForFailure(sent, await caller.expect(status)))
  }

  await answerWith(486)
  t.match(await latest(1), {
    ...{ disposition: 'BUSY', sipStatus: 486, endedBy: 'callee', answeredAt: null, devices: 1 },
    callee: device,
  })
  await answerWith(603, { Warning: '399 phone "Do not \\"disturb\\""' })
  t.match(await latest(2), {
    ...{ disposition: 'REFUSED', sipStatus: 603, endedBy: 'callee', explanation: 'Do not "disturb"' },
  })
  await answerWith(415)
  t.match(await latest(3), { disposition: 'FAILED', sipStatus: 415, endedBy: 'callee' })

  const { sent, invites } = await ring(caller, bob, [callee])
  caller.send(cancelFor(sent))
  await accept(callee, 'CANCEL')
  callee.reply(invites[0]!, 487)
  caller.send(ackForFailure(sent, await caller.expect(487)))
  t.match(await latest(4), { disposition: 'CANCELLED', sipStatus: 487, endedBy: 'caller', callee: device })

  const patient = await ring(caller, bob, [callee])
  await accept(callee, 'CANCEL')
  callee.reply(patient.invites[0]!, 487)
  caller.send(ackForFailure(patient.sent, await caller.expect(480)))
  const unanswered = await latest(5)
  t.match(unanswered, { disposition: 'NO_ANSWER', sipStatus: 480, endedBy: 'server', answeredAt: null })
  t.ok(unanswered!.endedAt! - unanswered!.rangAt! > 500, 'it rang for a second')
})

t.test('a call that a rule forbids, or that finds nobody', async (t) => {
  const network = await startNetwork(t)
  const bob = await network.person('222')
  await network.person('333', { enabled: false })
  const strict = await network.person('444', { securityModel: 'end-to-end' })
  await network.person('555')
  const caller = await network.registered(bob)
  const expected = [
    ['999', 404, { disposition: 'FAILED', callee: { accountId: null, number: '999', groupId: null } }],
    ['nobody', 404, { disposition: 'FAILED', callee: { accountId: null, number: null } }],
    ['333', 480, { disposition: 'FAILED', callee: { number: '333', name: 'Person 333' } }],
    [
      '444',
      488,
      {
        disposition: 'REFUSED',
        explanation: /^Security models do not fit: you have standard, .* end-to-end$/,
        callee: { accountId: strict.id, number: '444', address: null },
      },
    ],
    ['555', 480, { disposition: 'FAILED', sipReason: 'Not Registered' }],
  ] as const
  let count = 0
  for (const [number, status, facts] of expected) {
    const { sent } = await ring(caller, bob, [], number)
    caller.send(ackForFailure(sent, await caller.expect(status)))
    const [call] = await logged(network, ++count)
    t.match(call, { ...facts, sipStatus: status, endedBy: 'server', devices: 0, rangAt: null }, number)
  }
  const weak = await network.phone()
  await sendAuthenticated(weak, strict, toNumber(strict, '222'))
  await weak.expect(488)
  const [call] = await logged(network, ++count)
  t.match(call, { disposition: 'REFUSED', explanation: /needs TLS or WSS/, securityModel: 'end-to-end' })

  await network.store.accounts.update(bob.id, { type: 'deskphone', deny: ['127.0.0.0/8'] })
  await sendAuthenticated(caller, bob, toNumber(bob, '555'))
  await caller.expect(403)
  const [denied] = await logged(network, ++count)
  t.match(denied, { disposition: 'REFUSED', sipStatus: 403, explanation: /127\.0\.0\.1/ })
})

t.test('a call that one of several devices answers is one call, of that device', async (t) => {
  const network = await startNetwork(t)
  const [ann, bob] = [await network.person('111'), await network.person('222')]
  const caller = await network.registered(bob)
  const devices = [await network.registered(ann), await network.registered(ann, 'tcp')] as const
  const { invites } = await ring(caller, bob, devices)
  await pickUp(caller, devices[1], invites[1]!)
  await accept(devices[0], 'CANCEL')
  devices[0].reply(invites[0]!, 487)
  const [call, ...others] = await logged(network, 1)
  t.match(call, {
    ...{ disposition: 'ANSWERED', devices: 2, endedAt: null },
    callee: { address: `127.0.0.1:${devices[1].localPort}`, transport: 'tcp' },
  })
  t.same(others, [])
})

t.test('a call that is hung up before the application is there again has its end', async (t) => {
  const network = await startNetwork(t)
  const [ann, bob] = [await network.person('111'), await network.person('222')]
  const [caller, callee] = [await network.registered(bob), await network.registered(ann)]
  const { invites } = await ring(caller, bob, [callee])
  const sides = await pickUp(caller, callee, invites[0]!)
  await logged(network, 1)
  await network.app.stop()
  callee.send(inDialog(callee, 'BYE', sides.callee))
  await accept(caller, 'BYE')
  await callee.expect(200)
  await network.restartApp()
  t.match(await logged(network, 1, ({ endedAt }) => endedAt !== null), [{ endedBy: 'callee' }])
})

t.test('with 0 days nothing is recorded, and what was there goes', async (t) => {
  const network = await startNetwork(t)
  const { store } = network
  const bob = await network.person('222')
  const caller = await network.registered(bob)
  await sendAuthenticated(caller, bob, toNumber(bob, '999'))
  await logged(network, 1)
  const logs = startLogs({ calls: 0, sip: 0 }, store, silent)
  t.equal(logs.calls, undefined)
  while ((await store.calls.list({})).total > 0) await new Promise((resolve) => setTimeout(resolve, 5))
  await logs.stop()
})

t.test('messages and subscriptions are no calls', async (t) => {
  const network = await startNetwork(t)
  const [ann, bob] = [await network.person('111'), await network.person('222')]
  const sender = await network.registered(bob)
  const receiver = await network.registered(ann)
  await sendAuthenticated(sender, bob, toNumber(bob, '111', { method: 'MESSAGE', body: 'x' }))
  await accept(receiver, 'MESSAGE')
  await sender.expect(200)
  await sendAuthenticated(sender, bob, toNumber(bob, '999'))
  await sender.expect(404)
  t.match(await logged(network, 1), [{ sipStatus: 404 }])
})
