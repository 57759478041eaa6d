import t from 'tap'
import { inDialog, type Dialog } from './call.js'
import type { Phone } from './phone.js'
import { param, readSip, request } from './sip-text.js'

const phone = { request } as unknown as Phone
const dialog: Dialog = {
  target: 'sip:b@10.0.0.2',
  from: '"A" <sip:a@h>;tag=one;x=1',
  to: '<sip:b@h>;tag=two',
  callId: 'c',
  routes: ['<sip:p;lr>'],
}

t.test('a request inside a dialog has the tags of the dialog, each once', async (t) => {
  const bye = readSip(Buffer.from(inDialog(phone, 'BYE', dialog)))
  for (const [name, tag] of [
    ['from', 'one'],
    ['to', 'two'],
  ] as const) {
    t.equal(param(bye.header(name), 'tag'), tag)
    t.equal(bye.header(name)?.match(/tag=/g)?.length, 1, name)
  }
})

t.test('without a tag there is no dialog', async (t) => {
  t.throws(() => inDialog(phone, 'BYE', { ...dialog, to: '<sip:b@h>' }))
})
