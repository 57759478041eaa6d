/**
 * Phones as people use them, side by side on one server: it is starting that takes the time. Their calls are set up over
 * every transport and heard, then the certificate is renewed, the calls over TLS end, the server is killed, and the other
 * calls end through the one that is started again.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { makeSelfSigned } from '../../src/engine/transport/self-signed.js'
import { toneShare, type Recording } from '../support/audio.js'
import { Baresip, baresipTools, type BaresipOptions } from '../support/baresip.js'
import { BrowserSocket } from '../support/browser.js'
import { Linphone, type LinphoneOptions } from '../support/linphone.js'
import { productFor, type Account } from '../support/product.js'
import { digestAuthorization, newCallId, newTag, request, response } from '../support/sip-text.js'
import { freePort, skipWithout, until } from '../support/tools.js'

// Some twenty phones with real seconds of sound: slow where the machine is busy.
t.setTimeout(120_000)

type Transport = 'udp' | 'tcp' | 'tls'
type Tap = Pick<typeof t, 'ok' | 'equal' | 'notOk'>

interface Phone {
  readonly log: string
  listen(seconds: number): Promise<Recording>
  stop(): Promise<void>
}

interface Call {
  from: Transport
  to: Transport
  ends: 'caller' | 'callee'
}

/** Between TLS and the others each side ends one call: as the caller or the callee, over its own transport. */
const overTls: Call[] = [
  { from: 'tls', to: 'udp', ends: 'callee' },
  { from: 'udp', to: 'tls', ends: 'callee' },
  { from: 'tls', to: 'tcp', ends: 'caller' },
  { from: 'tcp', to: 'tls', ends: 'caller' },
  { from: 'tls', to: 'tls', ends: 'caller' },
]
const overOthers = (['udp', 'tcp'] as const).flatMap((transport) =>
  (['caller', 'callee'] as const).map((ends): Call => ({ from: transport, to: transport, ends })),
)
const nameOf = ({ from, to, ends }: Call): string => `from ${from} to ${to}, ended by the ${ends}`

const lowTone = 440
const highTone = 1000

/** What is left of a second may have been lost to a busy machine. */
const enough = 0.8

/** Each hears the other's tone, and not its own: it is neither echoed nor mixed up. The caller plays the low one. */
const hearEachOther = async (t: Tap, caller: Phone, callee: Phone): Promise<void> => {
  const [atCaller, atCallee] = await Promise.all([caller.listen(1), callee.listen(1)])
  t.ok(toneShare(atCaller, highTone) > enough, 'the caller hears the callee')
  t.ok(toneShare(atCallee, lowTone) > enough, 'the callee hears the caller')
  t.equal(toneShare(atCaller, lowTone), 0, 'the caller does not hear itself')
  t.equal(toneShare(atCallee, highTone), 0, 'the callee does not hear itself')
}

const hangUp = async (t: Tap, { ends }: Call, caller: Baresip, callee: Baresip): Promise<void> => {
  const [first, other] = ends === 'caller' ? [caller, callee] : [callee, caller]
  t.notOk(
    other.events.some((event) => event.type === 'CALL_CLOSED'),
    'the call goes on until then',
  )
  await first.command('hangup')
  await other.event('CALL_CLOSED')
}

t.test('softphones', { skip: skipWithout(...baresipTools) }, async (t) => {
  const pki = await mkdtemp(path.join(tmpdir(), 'softphones-'))
  t.teardown(() => rm(pki, { recursive: true }))
  const [TLS_CERT, TLS_KEY] = [path.join(pki, 'cert.pem'), path.join(pki, 'key.pem')]
  /** The certificate that the phones trust: they keep the first one. */
  const caFile = path.join(pki, 'trusted.pem')
  const install = async (): Promise<string> => {
    const { cert, key } = await makeSelfSigned(['localhost', '127.0.0.1'])
    await writeFile(TLS_KEY, key)
    await writeFile(TLS_CERT, cert)
    return cert
  }
  const certificate = await install()
  await writeFile(caFile, certificate)
  const listeners = { SIP_TLS: '127.0.0.1:0', SIP_WSS: '127.0.0.1:0' }
  const product = await productFor(t, { ...listeners, TLS_CERT, TLS_KEY })

  const [ann, bob] = [await product.createGroup('Sales'), await product.createGroup('Store')]
  let number = 100
  const accountOf = (group: number): Promise<Account> =>
    product.createAccount(group, { virtualNumber: String(++number), displayName: 'Somebody' })
  const kept = <P extends Phone>(phone: P): P => {
    t.teardown(async () => {
      if (!t.passing()) t.comment(`log of a ${phone.constructor.name}:\n${phone.log}`)
      await phone.stop()
    })
    return phone
  }
  const baresip = async (transport: Transport, options: Omit<BaresipOptions, 'server' | 'transport'>) =>
    kept(await Baresip.start({ server: product.sip(transport), transport, caFile, ...options }))
  /** Its TLS knows no addresses in certificates, only names. */
  const linphone = async (
    transport: Transport,
    options: Omit<LinphoneOptions, 'server' | 'transport' | 'caFile'>,
  ) => {
    const server = product.sip(transport).replace('127.0.0.1', 'localhost')
    return kept(await Linphone.start({ server, transport, caFile, ...options }))
  }

  const talking = new Map<Call, [Baresip, Baresip]>()
  /** Both ends of a call that was set up. */
  const endsOf = (call: Call): [Baresip, Baresip] => {
    const ends = talking.get(call)
    if (ends === undefined) throw new Error(`there is no call ${nameOf(call)}`)
    return ends
  }

  await t.test('call each other', { jobs: 20 }, async (t) => {
    for (const call of [...overTls, ...overOthers]) {
      t.test(`baresip calls baresip ${nameOf(call)}`, async (t) => {
        const [account, called] = [await accountOf(ann), await accountOf(bob)]
        const [caller, callee] = await Promise.all([
          baresip(call.from, { account, tone: lowTone, autoAnswer: false }),
          baresip(call.to, { account: called, tone: highTone, autoAnswer: true }),
        ])
        talking.set(call, [caller, callee])
        await caller.command('dial', `sip:${called.virtualNumber}@localhost`)
        const [, { peeruri }] = await Promise.all([
          caller.event('CALL_ESTABLISHED'),
          callee.event('CALL_ESTABLISHED'),
        ])
        t.equal(peeruri, `sip:${account.virtualNumber}@localhost`, 'the virtual number is shown')
        await hearEachOther(t, caller, callee)
      })
    }

    const skip = skipWithout('linphonec')
    t.test('linphonec calls baresip from tls to udp, and ends it', { skip }, async (t) => {
      const [account, called] = [await accountOf(ann), await accountOf(bob)]
      const [caller, callee] = await Promise.all([
        linphone('tls', { account, tone: lowTone, autoAnswer: false }),
        baresip('udp', { account: called, tone: highTone, autoAnswer: true }),
      ])
      caller.command(`call sip:${called.virtualNumber}@localhost`)
      await caller.says('streams established')
      await hearEachOther(t, caller, callee)
      caller.command('terminate')
      await callee.event('CALL_CLOSED')
    })
    t.test('baresip calls linphonec from udp to tcp, and ends it', { skip }, async (t) => {
      const [account, called] = [await accountOf(ann), await accountOf(bob)]
      const [caller, callee] = await Promise.all([
        baresip('udp', { account, tone: lowTone, autoAnswer: false }),
        linphone('tcp', { account: called, tone: highTone, autoAnswer: true }),
      ])
      await caller.command('dial', `sip:${called.virtualNumber}@localhost`)
      await callee.says('streams established')
      await hearEachOther(t, caller, callee)
      await caller.command('hangup')
      await callee.says('ended')
    })

    t.test('a browser registers over wss and is called', { skip: skipWithout('chromium') }, async (t) => {
      const [account, called] = [await accountOf(ann), await accountOf(bob)]
      const caller = await baresip('udp', { account, tone: lowTone, autoAnswer: false })
      const socket = await BrowserSocket.open(`wss://${product.sip('wss')}`, certificate)
      t.teardown(() => socket.close())
      const uri = `sip:${called.username}@localhost`
      // A page does not know its address (RFC 7118 §5).
      const contact = `<sip:${called.username}@browser.invalid;transport=ws>`
      const register = (cseq: number, headers: Record<string, string>): string =>
        request({
          ...{ method: 'REGISTER', uri: 'sip:localhost', from: uri, contact, callId, fromTag, cseq, headers },
          ...{ transport: 'wss', host: 'browser.invalid' },
        })
      const [callId, fromTag] = [newCallId(), newTag()]
      await socket.send(register(1, {}))
      const refused = await socket.expect('401', ({ status }) => status === 401)
      const challenge = refused.header('www-authenticate') ?? ''
      const digest = { ...called, method: 'REGISTER', uri: 'sip:localhost' }
      await socket.send(register(2, { Authorization: digestAuthorization(challenge, digest) }))
      const registered = await socket.expect('200', ({ status }) => status === 200)
      t.match(registered.header('contact'), 'browser.invalid')

      await caller.command('dial', `sip:${called.virtualNumber}@localhost`)
      const invite = await socket.expect('INVITE', ({ method }) => method === 'INVITE')
      t.match(invite.header('from'), `sip:${account.virtualNumber}@localhost`)
      await socket.send(response(invite, 180, { contact }))
      await caller.event('CALL_RINGING')
      const body = `v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio ${await freePort()} RTP/AVP 0\r\n`
      await socket.send(response(invite, 200, { contact, body }))
      await socket.expect('ACK', ({ method }) => method === 'ACK')
      await caller.event('CALL_ESTABLISHED')
      await caller.command('hangup')
      const bye = await socket.expect('BYE', ({ method }) => method === 'BYE')
      await socket.send(response(bye, 200))
    })

    for (const transport of ['udp', 'tcp', 'tls'] as const) {
      t.test(`sipsak asks over ${transport}`, { skip: skipWithout('sipsak') }, async (t) => {
        // It takes the session tickets of TLS 1.3 for the end of the connection.
        const limits = path.join(pki, `${transport}-gnutls`)
        await writeFile(limits, '[overrides]\ndisabled-version = tls1.3\n')
        const server = product.sip(transport).replace('127.0.0.1', 'localhost')
        const args = ['-v', '-s', 'sip:localhost', '-p', server, '-E', transport, `--tls-ca-cert=${caFile}`]
        const env = { ...process.env, GNUTLS_SYSTEM_PRIORITY_FILE: limits }
        const { stdout } = await promisify(execFile)('sipsak', args, { env })
        t.match(stdout, 'SIP/2.0 200 OK')
      })
    }
  })

  await t.test('a renewed certificate leaves the calls and their connections alone', async (t) => {
    /** The far ends of the TLS connections that stand, sorted. */
    const connections = async (): Promise<string[]> => {
      const port = Number(product.sip('tls').split(':').at(-1))
      const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
      const rows = (await readFile('/proc/net/tcp', 'latin1'))
        .split('\n')
        .map((row) => row.trim().split(/\s+/))
      const established = rows.filter(([, address, , state]) => address === local && state === '01')
      return established.map(([, , remote = '']) => remote).sort()
    }
    const before = await connections()
    t.ok(before.length >= 6, 'six phones of the calls are connected over TLS')
    await install()
    process.kill(product.pid, 'SIGHUP')
    await until('the certificate is renewed', () => product.log.includes('certificate renewed'))
    t.same(await connections(), before)
  })

  await t.test('BYE arrives after the certificate was renewed', { jobs: 5 }, async (t) => {
    for (const call of overTls) {
      t.test(nameOf(call), async (t) => {
        await hangUp(t, call, ...endsOf(call))
        t.pass('it ends at the other side')
      })
    }
  })

  await t.test('calls outlive kill -9 of the server', { jobs: 5 }, async (t) => {
    await product.kill()
    await product.restart()
    for (const call of overOthers) {
      t.test(nameOf(call), async (t) => {
        await hearEachOther(t, ...endsOf(call))
        await hangUp(t, call, ...endsOf(call))
        t.pass('BYE arrives through the restarted server')
      })
    }
  })
})
