import t from 'tap'
import { register, type Registered } from '../../src/sip/registration.js'
import type { Binding } from '../../src/store/types.js'
import { binding, NOW, ORIGIN, registerRequest } from './registers.js'

const policy = { minExpires: 60, defaultExpires: 3600, maxExpires: 7200, maxContacts: 3 }

function run(bindings: readonly Binding[], headers: Record<string, string>, now = NOW): Registered {
  return register(bindings, registerRequest(headers), now, policy)
}

function contacts({ reply }: Registered) {
  return reply.headers?.['Contact'] ?? []
}

t.test('a new contact is bound with everything known of it', async (t) => {
  const result = run([], {
    contact: '<sip:a@h>;q=0.25',
    'call-id': 'c9',
    cseq: '7 REGISTER',
    'user-agent': 'Fon',
    path: '<sip:p;lr>',
    supported: 'path',
  })
  t.strictSame(result.bindings, [
    {
      contact: 'sip:a@h',
      instance: null,
      regId: null,
      q: 0.25,
      callId: 'c9',
      cseq: 7,
      expiresAt: NOW + 3_600_000,
      path: ['<sip:p;lr>'],
      userAgent: 'Fon',
      createdAt: NOW,
      ...ORIGIN,
    },
  ])
  t.equal(result.reply.status, 200)
  t.equal(result.reply.headers?.['Date'], 'Tue, 24 Nov 2026 12:00:00 GMT')
  t.strictSame(result.reply.headers?.['Path'], ['<sip:p;lr>'])
  t.strictSame(contacts(result), ['<sip:a@h>;expires=3600;q=0.25'])
  t.match(result, { added: 1, refreshed: 0, removed: 0 })
})

t.test(
  'the 200 lists all live bindings with the time they have left, not only those of the request',
  async (t) => {
    const others = [
      binding('sip:b@h', { expiresAt: NOW + 500, instance: '<urn:x>', regId: 1, q: 0 }),
      binding('sip:dead@h', { expiresAt: NOW }),
    ]
    t.strictSame(contacts(run(others, { contact: '<sip:a@h>;expires=100', cseq: '2 REGISTER' })), [
      '<sip:a@h>;expires=100',
      '<sip:b@h>;expires=1;q=0;+sip.instance="<urn:x>";reg-id=1',
    ])
    const question = run(others, {})
    t.equal(question.bindings, undefined, 'a question changes nothing')
    t.equal(contacts(question).length, 1)
    t.equal(run([], {}).reply.headers?.['Contact'], undefined)
  },
)

t.test('a refresh replaces the binding of an equivalent URI and keeps when it was first made', async (t) => {
  const result = run([binding('sip:%61@H;x=1')], { contact: '<sip:a@h>;expires=120', cseq: '2 REGISTER' })
  t.match(result, { added: 0, refreshed: 1, removed: 0 })
  t.match(result.bindings, [{ contact: 'sip:a@h', cseq: 2, createdAt: NOW - 1000 }])
  t.equal(result.bindings?.length, 1)
})

t.test(
  'an expiry of 0 removes that contact and no other; of one that is not bound, it is harmless',
  async (t) => {
    const both = [binding('sip:a@h'), binding('sip:b@h')]
    const result = run(both, { contact: '<sip:a@h>', expires: '0', cseq: '2 REGISTER' })
    t.strictSame(result.bindings, [both[1]])
    t.equal(result.removed, 1)
    t.match(run(both, { contact: '<sip:z@h>;expires=0' }), { reply: { status: 200 }, removed: 0 })
  },
)

t.test('the star removes everything', async (t) => {
  const result = run([binding('sip:a@h'), binding('sip:b@h', { callId: 'other', cseq: 99 })], {
    contact: '*',
    expires: '0',
    cseq: '2 REGISTER',
  })
  t.strictSame(result.bindings, [])
  t.equal(result.removed, 2)
  t.strictSame(contacts(result), [])
})

t.test('an old request with the same Call-ID changes nothing (RFC 3261 §10.3 steps 6 and 7)', async (t) => {
  const bound = [binding('sip:a@h', { cseq: 5 }), binding('sip:b@h', { callId: 'other' })]
  for (const [headers, why] of [
    [{ contact: '<sip:a@h>', cseq: '4 REGISTER' }, 'lower CSeq'],
    [{ contact: '<sip:a@h>', cseq: '5 REGISTER' }, 'equal CSeq'],
    [{ contact: '<sip:a@h>;expires=0', cseq: '5 REGISTER' }, 'removal'],
    [{ contact: '*', expires: '0', cseq: '5 REGISTER' }, 'the star'],
    [{ contact: '<sip:new@h>, <sip:a@h>', cseq: '5 REGISTER' }, 'one of two: all or nothing'],
  ] as const) {
    const result = run(bound, headers)
    t.equal(result.reply.status, 500, why)
    t.equal(result.bindings, undefined, why)
  }
  t.equal(run(bound, { contact: '<sip:a@h>', cseq: '6 REGISTER' }).reply.status, 200, 'higher CSeq')
  t.equal(
    run(bound, { contact: '<sip:a@h>', 'call-id': 'new', cseq: '1 REGISTER' }).reply.status,
    200,
    'rebooted phone',
  )
})

t.test('a contact that stands twice in one request is bound once, as it stands last', async (t) => {
  const result = run([], { contact: '<sip:a@h>;expires=100, <sip:a@h>;expires=200' })
  t.strictSame(contacts(result), ['<sip:a@h>;expires=200'])
})

t.test(
  'too brief an expiry is refused with the minimum; none, an hour and more are never too brief',
  async (t) => {
    const result = run([], { contact: '<sip:a@h>, <sip:b@h>;expires=59' })
    t.match(result, { bindings: undefined, reply: { status: 423, headers: { 'Min-Expires': '60' } } })
    t.equal(run([], { contact: '<sip:a@h>;expires=60' }).reply.status, 200)
    t.equal(run([], { contact: '<sip:a@h>;expires=0' }).reply.status, 200)
    const strict = { ...policy, minExpires: 5000 }
    t.equal(
      register([], registerRequest({ contact: '<sip:a@h>;expires=3600' }), NOW, strict).reply.status,
      200,
    )
    t.equal(
      register([], registerRequest({ contact: '<sip:a@h>;expires=3599' }), NOW, strict).reply.status,
      423,
    )
  },
)

t.test('too long an expiry is shortened', async (t) => {
  t.strictSame(contacts(run([], { contact: '<sip:a@h>;expires=999999' })), ['<sip:a@h>;expires=7200'])
})

t.test('no more devices than allowed, all or nothing, and a refresh is always possible', async (t) => {
  const full = ['a', 'b', 'c'].map((user) => binding(`sip:${user}@h`))
  const result = run(full, { contact: '<sip:d@h>', cseq: '2 REGISTER' })
  t.match(result, { bindings: undefined, reply: { status: 403, reason: 'Too Many Devices' } })
  t.match(result.reply.headers?.['Warning'], /^399 privateline "No more than 3 devices/)
  t.equal(run([], { contact: '<sip:a@h>,<sip:b@h>,<sip:c@h>,<sip:d@h>' }).bindings, undefined)
  const over = [...full, binding('sip:d@h')]
  t.equal(run(over, { contact: '<sip:a@h>', cseq: '2 REGISTER' }).reply.status, 200)
  const swapped = run(full, { contact: '<sip:a@h>;expires=0, <sip:d@h>', cseq: '2 REGISTER' })
  t.equal(swapped.reply.status, 200, 'one out, one in')
})

t.test(
  'a device with instance and reg-id replaces its old binding, wherever it is now (RFC 5626)',
  async (t) => {
    const flow = (contact: string, regId: number) =>
      binding(contact, { instance: '<urn:1>', regId, callId: 'old' })
    const bound = [flow('sip:a@10.0.0.1', 1), flow('sip:a@10.0.0.2', 2), binding('sip:b@h', { callId: 'x' })]
    const result = run(bound, {
      contact: '<sip:a@10.9.9.9>;+sip.instance="<urn:1>";reg-id=1',
      supported: 'outbound, path',
    })
    t.strictSame(
      result.bindings?.map(({ contact }) => contact),
      ['sip:a@10.9.9.9', 'sip:a@10.0.0.2', 'sip:b@h'],
    )
    t.equal(result.refreshed, 1)
    t.equal(result.reply.headers?.['Require'], 'outbound')
  },
)

t.test('outbound is claimed only where it was done', async (t) => {
  t.equal(run([], { contact: '<sip:a@h>', supported: 'outbound' }).reply.headers?.['Require'], undefined)
  const unasked = run([], { contact: '<sip:a@h>;+sip.instance="<u>";reg-id=1' })
  t.equal(unasked.reply.headers?.['Require'], undefined)
})

t.test('a device with an instance and no reg-id that comes back replaces its old binding', async (t) => {
  const device = { instance: '<u>', callId: 'old' }
  const bound = [
    binding('sip:a@10.0.0.1', device),
    binding('sip:a@10.0.0.1:5', { ...device, regId: 1 }),
    binding('sip:b@h', { ...device, instance: '<v>' }),
    binding('sip:c@h', { callId: 'old' }),
  ]
  const result = run(bound, { contact: '<sip:a@10.0.0.2>;+sip.instance="<u>"' })
  t.strictSame(
    result.bindings?.map(({ contact }) => contact),
    ['sip:a@10.0.0.2', 'sip:a@10.0.0.1:5', 'sip:b@h', 'sip:c@h'],
  )
  t.match(result, { added: 0, refreshed: 1, removed: 0 })
})

t.test('it may list several contacts, and the goodbye of an old one leaves the new one', async (t) => {
  const two = '<sip:a@h;x=1>;+sip.instance="<u>", <sip:a@h;x=2>;+sip.instance="<u>"'
  const first = run([], { contact: two })
  t.match(first, { added: 2, refreshed: 0 })
  const again = run(first.bindings ?? [], { contact: two, cseq: '2 REGISTER' })
  t.match(again, { added: 0, refreshed: 2 })
  t.equal(again.bindings?.length, 2)
  const moved = run([binding('sip:a@new', { instance: '<u>', callId: 'new' })], {
    contact: '<sip:a@old>;+sip.instance="<u>";expires=0',
  })
  t.match(moved, { reply: { status: 200 }, removed: 0, bindings: [{ contact: 'sip:a@new' }] })
})

t.test('at the limit what a phone left behind when its connection broke makes room for it', async (t) => {
  const fon = { userAgent: 'Fon', callId: 'old' }
  const tcp = (contact: string, port: number, more: Partial<Binding> = {}) =>
    binding(contact, { ...fon, source: `192.0.2.7:${port}`, transport: 'tcp', ...more })
  const full = [
    tcp('sip:a@h', 3, { expiresAt: NOW + 300 }),
    tcp('sip:b@h', 1, { expiresAt: NOW + 100 }),
    tcp('sip:c@h', 2, { expiresAt: NOW + 200, transport: 'tls' }),
  ]
  const ask = (bound: readonly Binding[], origin: object = {}, contact = '<sip:new@h>') =>
    register(
      bound,
      {
        ...registerRequest({ contact, 'user-agent': 'Fon' }),
        source: '192.0.2.7:9',
        transport: 'tcp',
        ...origin,
      },
      NOW,
      policy,
    )
  const names = ({ bindings }: Registered) => bindings?.map(({ contact }) => contact.slice(4, -2)).join(' ')

  t.match(ask(full), { reply: { status: 200 }, added: 1, removed: 1 })
  t.equal(names(ask(full)), 'new a c', 'the one that was refreshed longest ago')
  t.equal(names(ask(full, {}, '<sip:x@h>, <sip:y@h>')), 'y x a')
  t.equal(ask(full, {}, '<sip:w@h>, <sip:x@h>, <sip:y@h>, <sip:z@h>').reply.status, 403, 'never its own')
  t.equal(names(ask(full.slice(1))), 'new b c', 'below the limit nothing is removed')

  for (const [why, origin] of [
    ['a request over UDP', { transport: 'udp' }],
    ['another host', { source: '192.0.2.70:9' }],
    ['another program', { userAgent: 'fon' }],
    ['a program without a name', { userAgent: null }],
    ['a proxy, whose address is that of all its phones', { path: ['<sip:p;lr>'] }],
  ] as const)
    t.match(ask(full, origin), { reply: { status: 403 }, bindings: undefined }, why)
  for (const more of [{ transport: 'udp' }, { userAgent: null }, { path: ['<sip:p;lr>'] }] as const) {
    const others = full.map((one) => ({ ...one, ...more }))
    t.equal(ask(others).reply.status, 403, `bindings with ${JSON.stringify(more)}`)
    t.equal(ask(others, more).reply.status, 403, `both with ${JSON.stringify(more)}`)
  }
})
