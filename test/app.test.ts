/** The built program as its operator meets it: first start, refusals to start, stop, and what survives. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { createSocket } from 'node:dgram'
import path from 'node:path'
import t from 'tap'
import { createApp } from '../src/app.js'
import { loadConfig } from '../src/config.js'
import { makeSelfSigned } from '../src/engine/transport/self-signed.js'
import type { TlsMaterial } from '../src/engine/transport/transport.js'
import { StartError } from '../src/start-error.js'
import type { ConnectionConfig } from '../src/store/connection.js'
import { calleeSide, callerSide, inDialog } from './support/call.js'
import { silent, testDatabase } from './support/database.js'
import { createPhone, type Phone } from './support/phone.js'
import { mainFile, productFor, type Product } from './support/product.js'
import { scratch } from './support/scratch.js'
import { digestAuthorization, newCallId } from './support/sip-text.js'
import { until } from './support/tools.js'

interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

const offline = {
  SIP_UDP: '127.0.0.1:0',
  SIP_TCP: 'off',
  SIP_TLS: 'off',
  SIP_WS: 'off',
  SIP_WSS: 'off',
  HTTP_LISTEN: '127.0.0.1:0',
}

/** Runs the program until it ends by itself. */
async function run(settings: Record<string, string>): Promise<Ended> {
  const child = spawn(process.execPath, [mainFile], {
    env: { PATH: process.env.PATH, ...offline, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const text = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream].on('data', (data) => (text[stream] += String(data)))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, ...text }
}

async function emptyFolder(t: { teardown(fn: () => Promise<void>): void }): Promise<string> {
  const folder = await mkdtemp(path.join(scratch, 'privateline-app-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** One line on standard error, which names the setting, and the exit code. */
function refuses(t: Tap, ended: Ended, code: number, setting: RegExp): void {
  t.equal(ended.code, code)
  t.equal(ended.stderr.trim().split('\n').length, 1, ended.stderr)
  t.match(ended.stderr, setting)
  t.notMatch(ended.stderr, /\n\s+at /, 'no stack')
}
type Tap = Pick<typeof t, 'equal' | 'match' | 'notMatch'>

t.test('refusals to start name the setting', async (t) => {
  // One database for all: each of these gets as far as that.
  const DATABASE_URL = urlOf((await testDatabase(t)).connection)
  const udp = createSocket('udp4').bind(0, '127.0.0.1')
  await once(udp, 'listening')
  t.teardown(() => void udp.close())
  const SIP_UDP = `127.0.0.1:${udp.address().port}`

  // What the process makes of a wrong setting, and of an app that refuses to start.
  const [misspelt, taken] = await Promise.all([
    run({ SIP_UPD: '127.0.0.1:0' }),
    run({ DATABASE_URL, SIP_UDP }),
  ])
  refuses(t, misspelt, 2, /SIP_UPD.*SIP_UDP/)
  refuses(t, taken, 1, new RegExp(`SIP_UDP.*${SIP_UDP}.*taken`))

  /** The line that the process would show. */
  const refusal = async (t: Tap, settings: Record<string, string>): Promise<string> => {
    const config = loadConfig({ ...offline, DATABASE_URL, ...settings })
    const app = createApp(config, silent, () => {})
    const error = await app.start().then(
      () => undefined,
      (reason: unknown) => reason,
    )
    await app.stop()
    if (!(error instanceof StartError)) throw new Error('no refusal', { cause: error })
    t.notMatch(error.userMessage, /\n/, 'one line')
    return error.userMessage
  }

  t.test('a taken HTTP port', async (t) => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => void server.close())
    const HTTP_LISTEN = `127.0.0.1:${(server.address() as AddressInfo).port}`
    t.match(await refusal(t, { HTTP_LISTEN }), new RegExp(`^HTTP_LISTEN: ${HTTP_LISTEN} .*taken`))
  })

  t.test('a certificate that is not there, one that is none, and one that is broken', async (t) => {
    const file = path.join(await emptyFolder(t), 'cert.pem')
    const tls = { SIP_TLS: '127.0.0.1:0', TLS_CERT: file, TLS_KEY: file }
    t.match(await refusal(t, tls), /^TLS_CERT.*no such file/)
    await writeFile(file, 'not a certificate')
    t.match(await refusal(t, tls), /^TLS_CERT.*PEM/)
    await writeFile(file, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
    t.match(await refusal(t, tls), /^TLS_CERT/)
  })

  t.test('a database that is not there', async (t) => {
    t.match(await refusal(t, { DATABASE_URL: 'postgres://127.0.0.1:1/x' }), /^DATABASE_URL/)
  })

  t.test('another realm than that of the passwords, which would lock everybody out', async (t) => {
    t.match(await refusal(t, { SIP_REALM: 'other' }), /^SIP_REALM.*privateline/)
  })
})

/** For DATABASE_URL: a server that is reached by a Unix socket. */
function urlOf({ host = '', port, user, database }: ConnectionConfig): string {
  return `postgres://${user}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`
}

t.test('first start, stop, second start, and who may not start beside it', async (t) => {
  const folder = await emptyFolder(t)
  const tls = { TLS_CERT: path.join(folder, 'cert.pem'), TLS_KEY: path.join(folder, 'key.pem') }
  const install = async ({ cert, key }: TlsMaterial) => {
    await writeFile(tls.TLS_CERT, cert)
    await writeFile(tls.TLS_KEY, key)
  }
  const [old, renewed] = await Promise.all([makeSelfSigned(['127.0.0.1']), makeSelfSigned(['127.0.0.1'])])
  await install(old)
  const product = await productFor(t, { SIP_TLS: '127.0.0.1:0', ...tls })
  t.match(product.log, /"msg":"first start"/)
  t.match(product.log, /Password: +\S+/, 'the generated password is shown')
  const ready = product.log.split('\n').find((line) => line.includes('"msg":"ready"')) ?? '{}'
  t.match(JSON.parse(ready), {
    http: /^127\.0\.0\.1:\d+$/,
    sip: [/^udp:127\.0\.0\.1:\d+$/, /^tcp:127\.0\.0\.1:\d+$/, /^tls:127\.0\.0\.1:\d+$/],
  })
  await install(renewed)
  process.kill(product.pid, 'SIGHUP')
  await until('the certificate is renewed', () => product.log.includes('certificate renewed'))
  const [host = '', port] = product.sip('tls').split(':')
  const server = { host, port: Number(port) }
  await t.rejects(createPhone({ transport: 'tls', server, ca: old.cert }))
  await (await createPhone({ transport: 'tls', server, ca: renewed.cert })).close()
  const group = await product.createGroup('Ground floor')
  await product.createAccount(group, { virtualNumber: '111' })
  t.equal(await product.stop(), 0, 'SIGTERM: exit code 0')
  const before = product.log.length
  await product.restart()
  const second = product.log.slice(before)
  t.notMatch(second, /first start|Password/, 'shown once')
  t.match((await product.api('GET', '/accounts')).body, { total: 1, items: [{ virtualNumber: '111' }] })

  refuses(t, await run({ DATA_DIR: product.dataDir }), 1, /DATA_DIR/)
  t.equal(
    (await fetch(`http://${product.http}/health/ready`)).status,
    200,
    'a second program changes nothing',
  )
})

t.test('what was answered outlives the program, however that ends', async (t) => {
  const product = await productFor(t, { DRAIN_TIMEOUT: '1' })
  const group = await product.createGroup('g')
  const [ann, bob] = [
    await product.createAccount(group, { virtualNumber: '111' }),
    await product.createAccount(group, { virtualNumber: '222' }),
  ]

  t.test('a binding that was answered with 200 is there after kill -9', async (t) => {
    await register(t, product, ann)
    await product.kill()
    await product.restart()
    t.strictSame(await bound(product), ['111'])
  })

  t.test('a call that outlives kill -9 gets its end into the call log when BYE passes', async (t) => {
    const [from, to] = [
      await product.createAccount(group, { virtualNumber: '401' }),
      await product.createAccount(group, { virtualNumber: '402' }),
    ]
    const [caller, callee] = [await register(t, product, from), await register(t, product, to)]
    await dial(caller, from, '402')
    const invite = await callee.expect('INVITE')
    callee.reply(invite, 180)
    const answer = callee.reply(invite, 200, { contact: `<sip:bob@127.0.0.1:${callee.localPort}>` })
    const sides = { caller: callerSide(await caller.expect(200)), callee: calleeSide(invite, answer) }
    caller.send(inDialog(caller, 'ACK', sides.caller))
    await callee.expect('ACK')
    type Calls = { items: { disposition: string; endedBy: string | null }[] }
    const calls = async () => ((await product.api('GET', '/calls')).body as Calls).items
    const ended = async (ends: string | null) => {
      for (;;) {
        const [call] = await calls()
        if (call?.endedBy === ends) return call
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
    t.match(await ended(null), { disposition: 'ANSWERED', endedAt: null })
    await product.kill()
    await product.restart()
    callee.send(inDialog(callee, 'BYE', sides.callee))
    caller.reply(await caller.expect('BYE'), 200)
    t.match(await ended('callee'), { disposition: 'ANSWERED', endedAt: String, caller: { number: '401' } })
    t.equal((await calls()).length, 1)
  })

  t.test('SIGTERM during a registration storm loses none that was answered', async (t) => {
    const numbers = Array.from({ length: 20 }, (_, index) => String(300 + index))
    const accounts = await Promise.all(
      numbers.map((virtualNumber) => product.createAccount(group, { virtualNumber })),
    )
    const answered: string[] = []
    const storm = accounts.map((account) =>
      register(t, product, account).then(
        () => answered.push(account.virtualNumber),
        () => undefined,
      ),
    )
    await until('some are answered', () => answered.length > 3)
    t.equal(await product.stop(), 0)
    await Promise.all(storm)
    await product.restart()
    const there = await bound(product)
    t.strictSame(
      answered.filter((number) => !there.includes(number)),
      [],
    )
  })

  t.test(
    'SIGTERM while a phone rings: both sides are told, the database is stopped, exit code 0',
    async (t) => {
      const callee = await register(t, product, bob)
      const caller = await register(t, product, ann)
      await dial(caller, ann, '222')
      callee.reply(await callee.expect('INVITE'), 180)
      await caller.expect(180)
      t.equal(await product.stop(), 0)
      await caller.expect(503)
      await callee.expect('CANCEL')
      t.strictSame(await product.databasePids(), [])
    },
  )
})

/** The numbers of those who are registered. */
async function bound(product: Product): Promise<string[]> {
  const { body } = await product.api('GET', '/registrations?limit=100')
  return (body as { items: { virtualNumber: string }[] }).items.map(({ virtualNumber }) => virtualNumber)
}

/** Sends an INVITE and answers the challenge. */
async function dial(phone: Phone, { username, password }: Credentials, number: string): Promise<void> {
  const uri = `sip:${number}@localhost`
  const common = { method: 'INVITE', uri, from: `sip:${username}@localhost`, callId: newCallId() }
  phone.send(phone.request({ ...common, cseq: 1 }))
  const challenge = (await phone.expect(407)).header('proxy-authenticate') ?? ''
  const authorization = digestAuthorization(challenge, { username, password, method: 'INVITE', uri })
  phone.send(phone.request({ ...common, cseq: 2, headers: { 'Proxy-Authorization': authorization } }))
}

interface Credentials {
  username: string
  password: string
}

/** One phone registers; rejects if it gets anything but 200. */
async function register(
  t: { teardown(fn: () => Promise<void>): void },
  product: Product,
  { username, password }: Credentials,
): Promise<Phone> {
  const [host = '', port] = product.sip('udp').split(':')
  const phone = await createPhone({ transport: 'udp', server: { host, port: Number(port) } })
  t.teardown(() => phone.close())
  const uri = 'sip:localhost'
  const common = {
    method: 'REGISTER',
    uri,
    from: `sip:${username}@localhost`,
    to: `sip:${username}@localhost`,
    callId: `reg-${username}`,
  }
  phone.send(phone.request({ ...common, cseq: 1 }))
  const challenge = (await phone.expect(401, 2000)).header('www-authenticate') ?? ''
  const authorization = digestAuthorization(challenge, { username, password, method: 'REGISTER', uri })
  phone.send(phone.request({ ...common, cseq: 2, headers: { Authorization: authorization } }))
  await phone.expect(200, 2000)
  return phone
}
