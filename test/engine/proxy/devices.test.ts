import t from 'tap'
import { responseTo } from '../../../src/engine/message/response.js'
import { SipRequest } from '../../../src/engine/message/sip-message.js'
import { Devices } from '../../../src/engine/proxy/devices.js'
import type { Flow } from '../../../src/engine/transport/transport.js'
import { fakeFlow } from '../../support/fake-wire.js'

const key = Buffer.alloc(32, 7)

function learn(
  devices: Devices,
  flow: Flow,
  contacts: readonly string[],
  account = 'bob',
  status = 200,
): void {
  const request = new SipRequest('REGISTER', 'sip:example.com')
  request.append('to', `<sip:${account}@example.com>`)
  for (const contact of contacts) request.append('contact', contact)
  devices.learn(request, responseTo(request, status), flow)
}

function connection(port: number): Flow {
  return { ...fakeFlow('tcp'), remotePort: port }
}

t.test('a name says nothing about the account, and is the same after a restart', async (t) => {
  const flow = connection(1)
  const names = [key, key, Buffer.alloc(32, 8)].map((key) => {
    const devices = new Devices(key)
    learn(devices, flow, ['<sip:bob@10.0.0.1>'])
    return devices.nameOf('sip:bob@10.0.0.1:9', flow)
  })
  t.match(names[0], /^[\w-]{16}$/)
  t.equal(names[0], names[1])
  t.not(names[0], names[2])
})

t.test('of several devices behind one connection the Contact tells which; of one it need not', async (t) => {
  const devices = new Devices(key)
  const [gateway, phone] = [connection(1), connection(2)]
  learn(devices, gateway, ['<sip:1@10.0.0.1>', '<sip:2@10.0.0.1>'])
  learn(devices, phone, ['<sip:bob@10.0.0.2>'])
  t.not(devices.nameOf('sip:1@10.0.0.1', gateway), devices.nameOf('sip:2@10.0.0.1', gateway))
  t.equal(devices.nameOf('sip:3@10.0.0.1', gateway), undefined)
  t.equal(devices.nameOf('sip:other@10.0.0.2', phone), devices.nameOf('sip:bob@10.0.0.2', phone))
  t.equal(devices.nameOf('sip:bob@10.0.0.2', connection(3)), undefined)
})

t.test('two accounts with one address of record have devices of different names', async (t) => {
  const devices = new Devices(key)
  const names = ['username="111"', 'username="222"', 'username="222", username="111"'].map(
    (credentials, port) => {
      const flow = connection(port + 1)
      const request = new SipRequest('REGISTER', 'sip:example.com')
      request.append('to', '<sip:111@example.com>')
      request.append('authorization', `Digest ${credentials}, realm="r"`)
      request.append('contact', '<sip:x@10.0.0.1>;+sip.instance="<urn:uuid:1>"')
      devices.learn(request, responseTo(request, 200), flow)
      return devices.nameOf('sip:x@10.0.0.1', flow)
    },
  )
  t.equal(new Set(names).size, 3)
})

t.test('only what a registrar has accepted over a connection is learned', async (t) => {
  const devices = new Devices(key)
  learn(devices, connection(1), ['<sip:bob@10.0.0.1>'], 'bob', 401)
  learn(devices, fakeFlow('udp'), ['<sip:bob@10.0.0.1>'])
  learn(devices, connection(1), ['*', 'nonsense'])
  t.equal(devices.size, 0)
})

t.test(
  'nothing is left of connections that are closed, and a connection can not make us keep much',
  async (t) => {
    const devices = new Devices(key)
    const [one, two] = [connection(1), connection(2)]
    for (let n = 0; n < 1100; n++) learn(devices, one, [`<sip:${n}@10.0.0.1>`])
    t.equal(devices.size, 1000)
    t.equal(devices.nameOf('sip:0@10.0.0.1', one), undefined, 'the oldest goes')
    learn(devices, two, ['<sip:1099@10.0.0.1>'])
    devices.closed(one)
    t.equal(devices.size, 1)
    const device = devices.nameOf('sip:1099@10.0.0.1', two)
    const peer = {
      transport: 'tcp',
      address: '127.0.0.9',
      port: 5,
      ...(device === undefined ? {} : { device }),
    } as const
    t.equal(devices.now(peer).port, 2)
    devices.closed(two)
    t.equal(devices.size, 0)
    t.equal(devices.now(peer), peer)
  },
)
