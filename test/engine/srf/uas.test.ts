/** Calls that an application answers: createUAS, reliable provisional responses, and what goes wrong on the way. */
import { EventEmitter } from 'node:events'
import t from 'tap'
import { callerSide, inDialog, invite, sdp } from '../../support/call.js'
import { accept, contactOf } from '../../support/callee.js'
import { deferred } from '../../support/deferred.js'
import { onEveryEdge, type Edge } from '../../support/edges.js'
import type { Phone, ReceivedMessage } from '../../support/phone.js'
import { cancelFor, param, uriOf } from '../../support/sip-text.js'
import { isSipError, type App, type AppRequest, type Dialog, type UasOptions } from '../../support/srf.js'
import { until } from '../../support/tools.js'

const local = sdp.replace('4000', '6000')

/** An application that answers each call with these options. */
async function answering(
  edge: Edge,
  options: () => UasOptions = () => ({ localSdp: local }),
): Promise<{ app: App; outcome: Promise<Dialog> }> {
  const outcome = deferred<Dialog>()
  const app = await edge.application((app) =>
    app.invite((req, res) => void app.createUAS(req, res, options()).then(outcome.resolve, outcome.reject)),
  )
  return { app, outcome: outcome.promise }
}

function acknowledge(phone: Phone, answer: ReceivedMessage, body = ''): void {
  phone.send(inDialog(phone, 'ACK', callerSide(answer), { body }))
}

for (const transport of ['udp', 'tcp', 'tls', 'ws', 'wss'] as const) {
  onEveryEdge(`a call over ${transport} is answered, and ended by the caller`, async (t, edge) => {
    const { app, outcome } = await answering(edge, () => ({
      localSdp: local,
      headers: { 'X-Custom': 'Ä', Subject: 'lunch' },
    }))
    const phone = await edge.phone(transport)
    const text = invite(phone)
    phone.send(text)
    const answer = await phone.expect(200)
    t.equal(answer.header('x-custom'), 'Ä')
    t.equal(answer.header('subject'), 'lunch')
    t.equal(answer.header('content-type'), 'application/sdp')
    t.equal(answer.body, local)
    t.match(uriOf(answer.header('contact')), `127.0.0.1:${edge.port(transport)}`)
    const dialog = await outcome
    const [callId, fromTag] = [answer.header('call-id') ?? '', param(answer.header('from'), 'tag') ?? '']
    t.match(dialog, {
      id: `${callId};from-tag=${fromTag}`,
      type: 'uas',
      dialogType: 'INVITE',
      connected: true,
      onHold: false,
      sip: { callId, remoteTag: fromTag, localTag: param(answer.header('to'), 'tag') },
      local: { sdp: local, uri: uriOf(answer.header('contact')) },
      remote: { sdp },
    })
    t.equal(app.findDialogById(dialog.id), dialog)
    t.equal(app.findDialogByCallIDAndFromTag(callId, fromTag), dialog)
    const [acked, ended] = [deferred<AppRequest>(), deferred<[AppRequest, string]>()]
    dialog.on('ack', acked.resolve)
    dialog.on('destroy', (bye, reason) => ended.resolve([bye, reason]))
    acknowledge(phone, answer)
    t.match(await acked.promise, { method: 'ACK' })
    phone.send(inDialog(phone, 'BYE', callerSide(answer), { headers: { Reason: 'Q.850;cause=16' } }))
    await phone.expect((got) => got.status === 200 && got.header('cseq') === '2 BYE')
    const [bye, reason] = await ended.promise
    t.equal(bye.get('reason'), 'Q.850;cause=16')
    t.equal(reason, 'normal release')
    t.equal(dialog.connected, false)
    t.equal(app.findDialogById(dialog.id), undefined)
    t.equal(app.idle, true)
  })

  onEveryEdge(`a call over ${transport} is ended by the application`, async (t, edge) => {
    const { outcome } = await answering(edge)
    const phone = await edge.phone(transport)
    phone.send(invite(phone, { contact: contactOf(phone) }))
    const answer = await phone.expect(200)
    // The phones of these tests live in the domain `localhost`.
    const answerHost = edge.differs('the host `localhost` in From and To of a response', {
      embedded: 'localhost',
      drachtioServer: `127.0.0.1:${edge.port(transport)}`,
    })
    acknowledge(phone, answer)
    const dialog = await outcome
    const [bye] = await Promise.all([accept(phone, 'BYE'), dialog.destroy({ headers: { 'X-Why': 'done' } })])
    t.equal(bye.uri, contactOf(phone))
    t.equal(bye.header('x-why'), 'done')
    t.match(answer.header('to'), `@${answerHost}>`)
    t.equal(bye.header('from'), answer.header('to')?.replace(answerHost, 'localhost'))
    t.equal(bye.header('to'), answer.header('from')?.replace(answerHost, 'localhost'))
    t.equal(bye.header('call-id'), answer.header('call-id'))
  })
}

onEveryEdge(
  'the answer may come from a function or a promise; the outcome may go to a callback',
  async (t, edge) => {
    const outcomes: Dialog[] = []
    const forms: UasOptions[] = [{ body: () => local }, { body: () => Promise.resolve(local) }]
    const app = await edge.application((app) =>
      app.invite((req, res) => {
        app.createUAS(req, res, forms.shift() ?? {}, (_, dialog) => outcomes.push(dialog))
      }),
    )
    for (const count of [1, 2]) {
      const phone = await edge.phone('udp')
      phone.send(invite(phone))
      const answer = await phone.expect(200)
      t.equal(answer.body, local)
      acknowledge(phone, answer)
      await until('the callback', () => outcomes.length === count)
      await Promise.all([accept(phone, 'BYE'), outcomes.at(-1)?.destroy()])
    }
    t.equal(app.idle, true)
  },
)

onEveryEdge('an answer that fails to come leaves the call to the application', async (t, edge) => {
  const refused = deferred<unknown>()
  await edge.application((app) =>
    app.invite((req, res) => {
      const body = (): Promise<string> => Promise.reject(new Error('no media server'))
      app.createUAS(req, res, { body }).catch((error: unknown) => {
        refused.resolve(error)
        res.send(503)
      })
    }),
  )
  const phone = await edge.phone('udp')
  phone.send(invite(phone))
  await phone.expect(503)
  t.match(await refused.promise, /no media server/)
})

onEveryEdge('a caller that gives up while the answer is made: 487, and no dialog', async (t, edge) => {
  const [asked, answer] = [deferred(), deferred<string>()]
  const { outcome } = await answering(edge, () => ({
    body: () => {
      asked.resolve()
      return answer.promise
    },
  }))
  const outcomeOrError = outcome.catch((error: unknown) => error)
  const phone = await edge.phone('udp')
  const text = invite(phone)
  phone.send(text)
  await asked.promise
  phone.send(cancelFor(text))
  await phone.expect(487)
  answer.resolve(local)
  t.match(await outcomeOrError, /unknown transaction|Request Terminated/)
})

onEveryEdge('an INVITE without an offer: ours in the answer, theirs in the ACK', async (t, edge) => {
  const { outcome } = await answering(edge)
  const phone = await edge.phone('udp')
  phone.send(invite(phone, { body: '' }))
  const answer = await phone.expect(200)
  t.equal(answer.body, local)
  const dialog = await outcome
  const acked = deferred<AppRequest>()
  dialog.on('ack', acked.resolve)
  acknowledge(phone, answer, sdp)
  t.equal((await acked.promise).body, sdp)
  t.equal(dialog.remote.sdp, sdp)
  await Promise.all([accept(phone, 'BYE'), dialog.destroy()])
})

onEveryEdge(
  'a reliable provisional response: repeated until its PRACK, which the application sees',
  async (t, edge) => {
    const prack = deferred<AppRequest>()
    const sent = deferred<unknown>()
    const outcome = deferred<Dialog>()
    await edge.application((app) =>
      app.invite((req, res) => {
        const options = { headers: { Require: '100rel' }, body: local }
        res.send(
          183,
          options,
          (error) => sent.resolve(error),
          (received) => {
            prack.resolve(received)
            void app.createUAS(req, res, { localSdp: local }).then(outcome.resolve, outcome.reject)
          },
        )
      }),
    )
    const phone = await edge.phone('udp')
    phone.send(invite(phone, { headers: { Supported: '100rel' } }))
    const progress = await phone.expect(183)
    t.notOk(await sent.promise)
    t.match(progress.header('require'), '100rel')
    t.match(progress.header('rseq'), /^\d+$/)
    t.equal(progress.body, local)
    t.match(uriOf(progress.header('contact')), '127.0.0.1')
    const again = await phone.expect(183)
    t.equal(again.header('rseq'), progress.header('rseq'))
    const rack = `${progress.header('rseq')} 1 INVITE`
    phone.send(inDialog(phone, 'PRACK', callerSide(progress), { headers: { RAck: rack } }))
    await phone.expect((got) => got.status === 200 && got.header('cseq') === '2 PRACK')
    t.equal((await prack.promise).get('rack'), rack)
    const answer = await phone.expect((got) => got.status === 200 && got.header('cseq') === '1 INVITE')
    t.equal(param(answer.header('to'), 'tag'), param(progress.header('to'), 'tag'))
    acknowledge(phone, answer)
    const dialog = await outcome.promise
    await Promise.all([accept(phone, 'BYE'), dialog.destroy()])
  },
)

onEveryEdge('UPDATE before the answer goes to the call that it belongs to', async (t, edge) => {
  const outcome = deferred<Dialog>()
  await edge.application((app) =>
    app.invite((req, res) => {
      req.on('update', (_, answer) => {
        answer.send(200, { body: local })
        void app.createUAS(req, res, { localSdp: local }).then(outcome.resolve, outcome.reject)
      })
      res.send(183, { headers: { Require: '100rel' }, body: local })
    }),
  )
  const phone = await edge.phone('tcp')
  phone.send(invite(phone, { headers: { Supported: '100rel' } }))
  const progress = await phone.expect(183)
  const side = callerSide(progress)
  phone.send(inDialog(phone, 'PRACK', side, { headers: { RAck: `${progress.header('rseq')} 1 INVITE` } }))
  await phone.expect((got) => got.header('cseq') === '2 PRACK')
  phone.send(inDialog(phone, 'UPDATE', side, { cseq: 3, body: sdp }))
  const updated = await phone.expect((got) => got.header('cseq') === '3 UPDATE')
  t.equal(updated.status, 200)
  t.equal(updated.body, local)
  const answer = await phone.expect((got) => got.status === 200 && got.header('cseq') === '1 INVITE')
  acknowledge(phone, answer)
  const dialog = await outcome.promise
  await Promise.all([accept(phone, 'BYE'), dialog.destroy()])
})

onEveryEdge(
  'an answer is repeated until its ACK; without one the edge hangs up and says why',
  async (t, edge) => {
    const { outcome } = await answering(edge)
    const phone = await edge.phone('udp')
    phone.send(invite(phone, { contact: contactOf(phone) }))
    await phone.expect(200)
    const dialog = await outcome
    const ended = deferred<string>()
    dialog.on('destroy', (_, reason) => ended.resolve(reason))
    await phone.expect(200)
    const bye = await phone.expect('BYE', edge.fixed64T1 + 2000)
    phone.reply(bye, 200)
    t.match(await ended.promise, /ack/i)
    t.equal(dialog.connected, false)
  },
  { timesOut: true, waits: true },
)

onEveryEdge('the states of a call are told where an application listens for them', async (t, edge) => {
  const states: string[] = []
  const dialogStateEmitter = new EventEmitter().on('stateChange', ({ state }: { state: string }) =>
    states.push(state),
  )
  const { outcome } = await answering(edge, () => ({ localSdp: local, dialogStateEmitter }))
  const phone = await edge.phone('udp')
  phone.send(invite(phone))
  const answer = await phone.expect(200)
  await outcome
  acknowledge(phone, answer)
  phone.send(inDialog(phone, 'BYE', callerSide(answer)))
  await until('the end', () => states.length === 3)
  t.strictSame(states, ['trying', 'confirmed', 'terminated'])
})

onEveryEdge('an answer that can no longer be sent rejects with the reason', async (t, edge) => {
  const outcome = deferred<unknown>()
  await edge.application((app) =>
    app.invite((req, res) => {
      req.on('cancel', () => {
        app.createUAS(req, res, { localSdp: local }).catch(outcome.resolve)
      })
    }),
  )
  const phone = await edge.phone('tcp')
  const text = invite(phone)
  phone.send(text)
  await phone.expect(100)
  await until('cancelled', () => {
    phone.send(cancelFor(text))
    return phone.received.some(({ status }) => status === 487)
  })
  const error = await outcome.promise
  t.notOk(isSipError(error))
  t.match(error, /unknown transaction/)
})

t.end()
