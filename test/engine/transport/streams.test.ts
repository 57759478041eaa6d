/** What holds for each stream transport alike: its limits, its keep-alives, and the end of a connection. */
import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'
import t from 'tap'
import { WebSocket } from 'ws'
import { SipRequest } from '../../../src/engine/message/sip-message.js'
import { responseTo } from '../../../src/engine/message/response.js'
import { makeSelfSigned } from '../../../src/engine/transport/self-signed.js'
import type { Phone } from '../../support/phone.js'
import { readSip } from '../../support/sip-text.js'
import { on, options, startLayer, type Harness } from './harness.js'

const material = await makeSelfSigned(['127.0.0.1'])
const transports = ['tcp', 'tls', 'ws', 'wss'] as const

/** Rejects if the server closes the connection instead. */
async function answered(phone: Phone): Promise<void> {
  await phone.until(({ received, closed }) => closed || received.length > 0)
  if (phone.closed) throw new Error('closed')
  await phone.expect(200)
}

for (const transport of transports) {
  const specs = on('127.0.0.1', transport)

  t.test(`${transport}: connections of one source are bounded, and those of all`, async (t) => {
    const harness = await startLayer(t, {
      specs,
      tls: material,
      limits: { maxConnections: 3, maxConnectionsPerSource: 2 },
    })
    const phones = [await harness.phone(transport), await harness.phone(transport)]
    await t.rejects(refused(harness), 'the third of this source')
    for (const phone of phones) {
      phone.send(options(phone))
      await phone.expect(200)
    }
    t.equal(harness.layer.stats.connections, 2)
    t.equal(harness.layer.stats[`${transport}Connections`], 2)
    await phones[0]!.close()
    await harness.until(() => harness.layer.stats.connections === 1)
    const another = await harness.phone(transport)
    another.send(options(another))
    await another.expect(200)
  })

  /** A phone that is not let in: its TCP connection is closed before or while hands are shaken. */
  async function refused(harness: Harness): Promise<void> {
    const phone = await harness.phone(transport)
    await phone.untilClosed(1000)
    throw new Error('closed')
  }
}

t.test('who is silent is closed, who pings or speaks is not, who only pings is in the end', async (t) => {
  const harness = await startLayer(t, {
    specs: on('127.0.0.1', ...transports),
    tls: material,
    limits: { idleTimeoutMs: 250, firstMessageTimeoutMs: 500 },
  })
  const one = async (transport: (typeof transports)[number]) => {
    const [silent, registered, pinging] = [
      await harness.phone(transport),
      await harness.phone(transport),
      await harness.phone(transport),
    ]
    registered.send(options(registered))
    const timer = setInterval(() => {
      registered.send('\r\n\r\n')
      pinging.send('\r\n\r\n')
    }, 50)
    t.teardown(() => clearInterval(timer))
    await silent.untilClosed(2000)
    t.notOk(registered.closed || pinging.closed, transport)
    await pinging.untilClosed(2000)
    t.ok(pinging.pongs > 0, `${transport}: its pings were answered`)
    registered.send(options(registered))
    await registered.expect(200)
    await registered.expect(200)
    clearInterval(timer)
    await registered.untilClosed(2000)
  }
  await Promise.all(transports.map(one))
})

t.test('a WebSocket ping frame is answered with a pong frame and keeps the connection', async (t) => {
  const harness = await startLayer(t, {
    specs: on('127.0.0.1', 'ws', 'wss'),
    tls: material,
    limits: { idleTimeoutMs: 250 },
  })
  const one = async (transport: 'ws' | 'wss') => {
    const { port } = harness.listener(transport)
    const ws = new WebSocket(`${transport}://127.0.0.1:${port}`, 'sip', { rejectUnauthorized: false })
    t.teardown(() => ws.terminate())
    await once(ws, 'open')
    for (let i = 0; i < 4; i++) {
      await new Promise((resolve) => setTimeout(resolve, 100))
      ws.ping('are you there')
      const [data] = (await once(ws, 'pong')) as [Buffer]
      t.equal(data.toString(), 'are you there')
    }
    t.equal(ws.readyState, WebSocket.OPEN)
  }
  await Promise.all([one('ws'), one('wss')])
})

for (const transport of ['tcp', 'tls'] as const) {
  /** A client that sends one text and at once closes its side; what it reads until the end. */
  async function sendAndClose(harness: Harness, text: string): Promise<string> {
    const { port } = harness.listener(transport)
    const address = { host: '127.0.0.1', port, allowHalfOpen: true }
    const socket =
      transport === 'tcp' ? net.connect(address) : tls.connect({ ...address, rejectUnauthorized: false })
    socket.on('error', () => undefined)
    await once(socket, transport === 'tcp' ? 'connect' : 'secureConnect')
    let read = ''
    socket.on('data', (data) => (read += String(data)))
    socket.end(text)
    await once(socket, 'end')
    socket.destroy()
    return read
  }

  t.test(
    `${transport}: who closes its side after a request still gets the answer, and then the end`,
    async (t) => {
      const waiting: (() => void)[] = []
      const harness = await startLayer(t, {
        specs: on('127.0.0.1', transport),
        tls: material,
        onMessage(message, flow) {
          if (!(message instanceof SipRequest)) return
          const { layer } = harness
          layer.send(flow, responseTo(message, 100).serialize())
          waiting.push(() => {
            t.match(flow, { open: false, answersOnly: true })
            t.equal(
              layer.findFlow(transport, flow.remoteAddress, flow.remotePort),
              undefined,
              'nobody to be asked',
            )
            layer.send(flow, responseTo(message, 200).serialize(), (error) => t.fail(error))
          })
        },
      })
      const phone = await harness.phone(transport)
      const answers = sendAndClose(harness, options(phone) + options(phone))
      await harness.until(() => waiting.length === 2 && harness.connections.at(-1)?.state === 'closed')
      waiting.forEach((answer) => answer())
      const read = await answers
      t.strictSame(
        read.match(/^SIP\/2\.0 \d+/gm),
        ['SIP/2.0 100', 'SIP/2.0 100', 'SIP/2.0 200', 'SIP/2.0 200'],
        'in order',
      )
      t.equal(readSip(Buffer.from(read)).status, 100)
      await harness.until(() => harness.layer.stats.connections === 1)
    },
  )

  t.test(
    `${transport}: a half-closed connection ends at once if nothing is owed, else after a while`,
    async (t) => {
      const harness = await startLayer(t, {
        specs: on('127.0.0.1', transport),
        tls: material,
        limits: { halfClosedTimeoutMs: 50 },
        onMessage: () => undefined,
      })
      const phone = await harness.phone(transport)
      t.equal(await sendAndClose(harness, '\r\n'), '')
      t.equal(await sendAndClose(harness, options(phone)), '', 'the application says nothing')
      t.equal(await sendAndClose(harness, options(phone).slice(0, 40)), '', 'half a message')
      t.match(await sendAndClose(harness, options(phone, { headers: { From: null } })), /^SIP\/2\.0 400/)
      await harness.until(() => harness.layer.stats.connections === 1)
    },
  )
}

t.test('TLS 1.2 and 1.3 are spoken, over TLS and WSS; what came before is refused', async (t) => {
  const harness = await startLayer(t, { specs: on('127.0.0.1', 'tls', 'wss'), tls: material })
  for (const transport of ['tls', 'wss'] as const) {
    for (const tlsVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const phone = await harness.phone(transport, { ca: material.cert, tlsVersion })
      phone.send(options(phone))
      await phone.expect(200)
      t.equal(harness.messages.at(-1)?.flow.tls?.protocol, tlsVersion)
    }
    for (const version of ['TLSv1', 'TLSv1.1'] as const) {
      const { host, port } = harness.listener(transport)
      const old = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' }
      const socket = tls.connect({ host, port, rejectUnauthorized: false, ...old })
      await t.rejects(once(socket, 'secureConnect'), { code: /PROTOCOL_VERSION|ECONNRESET/ }, version)
    }
  }
})

t.test(
  'a client certificate is asked for as it is set, and the flow tells who showed a good one',
  async (t) => {
    const [authority, stranger] = await Promise.all([
      makeSelfSigned(['phone 12']),
      makeSelfSigned(['phone 13']),
    ])
    const certificates = { good: authority, strange: stranger, none: undefined }
    for (const [clientCertificates, allowed] of [
      ['off', ['good', 'strange', 'none']],
      ['request', ['good', 'strange', 'none']],
      ['require', ['good']],
    ] as const) {
      const harness = await startLayer(t, {
        specs: on('127.0.0.1', 'tls', 'wss'),
        tls: { ...material, clientCa: authority.cert },
        clientCertificates,
      })
      for (const transport of ['tls', 'wss'] as const) {
        for (const [name, certificate] of Object.entries(certificates)) {
          for (const tlsVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
            const label = `${clientCertificates}, ${transport}, ${name}, ${tlsVersion}`
            const attempt = async () => {
              const phone = await harness.phone(transport, {
                tlsVersion,
                ...(certificate && { certificate }),
              })
              phone.send(options(phone))
              await answered(phone)
            }
            if (!(allowed as readonly string[]).includes(name)) {
              await t.rejects(attempt(), label)
              continue
            }
            await attempt()
            const peer = harness.messages.at(-1)?.flow.tls?.peer
            const shown = clientCertificates !== 'off' && name === 'good'
            t.equal(peer?.subject, shown ? 'CN=phone 12' : undefined, label)
            t.match(peer?.fingerprint, shown ? /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/ : undefined)
          }
        }
      }
      await harness.layer.stop()
    }
  },
)

t.test(
  'clients can not be asked without an authority, and another one is taken up while running',
  async (t) => {
    const [first, second] = await Promise.all([makeSelfSigned(['first']), makeSelfSigned(['second'])])
    const specs = on('127.0.0.1', 'tls')
    await t.rejects(startLayer(t, { specs, tls: material, clientCertificates: 'require' }), { code: 'ETLS' })
    const harness = await startLayer(t, {
      specs,
      tls: { ...material, clientCa: first.cert },
      clientCertificates: 'require',
    })
    const ask = async (certificate: typeof first) => {
      const phone = await harness.phone('tls', { certificate })
      phone.send(options(phone))
      await answered(phone)
      return phone
    }
    const old = await ask(first)
    harness.layer.updateTls({ ...material, clientCa: second.cert })
    await ask(second)
    await t.rejects(ask(first))
    old.send(options(old))
    await old.expect(200)
    t.throws(() => harness.layer.updateTls(material), { code: 'ETLS' })
  },
)

t.test(
  'our own certificate is shown to servers that ask for one, the renewed one after a renewal',
  async (t) => {
    const [own, renewed] = await Promise.all([makeSelfSigned(['edge']), makeSelfSigned(['renewed edge'])])
    for (const transport of ['tls', 'wss'] as const) {
      const server = await startLayer(t, {
        specs: on('127.0.0.1', transport),
        tls: { ...material, clientCa: `${own.cert}\n${renewed.cert}` },
        clientCertificates: 'require',
      })
      const client = await startLayer(t, {
        specs: on('127.0.0.1', transport),
        tls: own,
        outgoingTls: { trusted: material.cert },
      })
      const { host, port } = server.listener(transport)
      const phone = await client.phone(transport)
      const ask = async () => {
        const before = client.messages.length
        const flow = client.layer.openFlow(transport, host, port)!
        client.layer.send(flow, Buffer.from(options(phone)), (error) => t.fail(error))
        await client.until(() => client.messages.length > before)
        t.match(flow.tls?.peer, { subject: 'CN=127.0.0.1' }, 'and we know the server by its own')
        return server.messages.at(-1)?.flow
      }
      const first = await ask()
      t.equal(first?.tls?.peer?.subject, 'CN=edge')
      client.layer.updateTls(renewed)
      t.equal(await ask(), first, 'the connection stays')
      await server.layer.stop()
      const again = await startLayer(t, {
        specs: [{ transport, host, port }],
        tls: { ...material, clientCa: renewed.cert },
        clientCertificates: 'require',
      })
      await ask()
      t.equal(again.messages.at(-1)?.flow.tls?.peer?.subject, 'CN=renewed edge')
    }
  },
)
