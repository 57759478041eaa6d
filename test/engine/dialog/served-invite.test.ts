/** An INVITE that an application answers, with a clock of our own: RFC 3261 §13.3.1, RFC 3262 §3. */
import t from 'tap'
import type { Outcome } from '../../../src/engine/dialog/reliable.js'
import { ServedInvite } from '../../../src/engine/dialog/served-invite.js'
import { responseTo } from '../../../src/engine/message/response.js'
import { SipRequest, type SipResponse } from '../../../src/engine/message/sip-message.js'
import { FakeWire } from '../../support/fake-wire.js'

const supports = { supported: 'timer, 100rel' }

/** `transmit` takes everything until `taken` is set to false. */
function serve(headers: Record<string, string> = {}) {
  const wire = new FakeWire()
  const clock = wire.scheduler
  const request = new SipRequest('INVITE', 'sip:us@localhost')
  request.append('cseq', '7 INVITE')
  for (const [name, value] of Object.entries(headers)) request.append(name, value)
  const sent: { at: number; status: number; response: SipResponse }[] = []
  const events: string[] = []
  const state = { taken: true }
  const invite = new ServedInvite(
    wire,
    { id: 'id', request },
    {
      transmit: (response): Outcome => {
        if (!state.taken) return { refused: 'too late' }
        sent.push({ at: clock.now(), status: response.status, response })
        return { sent: response.serialize() }
      },
      onNoPrack: () => events.push('no PRACK'),
      onNoAck: () => events.push('no ACK'),
    },
  )
  const respond = (status: number, options: { body?: string; require?: string } = {}): string[] => {
    const response = responseTo(request, status, undefined, { body: Buffer.from(options.body ?? '') })
    if (options.require !== undefined) response.append('require', options.require)
    const outcome: string[] = []
    invite.respond(response, (became) => outcome.push('sent' in became ? 'sent' : 'refused'))
    return outcome
  }
  const prack = (rack: string): boolean => {
    const request = new SipRequest('PRACK', 'sip:us@localhost')
    request.append('rack', rack)
    const release = invite.receivePrack(request)
    release?.()
    return release !== undefined
  }
  const ack = (seq = 7): boolean => {
    const request = new SipRequest('ACK', 'sip:us@localhost')
    request.append('cseq', `${seq} ACK`)
    return invite.receiveAck(request)
  }
  const rseq = (index: number): string => sent[index]?.response.get('rseq') ?? 'none'
  const times = (status: number): number[] => sent.filter((one) => one.status === status).map(({ at }) => at)
  return { invite, clock, sent, events, state, respond, prack, ack, rseq, times }
}

t.test('a 2xx is repeated from T1 on, T2 at most apart, until its ACK', async (t) => {
  const { clock, respond, ack, times, events, invite } = serve()
  t.strictSame(respond(200), ['sent'])
  t.ok(invite.awaitsAck)
  clock.advance(12_000)
  t.strictSame(times(200), [0, 500, 1500, 3500, 7500, 11_500])
  t.notOk(ack(6), 'the ACK of another INVITE')
  t.ok(ack())
  t.notOk(ack(), 'a repeated ACK')
  clock.advance(100_000)
  t.equal(times(200).length, 6)
  t.strictSame(events, [])
  t.equal(clock.pending, 0)
})

t.test('without an ACK it ends after 64*T1', async (t) => {
  const { clock, respond, events, times, ack } = serve()
  respond(200)
  clock.advance(31_999)
  t.strictSame(events, [])
  clock.advance(1)
  t.strictSame(events, ['no ACK'])
  t.equal(times(200).length, 11)
  t.notOk(ack(), 'it comes too late')
  t.equal(clock.pending, 0)
})

t.test(
  'a reliable response is repeated at intervals that double without a bound, until its PRACK',
  async (t) => {
    const { clock, respond, prack, rseq, times, events } = serve(supports)
    t.strictSame(respond(183, { require: '100rel' }), ['sent'])
    t.match(rseq(0), /^\d+$/)
    clock.advance(20_000)
    t.strictSame(times(183), [0, 500, 1500, 3500, 7500, 15_500])
    for (const wrong of [
      `${Number(rseq(0)) + 1} 7 INVITE`,
      `${rseq(0)} 8 INVITE`,
      `${rseq(0)} 7 UPDATE`,
      '',
      'x',
    ])
      t.notOk(prack(wrong), wrong)
    t.ok(prack(`${rseq(0)}  7 INVITE`))
    t.notOk(prack(`${rseq(0)} 7 INVITE`), 'once')
    clock.advance(50_000)
    t.equal(times(183).length, 6)
    t.strictSame(events, [])
  },
)

t.test('the next reliable response waits for the PRACK of the one before', async (t) => {
  const { respond, prack, rseq, sent } = serve({ require: '100rel' })
  respond(180)
  t.match(sent[0]?.response.get('require'), '100rel', 'the caller requires it: all are reliable')
  const second = respond(183, { body: 'v=0' })
  t.strictSame(second, [])
  respond(100)
  t.strictSame(
    sent.map(({ status }) => status),
    [180, 100],
  )
  prack(`${rseq(0)} 7 INVITE`)
  t.strictSame(second, ['sent'])
  t.equal(Number(rseq(2)), Number(rseq(0)) + 1)
})

t.test('a 2xx waits for the PRACK of a response with SDP, and for no other', async (t) => {
  const offered = serve(supports)
  offered.respond(183, { require: '100rel', body: 'v=0' })
  const answer = offered.respond(200)
  offered.clock.advance(400)
  t.strictSame(answer, [])
  t.strictSame(offered.respond(486), ['refused'], 'the answer has been given')
  offered.prack(`${offered.rseq(0)} 7 INVITE`)
  t.strictSame(answer, ['sent'])
  t.ok(offered.ack())

  const ringing = serve(supports)
  ringing.respond(180, { require: '100rel' })
  t.strictSame(ringing.respond(200), ['sent'])
  ringing.clock.advance(2000)
  t.equal(ringing.times(180).length, 1, 'no longer repeated')
  t.ok(ringing.prack(`${ringing.rseq(0)} 7 INVITE`), 'its PRACK is still known')
})

t.test('without a PRACK the INVITE ends after 64*T1, and what has waited is refused', async (t) => {
  const { clock, respond, events, invite } = serve(supports)
  respond(183, { require: '100rel', body: 'v=0' })
  const next = respond(183, { require: '100rel' })
  const answer = respond(200)
  clock.advance(32_000)
  t.strictSame(events, ['no PRACK'])
  invite.end()
  t.strictSame([next, answer], [['refused'], ['refused']])
  t.equal(clock.pending, 0)
})

t.test('nobody gets a reliable response who does not support it', async (t) => {
  const { respond, sent, clock, times } = serve()
  respond(180, { require: '100rel' })
  respond(183, { require: 'precondition, 100rel' })
  t.strictSame(
    sent.map(({ response }) => response.get('require')),
    [undefined, 'precondition'],
  )
  t.equal(sent[0]?.response.get('rseq'), undefined)
  clock.advance(5000)
  t.equal(times(180).length, 1)
})

t.test('a call that rings on is told so every minute (§13.3.1.1)', async (t) => {
  const { respond, clock, times } = serve()
  respond(180)
  clock.advance(150_000)
  t.strictSame(times(180), [0, 60_000, 120_000])
  respond(200)
  clock.advance(31_000)
  t.equal(times(180).length, 3)
})

t.test('after the end nothing is taken, and no timer is left', async (t) => {
  const { respond, clock, invite } = serve(supports)
  respond(180, { require: '100rel' })
  invite.end()
  t.strictSame(respond(200), ['refused'])
  t.equal(clock.pending, 0)
})

t.test('a transaction that is gone takes no answer', async (t) => {
  const { respond, state, invite, clock } = serve()
  state.taken = false
  t.strictSame(respond(200), ['refused'])
  t.notOk(invite.awaitsAck)
  t.equal(clock.pending, 0)
})
