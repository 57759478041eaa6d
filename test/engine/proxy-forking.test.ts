/** One call to several targets: who rings, whose answer counts, what the caller is told (RFC 3261 §16.7). */
import t from 'tap'
import { invite, proxyTo, twoPhones } from '../support/call.js'
import { startEdge, targetOf } from '../support/edge.js'
import type { ReceivedMessage } from '../support/phone.js'
import { uriOf } from '../support/sip-text.js'

t.test('all devices ring; an answer stops the others with its reason', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const alice = await edge.phone('udp')
  const devices = [await edge.phone('udp'), await edge.phone('tcp'), await edge.phone('udp')] as const
  const { result } = proxyTo(srf, () => devices.map((device) => targetOf(device, 'bob')))
  alice.send(invite(alice))
  const received = await Promise.all(devices.map((device) => device.expect('INVITE')))
  for (const [index, device] of devices.entries()) device.reply(received[index] as ReceivedMessage, 180)
  await alice.until(({ received }) => received.filter(({ status }) => status === 180).length === 3)
  devices[1].reply(received[1] as ReceivedMessage, 200, { contact: 'sip:bob@device-1.invalid' })
  const answer = await alice.expect(200)
  t.equal(uriOf(answer.header('contact')), 'sip:bob@device-1.invalid')
  for (const index of [0, 2] as const) {
    const device = devices[index]
    const cancel = await device.expect('CANCEL')
    t.match(cancel.header('reason'), /^SIP;cause=200;text="Call completed elsewhere"$/)
    t.equal(cancel.uri, (received[index] as ReceivedMessage).uri, 'the Request-URI of its INVITE')
    t.equal(
      cancel.header('via'),
      (received[index] as ReceivedMessage).all('via')[0],
      'the branch of its INVITE',
    )
    device.reply(cancel, 200)
    device.reply(received[index] as ReceivedMessage, 487)
    await device.expect('ACK')
  }
  t.match(await result(), { connected: true })
  t.equal(alice.received.filter(({ status }) => (status ?? 0) >= 200).length, 1, 'one final answer')
})

t.test('both of two answers that cross reach the caller', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const alice = await edge.phone('udp')
  const devices = [await edge.phone('udp'), await edge.phone('udp')] as const
  proxyTo(srf, () => devices.map((device) => targetOf(device, 'bob')))
  alice.send(invite(alice))
  const received = await Promise.all(devices.map((device) => device.expect('INVITE')))
  devices[0].reply(received[0] as ReceivedMessage, 200, { toTag: 'one' })
  devices[1].reply(received[1] as ReceivedMessage, 200, { toTag: 'two' })
  await alice.until(({ received }) => received.filter(({ status }) => status === 200).length === 2)
})

t.test('6xx from one device ends the search for all', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const alice = await edge.phone('udp')
  const devices = [await edge.phone('udp'), await edge.phone('udp')] as const
  proxyTo(srf, () => devices.map((device) => targetOf(device, 'bob')))
  alice.send(invite(alice))
  const received = await Promise.all(devices.map((device) => device.expect('INVITE')))
  devices[1].reply(received[1] as ReceivedMessage, 180)
  await alice.expect(180)
  devices[0].reply(received[0] as ReceivedMessage, 603)
  devices[1].reply(await devices[1].expect('CANCEL'), 200)
  devices[1].reply(received[1] as ReceivedMessage, 487)
  await alice.expect(603)
})

t.test('serial forking goes to the next target after a failure, but not after 6xx', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const alice = await edge.phone('udp')
  const devices = [await edge.phone('udp'), await edge.phone('udp'), await edge.phone('udp')] as const
  proxyTo(srf, () => devices.map((device) => targetOf(device, 'bob')), { forking: 'serial' })
  alice.send(invite(alice))
  devices[0].reply(await devices[0].expect('INVITE'), 404)
  t.equal(devices[2].received.length, 0)
  devices[1].reply(await devices[1].expect('INVITE'), 603)
  await alice.expect(603)
  t.equal(devices[2].received.length, 0)
})

t.test('a silent target is given up after provisionalTimeout and the next one gets its turn', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const alice = await edge.phone('udp')
  const devices = [await edge.phone('udp'), await edge.phone('udp')] as const
  proxyTo(srf, () => devices.map((device) => targetOf(device, 'bob')), {
    forking: 'serial',
    provisionalTimeout: '200ms',
  })
  alice.send(invite(alice))
  await devices[0].expect('INVITE')
  devices[1].reply(await devices[1].expect('INVITE'), 200)
  await alice.expect(200)
})

t.test('challenges of several devices are merged', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const alice = await edge.phone('udp')
  const devices = [await edge.phone('udp'), await edge.phone('udp')] as const
  proxyTo(srf, () => devices.map((device) => targetOf(device, 'bob')))
  alice.send(invite(alice))
  for (const [index, device] of devices.entries()) {
    device.reply(await device.expect('INVITE'), 407, {
      headers: { 'Proxy-Authenticate': `Digest realm="r${index}", nonce="n"` },
    })
  }
  const challenge = await alice.expect(407)
  t.strictSame(
    challenge
      .all('proxy-authenticate')
      .map((line) => /r\d/.exec(line)?.[0])
      .sort(),
    ['r0', 'r1'],
  )
})

for (const [answer, name] of [
  [200, 'redirections are followed where the application asks for it'],
  [486, 'a redirection that was followed is not the answer'],
] as const) {
  t.test(name, async (t) => {
    const edge = await startEdge(t)
    const srf = await edge.application()
    const alice = await edge.phone('udp')
    const [old, current] = [await edge.phone('udp'), await edge.phone('udp')]
    proxyTo(srf, () => [targetOf(old, 'bob')], { followRedirects: true })
    alice.send(invite(alice))
    old.reply(await old.expect('INVITE'), 302, { contact: `<sip:bob@127.0.0.1:${current.localPort}>` })
    current.reply(await current.expect('INVITE'), answer)
    await alice.expect(answer)
  })
}

t.test('busy is told although other bindings are dead', async (t) => {
  const edge = await startEdge(t)
  const srf = await edge.application()
  const [alice, bob] = await twoPhones(edge, ['udp', 'udp'])
  const ghost = await edge.phone('udp')
  proxyTo(srf, () => [targetOf(ghost, 'bob'), targetOf(bob, 'bob')], { provisionalTimeout: '10s' })
  alice.send(invite(alice))
  bob.reply(await bob.expect('INVITE'), 486)
  await alice.expect(486, 3000)
})
