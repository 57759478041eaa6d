import t from 'tap'
import { algorithmsFor } from '../../src/sip/legacy-phones.js'

t.test('baresip before 3.12 is offered MD5 alone, everybody else the whole list', async (t) => {
  const both = ['SHA-256', 'MD5'] as const
  for (const old of ['baresip v1.0.0 (x86_64/linux)', 'baresip v3.11.0 (arm/linux)', 'baresip 2.5'])
    t.strictSame(algorithmsFor(old, both), ['MD5'], old)
  for (const other of [
    'baresip v3.12.0 (x86_64/linux)',
    'baresip v4.1',
    'Linphone/5',
    'not baresip v1.0',
    undefined,
  ])
    t.strictSame(algorithmsFor(other, both), both, other ?? 'none')
})

t.test('where MD5 is switched off nobody gets it', async (t) => {
  t.strictSame(algorithmsFor('baresip v1.0.0', ['SHA-256']), ['SHA-256'])
})
