import t from 'tap'
import { callRecord, createCallLog, dispositionOf } from '../../src/sip/call-log.js'
import { reportOfProxy, reportOfReply, type CallReport } from '../../src/sip/calls/report.js'
import type { ProxyResponse } from '../../src/sip/edge-fields.js'
import type { Target } from '../../src/sip/routing.js'
import type { CallEntry } from '../../src/store/call.js'
import type { Registration } from '../../src/store/types.js'
import { account } from './fake-store.js'

const response = (status: number, more: Partial<ProxyResponse> = {}, headers = ''): ProxyResponse => ({
  ...{ address: '192.0.2.7', port: 5060, transport: 'udp', cipher: undefined, status },
  message: `SIP/2.0 ${status} Said So\r\nTo: "B;tag=x" <sip:2@h>;tag=b1\r\n${headers}\r\nServer: in the body`,
  ...more,
})
const target = (source: string, userAgent: string | null = null): Target => ({
  uri: 'sip:a@h',
  registration: { source, userAgent, transport: 'tls' } as Registration,
})
const phone = target('192.0.2.7:5060', 'registered with')

t.test('what a call has become, by the answer that the caller got', async (t) => {
  const of = (status: number, more: Partial<CallReport> = {}) =>
    dispositionOf({ ...reportOfReply({ status }), by: 'callee', devices: 1, ...more })
  for (const [status, disposition] of [
    ...([
      [200, 'ANSWERED'],
      [486, 'BUSY'],
      [600, 'BUSY'],
      [487, 'CANCELLED'],
      [603, 'REFUSED'],
    ] as const),
    ...([
      [403, 'REFUSED'],
      [488, 'REFUSED'],
      [408, 'NO_ANSWER'],
      [480, 'NO_ANSWER'],
    ] as const),
    ...([
      [404, 'FAILED'],
      [415, 'FAILED'],
      [500, 'FAILED'],
      [302, 'FAILED'],
    ] as const),
  ] as const)
    t.equal(of(status), disposition, String(status))
  t.equal(of(480, { by: 'server', devices: 0 }), 'FAILED', 'nobody is registered')
  t.equal(of(480, { by: 'server', devices: 0, explanation: 'SIPS Not Allowed' }), 'REFUSED')
  t.equal(of(480, { explanation: 'At lunch' }), 'NO_ANSWER', 'a phone may explain itself')
})

t.test('the device is the one that spoke the last word', async (t) => {
  const headers = 'User-Agent: Phone 2\r\nWarning: 399 phone "It is \\"late\\""\r\n'
  const answer = response(200, { address: '2001:db8::1', transport: 'wss', cipher: 'TLSv1.3 AES' }, headers)
  t.same(
    reportOfProxy({ connected: true, responses: [response(486), answer], rangAt: 5 }, [phone, target('x')]),
    {
      ...{ status: 200, reason: 'Said So', explanation: 'It is "late"', by: 'callee', rangAt: 5, devices: 2 },
      device: {
        address: '[2001:db8::1]:5060',
        transport: 'wss',
        cipher: 'TLSv1.3 AES',
        userAgent: 'Phone 2',
      },
      calleeTag: 'b1',
    },
  )
  const silent = reportOfProxy({ connected: false, responses: [response(486)] }, [
    target('y', 'other'),
    phone,
  ])
  t.equal(silent.device?.userAgent, 'registered with', 'its name is known, if it does not say it')
})

t.test('where no device has spoken', async (t) => {
  const made = response(480, { address: '', port: NaN })
  t.match(reportOfProxy({ connected: false, responses: [made] }, [phone]), {
    ...{ status: 480, by: 'server', rangAt: null, devices: 1 },
    device: { address: '192.0.2.7:5060', transport: 'tls', userAgent: 'registered with' },
  })
  t.match(reportOfProxy({ connected: false, responses: [made] }, [phone, target('x')]), { device: null })
  t.match(reportOfProxy({ connected: false, responses: [] }, [phone]), { status: 503, by: 'server' })
})

t.test('a message that is no SIP does no harm', async (t) => {
  for (const message of ['', '\r\n\r\n', 'Warning: 399', `Warning: 399 a "${'\\'.repeat(60_000)}`]) {
    const report = reportOfProxy({ connected: false, responses: [response(603, { message })] }, [phone])
    t.match(report, { status: 603, explanation: null, calleeTag: null })
  }
})

t.test('a refusal tells why, and nobody hangs up later', async (t) => {
  const entries: CallEntry[] = []
  const log = createCallLog(
    (entry) => void entries.push(entry),
    () => 9000,
  )
  const headers: Record<string, string> = { from: '"X" <sip:1@h>;tag=f', 'user-agent': 'UA' }
  const request = {
    ...{ callId: 'c', cipher: undefined, header: (name: string) => headers[name] },
    source: { address: '::1', port: 7, transport: 'tcp' as const },
  }
  const attempt = { request, caller: account(1), callee: undefined, dialled: '9', startedAt: 8000 }
  const reply = { status: 488, headers: { Warning: '399 privateline "No"' } }
  log.call(attempt, reportOfReply(reply))
  log.hangUp({ callId: 'c', fromTag: 'f', toTag: 't' })
  t.match(entries, [
    {
      call: {
        ...{ callId: 'c', callerTag: 'f', calleeTag: null, startedAt: 8000, answeredAt: null, endedAt: 9000 },
        ...{ disposition: 'REFUSED', sipReason: 'Not Acceptable Here', explanation: 'No', endedBy: 'server' },
        caller: { accountId: 1, address: '[::1]:7', transport: 'tcp', cipher: null, userAgent: 'UA' },
        callee: { accountId: null, number: '9', address: null },
      },
    },
    { end: { callId: 'c', fromTag: 'f', toTag: 't', endedAt: 9000 } },
  ])
  t.equal(callRecord({ ...attempt, dialled: undefined }, reportOfReply(reply), 1).callee.number, null)
})
