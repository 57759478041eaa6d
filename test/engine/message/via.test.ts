import t from 'tap'
import { formatVia, parseVia } from '../../../src/engine/message/via.js'

t.test('a Via is taken apart', async (t) => {
  const via = parseVia('SIP/2.0/UDP Host.Example:5062;branch=z9hG4bKabc;RPORT;x="a;b"')
  t.match(via, { transport: 'UDP', host: 'host.example', port: 5062, branch: 'z9hG4bKabc', wantsRport: true })
  t.equal(via?.rport, undefined)
  t.equal(via?.received, undefined)
  t.equal(via?.hasMagicCookie, true)
  t.equal(via && formatVia(via), 'SIP/2.0/UDP host.example:5062;branch=z9hG4bKabc;RPORT;x="a;b"')
})

t.test('white space is allowed around every separator', async (t) => {
  const via = parseVia(' sip  / 2.0\t/ tcp   [2001:db8::1] : 5060 ; branch = z9hG4bKa ; rport = 7')
  t.match(via, { transport: 'TCP', host: '2001:db8::1', port: 5060, branch: 'z9hG4bKa', rport: 7 })
  t.equal(via && formatVia(via), 'SIP/2.0/TCP [2001:db8::1]:5060;branch=z9hG4bKa;rport=7')
})

t.test('received and rport are filled in at their place (RFC 3581 §4)', async (t) => {
  const via = parseVia('SIP/2.0/UDP 10.0.0.1;rport;branch=z9hG4bKa')
  const filled = via?.with('rport', '40000').with('received', '192.0.2.7')
  t.equal(filled && formatVia(filled), 'SIP/2.0/UDP 10.0.0.1;rport=40000;branch=z9hG4bKa;received=192.0.2.7')
  t.equal(filled?.rport, 40000)
  t.equal(filled?.received, '192.0.2.7')
  t.equal(via?.received, undefined, 'the original is unchanged')
})

t.test('received of IPv6 is read with and without brackets', async (t) => {
  for (const text of ['2001:db8::9', '[2001:db8::9]'])
    t.equal(parseVia(`SIP/2.0/UDP h;received=${text}`)?.received, '2001:db8::9')
})

t.test('only a cookie with something behind it makes a branch unique', async (t) => {
  const cookie = (branch: string) => parseVia(`SIP/2.0/UDP h${branch}`)?.hasMagicCookie
  t.equal(cookie(';branch=z9hG4bKx'), true)
  t.equal(cookie(';branch=z9hG4bK'), false)
  t.equal(cookie(';branch=1'), false)
  t.equal(cookie(''), false)
})

t.test('a Via of another version of SIP is read and written as it is', async (t) => {
  const via = parseVia('SIP / 7.0 / UDP h:5070;branch=z9hG4bKx')
  t.equal(via?.version, '7.0')
  t.equal(via && formatVia(via.with('rport', '1')), 'SIP/7.0/UDP h:5070;branch=z9hG4bKx;rport=1')
})

t.test('what is no Via gives undefined', async (t) => {
  for (const text of [
    '',
    'SIP/2.0',
    'SIP/2.0/UDP',
    'SIP/2.0/UDP ',
    'SIP/2.0/ h',
    'SIP/2.0/U(P h',
    'SIP/1/UDP h',
    'SIP//UDP h',
    'HTTP/2.0/UDP h',
    'SIP/2.0/UDP h h',
    'SIP/2.0/UDP h:x',
    'SIP/2.0/UDP 2001:db8::1',
    'SIP/2.0/UDP h;',
    'SIP/2.0/UDP h;;branch=1',
    'SIP/2.0/UDP h;branch="1',
    'SIP/2.0/UDP h, SIP/2.0/UDP h',
    'SIP/2.0/UDP <h>',
  ])
    t.equal(parseVia(text), undefined, text)
})
