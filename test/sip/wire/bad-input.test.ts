/** Malformed SIP against the whole product: each gets the answer that RFC 3261 gives, and a control request passes after it. */
import t from 'tap'
import type { Phone, PhoneTransport } from '../../support/phone.js'
import { DOMAIN, register, startNetwork } from './network.js'

/** A REGISTER whose lines are changed; `lines` gets them by name. */
function message(phone: Phone, change: (lines: Map<string, string>) => void = () => {}, body = ''): string {
  const branch = `z9hG4bK${Math.random().toString(36).slice(2)}`
  const lines = new Map<string, string>([
    ['start', `REGISTER sip:${DOMAIN} SIP/2.0`],
    [
      'via',
      `Via: SIP/2.0/${phone.transport.toUpperCase()} 127.0.0.1:${phone.localPort};rport;branch=${branch}`,
    ],
    ['from', `From: <sip:9111@${DOMAIN}>;tag=1`],
    ['to', `To: <sip:9111@${DOMAIN}>`],
    ['call-id', `Call-ID: ${branch}`],
    ['cseq', 'CSeq: 1 REGISTER'],
    ['max-forwards', 'Max-Forwards: 70'],
    ['length', `Content-Length: ${body.length}`],
  ])
  change(lines)
  return `${[...lines.values()].join('\r\n')}\r\n\r\n${body}`
}

/** Name, message, and the status that answers it; undefined: no answer at all. */
const cases: [name: string, build: (phone: Phone) => string | Buffer, status: number | undefined][] = [
  [
    'a start line of two words',
    (phone) => message(phone, (lines) => lines.set('start', `REGISTER sip:${DOMAIN}`)),
    400,
  ],
  [
    'a start line with a blank too many',
    (phone) => message(phone, (lines) => lines.set('start', `REGISTER  sip:${DOMAIN} SIP/2.0`)),
    400,
  ],
  [
    'another version',
    (phone) => message(phone, (lines) => lines.set('start', `REGISTER sip:${DOMAIN} SIP/7.0`)),
    505,
  ],
  [
    'an unknown scheme',
    (phone) => message(phone, (lines) => lines.set('start', 'REGISTER nobody:knows SIP/2.0')),
    416,
  ],
  [
    '%00 in the user part',
    (phone) => message(phone, (lines) => lines.set('start', `REGISTER sip:a%00b@${DOMAIN} SIP/2.0`)),
    400,
  ],
  ['NUL in a header', (phone) => message(phone, (lines) => lines.set('to', `To: <sip:9\0@${DOMAIN}>`)), 400],
  ['no Via', (phone) => message(phone, (lines) => lines.delete('via')), undefined],
  ['no From', (phone) => message(phone, (lines) => lines.delete('from')), 400],
  ['no Call-ID', (phone) => message(phone, (lines) => lines.delete('call-id')), 400],
  ['no CSeq', (phone) => message(phone, (lines) => lines.delete('cseq')), 400],
  [
    'a CSeq of another method',
    (phone) => message(phone, (lines) => lines.set('cseq', 'CSeq: 1 INVITE')),
    400,
  ],
  [
    'a CSeq out of range',
    (phone) => message(phone, (lines) => lines.set('cseq', 'CSeq: 4294967296 REGISTER')),
    400,
  ],
  [
    'Max-Forwards that is no number',
    (phone) => message(phone, (lines) => lines.set('max-forwards', 'Max-Forwards: many')),
    400,
  ],
  ['a line without a colon', (phone) => message(phone, (lines) => lines.set('x', 'this is no header')), 400],
  [
    'a negative Content-Length',
    (phone) => message(phone, (lines) => lines.set('length', 'Content-Length: -1')),
    400,
  ],
  [
    'two different Content-Lengths',
    (phone) => message(phone, (lines) => lines.set('x', 'Content-Length: 7')),
    400,
  ],
  [
    '300 header lines',
    (phone) =>
      message(phone, (lines) =>
        lines.set('x', Array.from({ length: 300 }, (_, i) => `X-${i}: y`).join('\r\n')),
      ),
    400,
  ],
  ['60 kB of headers', (phone) => message(phone, (lines) => lines.set('x', `X: ${'x'.repeat(60_000)}`)), 513],
  [
    'a method that nobody knows',
    (phone) =>
      message(phone, (lines) => lines.set('start', `JUMP sip:${DOMAIN} SIP/2.0`).set('cseq', 'CSeq: 1 JUMP')),
    405,
  ],
  ['binary noise', () => Buffer.from(Array.from({ length: 500 }, (_, i) => (i * 197 + 13) % 256)), undefined],
]

for (const transport of ['udp', 'tcp'] as PhoneTransport[]) {
  t.test(`malformed messages over ${transport}`, async (t) => {
    const { phone, person } = await startNetwork(t)
    const ann = await person('111')
    for (const [name, build, status] of cases) {
      const bad = await phone(transport)
      bad.send(build(bad))
      if (status !== undefined) t.equal((await bad.expect(() => true)).status, status, name)
      const control = await phone(transport)
      control.send(control.request({ method: 'OPTIONS', uri: `sip:${DOMAIN}` }))
      t.equal((await control.expect(() => true)).status, 200, `${name}: the server goes on`)
      if (status === undefined) t.equal(bad.received.length, 0, `${name}: no answer`)
    }
    await register(await phone(transport), ann)
  })
}

t.test('a Content-Length beyond the datagram is refused', async (t) => {
  const { phone } = await startNetwork(t)
  const bad = await phone('udp')
  bad.send(message(bad, (lines) => lines.set('length', 'Content-Length: 400')))
  t.equal((await bad.expect(() => true)).status, 400)
})

t.test('a stream that announces more than the bound is refused and closed', async (t) => {
  const { phone } = await startNetwork(t)
  const bad = await phone('tcp')
  bad.send(message(bad, (lines) => lines.set('length', 'Content-Length: 100000000')))
  t.equal((await bad.expect(() => true)).status, 513)
  await bad.untilClosed()
})
