/** Dialog state against RFC 3261 §12, the way to a peer, what lives in a dialog (RFC 5057), and the table. */
import t from 'tap'
import {
  acceptSequence,
  confirm,
  dialogOfUac,
  dialogOfUas,
  refreshTarget,
  requestWithin,
  type Dialog,
  type DialogOwner,
} from '../../../src/engine/dialog/dialog.js'
import { nextHopOf } from '../../../src/engine/dialog/reach.js'
import { DialogTable } from '../../../src/engine/dialog/table.js'
import { applyFinal, usageOf } from '../../../src/engine/dialog/usages.js'
import { responseTo } from '../../../src/engine/message/response.js'
import type { SipResponse } from '../../../src/engine/message/sip-message.js'
import { SipRequest } from '../../../src/engine/message/sip-message.js'
import type { Peer } from '../../../src/engine/transport/peer.js'
import type { Flow, TransportName } from '../../../src/engine/transport/transport.js'
import { fakeFlow } from '../../support/fake-wire.js'

const owner: DialogOwner = { authenticated: true, keepsUp: true, send: () => {} }

type Headers = Record<string, string>

function request(method: string, headers: Headers = {}, uri = 'sip:us@192.0.2.9'): SipRequest {
  const made = new SipRequest(method, uri)
  const all: Headers = {
    via: 'SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1',
    from: '"Alice" <sip:alice@example.com>;tag=a',
    to: '<sip:us@192.0.2.9>',
    'call-id': 'call',
    cseq: `7 ${method}`,
    contact: '<sip:alice@192.0.2.1:5070>',
    ...headers,
  }
  for (const [name, value] of Object.entries(all)) if (value !== '') made.append(name, value)
  return made
}

function answer(to: SipRequest, status: number, headers: Headers = {}, toTag = 'u'): SipResponse {
  const response = responseTo(to, status, undefined, { toTag, recordRoute: true })
  for (const [name, value] of Object.entries(headers)) response.append(name, value)
  return response
}

function flowFrom(remoteAddress: string, remotePort = 5070, transport: TransportName = 'udp'): Flow {
  return { ...fakeFlow(transport), remoteAddress, remotePort }
}

const callee: Headers = { contact: '<sip:bob@192.0.2.2>' }

function uas(headers: Headers = {}, flow = flowFrom('192.0.2.1')): Dialog {
  const invite = request('INVITE', headers)
  const dialog = dialogOfUas(invite, answer(invite, 200, { contact: '<sip:us@192.0.2.9>' }), flow, owner)
  if (!dialog) throw new Error('no dialog')
  return dialog
}

function uac(headers: Headers = callee, status = 200, toTag = 'u', flow = flowFrom('192.0.2.1')): Dialog {
  const invite = request('INVITE')
  const dialog = dialogOfUac(invite, answer(invite, status, headers, toTag), flow, owner)
  if (!dialog) throw new Error('no dialog')
  return dialog
}

/** Requests of the peer of a `uas()` dialog. */
const within = { to: '<sip:us@192.0.2.9>;tag=u' }

t.test('the dialog of a UAS (§12.1.1)', async (t) => {
  const dialog = uas({ 'record-route': '<sip:p1;lr>, <sip:p2;lr>' })
  t.match(dialog, {
    id: 'call;from-tag=a',
    role: 'uas',
    state: 'confirmed',
    localTag: 'u',
    remoteTag: 'a',
    remoteSeq: 7,
    local: '<sip:us@192.0.2.9>;tag=u',
    remote: '"Alice" <sip:alice@example.com>;tag=a',
    remoteTarget: 'sip:alice@192.0.2.1:5070',
    localContact: '<sip:us@192.0.2.9>',
  })
  t.strictSame(dialog.routeSet, ['<sip:p1;lr>', '<sip:p2;lr>'])
  const early = request('INVITE')
  t.equal(dialogOfUas(early, answer(early, 180), flowFrom('192.0.2.1'), owner)?.state, 'early')
  for (const contact of ['', '*']) {
    const without = request('INVITE', { contact })
    t.equal(dialogOfUas(without, answer(without, 200), flowFrom('192.0.2.1'), owner), undefined)
  }
})

t.test('the dialog of a UAC (§12.1.2)', async (t) => {
  const dialog = uac({ ...callee, 'record-route': '<sip:p1;lr>, <sip:p2;lr>' })
  t.match(dialog, {
    id: 'call;from-tag=a',
    role: 'uac',
    localTag: 'a',
    remoteTag: 'u',
    localSeq: 7,
    remoteSeq: undefined,
    remoteTarget: 'sip:bob@192.0.2.2',
  })
  t.strictSame(dialog.routeSet, ['<sip:p2;lr>', '<sip:p1;lr>'], 'in reverse')
  const invite = request('INVITE')
  t.equal(dialogOfUac(invite, answer(invite, 180), flowFrom('192.0.2.1'), owner), undefined, 'no Contact')
  const early = uac(callee, 180)
  confirm(early, answer(invite, 200, { contact: '<sip:bob@192.0.2.3>', 'record-route': '<sip:p3;lr>' }))
  t.match(early, { state: 'confirmed', remoteTarget: 'sip:bob@192.0.2.3', routeSet: ['<sip:p3;lr>'] })
})

t.test('a request within a dialog (§12.2.1.1)', async (t) => {
  const dialog = uas({ 'record-route': '<sip:p1;lr>, <sip:p2;lr>' })
  const bye = requestWithin(dialog, 'BYE')
  t.equal(
    bye.serialize().toString(),
    'BYE sip:alice@192.0.2.1:5070 SIP/2.0\r\nRoute: <sip:p1;lr>\r\nRoute: <sip:p2;lr>\r\nMax-Forwards: 70\r\n' +
      'From: <sip:us@192.0.2.9>;tag=u\r\nTo: "Alice" <sip:alice@example.com>;tag=a\r\nCall-ID: call\r\n' +
      'CSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n',
  )
  t.equal(requestWithin(dialog, 'INFO').cseq.seq, 2)
  t.equal(requestWithin(dialog, 'ACK', 1).cseq.seq, 1, 'an ACK has the number of its INVITE')
  t.equal(requestWithin(dialog, 'INFO').cseq.seq, 3)
})

t.test('a strict router gets itself as the Request-URI, without what may not stand there', async (t) => {
  const dialog = uas({ 'record-route': '<sip:p1;method=INVITE;x=y?a=b>, <sip:p2;lr>' })
  const bye = requestWithin(dialog, 'BYE')
  t.equal(bye.uri, 'sip:p1;x=y')
  t.strictSame(bye.lines('route'), ['<sip:p2;lr>', '<sip:alice@192.0.2.1:5070>'])
  t.strictSame(nextHopOf(dialog), { uri: 'sip:p1;method=INVITE;x=y?a=b' })
})

t.test('sequence numbers of the peer may rise, and repeat, but not fall (§12.2.2)', async (t) => {
  const dialog = uas()
  t.notOk(acceptSequence(dialog, request('INFO', { cseq: '6 INFO' })))
  t.ok(acceptSequence(dialog, request('INFO', { cseq: '7 INFO' })))
  t.ok(acceptSequence(dialog, request('INFO', { cseq: '4000 INFO' })), 'gaps are allowed')
  t.notOk(acceptSequence(dialog, request('INFO', { cseq: '3999 INFO' })))
  t.ok(acceptSequence(uac(), request('INFO', { cseq: '1 INFO' })), 'none before: any')
})

t.test('re-INVITE, UPDATE, SUBSCRIBE and NOTIFY move the target; others do not (§12.2.2)', async (t) => {
  for (const method of ['INVITE', 'UPDATE', 'SUBSCRIBE', 'NOTIFY', 'INFO', 'REFER', 'MESSAGE']) {
    const dialog = uas()
    const flow = flowFrom('192.0.2.7')
    refreshTarget(dialog, request(method, { contact: '<sip:moved@192.0.2.7>' }), flow)
    const moves = !['INFO', 'REFER', 'MESSAGE'].includes(method)
    t.equal(dialog.remoteTarget === 'sip:moved@192.0.2.7', moves, method)
    t.equal(dialog.flow === flow, moves, `flow: ${method}`)
  }
})

t.test('the way to the peer', async (t) => {
  const nat = { contact: '<sip:alice@10.0.0.1:5060>' }
  const proxied = { via: 'SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1, SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK2' }
  const seen: Peer = { transport: 'udp', address: '192.0.2.1', port: 5070 }
  const tcp = flowFrom('192.0.2.1', 40_000, 'tcp')
  const ws = flowFrom('192.0.2.1', 40_000, 'ws')
  const ways: [string, Dialog, ReturnType<typeof nextHopOf>['flow']][] = [
    [
      'its own address: the port of the Contact',
      uas({}, flowFrom('192.0.2.1', 6000)),
      { ...seen, port: 5070 },
    ],
    ['behind NAT: where it was seen', uas(nat), seen],
    ['behind NAT and a proxy without Record-Route', uas({ ...nat, ...proxied }), seen],
    [
      'behind a proxy without Record-Route: its Contact',
      uas({ ...proxied, contact: '<sip:a@192.0.2.5>' }),
      undefined,
    ],
    ['a Record-Route elsewhere', uas({ ...nat, 'record-route': '<sip:192.0.2.8;lr>' }), undefined],
    [
      'a Record-Route of the neighbour',
      uas({ ...nat, 'record-route': '<sip:192.0.2.1;lr>' }),
      { ...seen, port: 5060 },
    ],
    [
      'TCP: the connection, or where it listens',
      uas({}, tcp),
      { transport: 'tcp', address: '192.0.2.1', port: 40_000, listens: 5070 },
    ],
    [
      'another transport than the one it came by',
      uas({ contact: '<sip:a@192.0.2.1;transport=tcp>' }),
      undefined,
    ],
    [
      'WebSocket: its own connection only',
      uas({ contact: '<sip:x@y.invalid;transport=ws>' }, ws),
      { transport: 'ws', address: '192.0.2.1', port: 40_000 },
    ],
    ['what we have called: its Contact', uac({ contact: '<sip:bob@192.0.2.2>' }), undefined],
    ['what we have called, behind NAT', uac({ contact: '<sip:bob@192.168.0.2>' }), seen],
  ]
  for (const [name, dialog, flow] of ways) t.strictSame(nextHopOf(dialog).flow, flow, name)
})

t.test('a dialog ends with its last usage (RFC 5057)', async (t) => {
  const table = new DialogTable(10)
  const begin = (): Dialog => {
    const dialog = uas()
    table.add(dialog)
    return dialog
  }
  const final = (dialog: Dialog, method: string, status: number, headers: Headers = {}): boolean => {
    applyFinal(table, dialog, request(method, { ...within, ...headers }), status)
    return dialog.state === 'ended'
  }
  for (const [method, status, ends] of [
    ['BYE', 200, true],
    ['BYE', 401, false],
    ['BYE', 407, false],
    ['BYE', 500, true],
    ['BYE', 408, true],
    ['INFO', 481, true],
    ['INFO', 408, true],
    ['INFO', 404, false],
    ['INVITE', 488, false],
    ['INVITE', 481, true],
    ['PRACK', 481, false],
    ['UPDATE', 481, true],
  ] as const) {
    t.equal(final(begin(), method, status), ends, `${method} ${status}`)
  }
  const both = begin()
  t.notOk(final(both, 'SUBSCRIBE', 200, { event: 'dialog;id=1' }))
  t.notOk(final(both, 'BYE', 200), 'the subscription lives on')
  t.notOk(
    final(both, 'NOTIFY', 200, { event: 'dialog;id=2', 'subscription-state': 'terminated' }),
    'another one',
  )
  t.notOk(final(both, 'NOTIFY', 200, { event: 'Dialog;id=1', 'subscription-state': 'active' }))
  t.ok(final(both, 'NOTIFY', 200, { event: 'Dialog;id=1', 'subscription-state': 'terminated;reason=x' }))
  const transfer = begin()
  t.notOk(final(transfer, 'REFER', 202, { cseq: '93 REFER' }))
  t.notOk(final(transfer, 'BYE', 200), 'the progress of the transfer is still to come')
  t.notOk(final(transfer, 'NOTIFY', 401, { event: 'refer', 'subscription-state': 'terminated' }))
  t.ok(
    final(transfer, 'NOTIFY', 503, { event: 'refer', 'subscription-state': 'terminated' }),
    'as with a BYE',
  )
  t.ok(final(begin(), 'REFER', 481), 'no dialog, no transfer')
  const silent = begin()
  applyFinal(
    table,
    silent,
    request('REFER', within),
    202,
    answer(request('REFER', within), 202, { 'refer-sub': 'false' }),
  )
  t.strictSame([...silent.usages], ['invite'], 'RFC 4488: no subscription')
  t.equal(usageOf(request('NOTIFY', { event: 'presence' })), 'presence;')
})

t.test('the table finds dialogs by drachtio id and by tags, forks side by side', async (t) => {
  const table = new DialogTable(3)
  const ended: string[] = []
  const forks = ['x', 'y'].map((tag) => {
    const dialog = uac(callee, 180, tag)
    dialog.onEnd.push(() => ended.push(tag))
    table.add(dialog)
    return dialog
  })
  const bye = (tag: string): SipRequest =>
    request('BYE', { from: `<sip:bob@x>;tag=${tag}`, to: '<sip:alice@y>;tag=a' })
  t.equal(table.find(bye('x')), forks[0])
  t.equal(table.find(bye('y')), forks[1])
  t.equal(table.find(bye('z')), undefined)
  t.equal(table.find(request('INVITE')), undefined, 'no To tag: outside dialogs')
  t.equal(table.get('call;from-tag=a'), forks[1], 'the last')
  confirm(forks[0] as Dialog, answer(request('INVITE'), 200, callee, 'x'))
  t.equal(table.get('call;from-tag=a'), forks[0], 'the confirmed one')
  t.equal(table.size, 2)
  t.notOk(table.full)
  table.add(uac(callee, 180, 'z'))
  t.ok(table.full)
  for (const dialog of [...forks, ...forks]) table.remove(dialog)
  t.strictSame(ended, ['x', 'y'], 'told once')
  t.equal(table.size, 1)
  table.clear()
  t.equal(table.size, 0)
  t.equal(table.get('call;from-tag=a'), undefined)
})
