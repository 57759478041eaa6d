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

t.test('an instance without reg-id does not replace: one device may have several contacts', async (t) => {
  const result = run([binding('sip:a@10.0.0.1', { instance: '<u>' })], {
    contact: '<sip:a@10.0.0.2>;+sip.instance="<u>"',
    cseq: '2 REGISTER',
  })
  t.equal(result.bindings?.length, 2)
})
