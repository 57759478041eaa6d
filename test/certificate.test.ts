/** The certificate on disk: read, made, renewed, and taken up while the server runs. */
import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t, { type Test } from 'tap'
import { certificateFacts, loadCertificate } from '../src/certificate.js'
import { watchCertificate } from '../src/certificate-watch.js'
import { loadConfig } from '../src/config.js'
import { makeSelfSigned } from '../src/engine/transport/self-signed.js'
import type { TlsMaterial } from '../src/engine/transport/transport.js'
import { readSmallFile, someReadHangs } from '../src/small-file.js'

const [first, second] = await Promise.all([
  makeSelfSigned(['first.example']),
  makeSelfSigned(['second.example']),
])
const dayMs = 86_400_000

async function emptyFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'privateline-certificate-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A watch that looks only when it is told to, and what it has done. */
async function startWatch(
  t: Test,
  { current = first, ...options }: Partial<Parameters<typeof watchCertificate>[0]>,
) {
  const applied: TlsMaterial[] = []
  const lines: string[] = []
  const line = (fields: object, message: string) => void lines.push(`${message} ${JSON.stringify(fields)}`)
  const watch = watchCertificate({
    current,
    load: () => Promise.resolve(current),
    apply: (material) => Promise.resolve(void applied.push(material)),
    log: { info: line, warn: line },
    pauseMs: 3_600_000,
    ...options,
  })
  t.teardown(() => watch.stop())
  return { watch, applied, lines }
}

t.test('files that are written over, renamed or reached by a link that is turned are taken up', async (t) => {
  const folder = await emptyFolder(t)
  const put = async (name: string, { cert, key }: TlsMaterial) => {
    await mkdir(path.join(folder, name))
    await writeFile(path.join(folder, name, 'cert.pem'), cert)
    await writeFile(path.join(folder, name, 'key.pem'), key)
  }
  await put('1', first)
  await put('2', second)
  await symlink('1', path.join(folder, 'live'))
  const file = (name: string) => path.join(folder, 'live', name)
  const config = loadConfig({ TLS_CERT: file('cert.pem'), TLS_KEY: file('key.pem') })
  const load = () => loadCertificate(config)
  const { watch, applied, lines } = await startWatch(t, { load })
  t.match(lines, [/^certificate in use .*first\.example/])
  await watch.check()
  t.strictSame(applied, [], 'nothing has changed')

  await symlink('2', path.join(folder, 'new'))
  await rename(path.join(folder, 'new'), path.join(folder, 'live'))
  await watch.check()
  t.strictSame(applied.splice(0), [second])
  const { fingerprint, expires } = certificateFacts(second)
  t.ok(lines[1]?.includes(fingerprint) && lines[1].includes(expires), 'the log shows the new one')

  // One file after the other, and the first one in two parts.
  await writeFile(file('cert.pem'), first.cert.slice(0, 200))
  await watch.check()
  await watch.check()
  await writeFile(file('cert.pem'), first.cert)
  await watch.check()
  t.strictSame(applied, [], 'it does not fit the key yet')
  await writeFile(file('key.pem.new'), first.key)
  await rename(file('key.pem.new'), file('key.pem'))
  await watch.check()
  t.strictSame(applied.splice(0), [first])

  await rm(file('cert.pem'))
  await watch.check()
  await put('3', second)
  await rename(path.join(folder, '3', 'cert.pem'), file('cert.pem'))
  await rename(path.join(folder, '3', 'key.pem'), file('key.pem'))
  await watch.check()
  t.strictSame(applied, [second])
  t.strictSame(
    lines.map((line) => line.replace(/ \{.*/, '')),
    [
      'certificate in use',
      'certificate renewed',
      'the certificate was not renewed; the old one stays',
      'the certificate was not renewed; the old one stays',
      'certificate renewed',
      'the certificate was not renewed; the old one stays',
      'certificate renewed',
    ],
    'each trouble is told once',
  )
})

t.test('a pair that the engine does not take is offered again', async (t) => {
  let takes = false
  const applied: TlsMaterial[] = []
  const { watch, lines } = await startWatch(t, {
    load: () => Promise.resolve(second),
    apply: (material) =>
      takes ? Promise.resolve(void applied.push(material)) : Promise.reject(new Error('busy')),
  })
  await watch.check()
  t.match(lines[1], /old one stays.*busy/)
  takes = true
  await watch.check()
  await watch.check()
  t.strictSame(applied, [second], 'once')
})

t.test('another list of authorities for clients is a renewal too', async (t) => {
  const { watch, applied } = await startWatch(t, {
    current: { ...first, clientCa: first.cert },
    load: () => Promise.resolve({ ...first, clientCa: second.cert }),
  })
  await watch.check()
  t.strictSame(applied, [{ ...first, clientCa: second.cert }])
})

t.test('the end of a certificate is told two weeks before, once a day', async (t) => {
  const end = Date.parse(new X509Certificate(first.cert).validTo)
  let now = end - 15 * dayMs
  const { watch, lines } = await startWatch(t, { now: () => now })
  const warnings = () => lines.filter((line) => line.startsWith('the certificate expires soon')).length
  t.equal(warnings(), 0)
  for (const [later, wanted] of [
    [2 * dayMs, 1],
    [dayMs / 2, 1],
    [dayMs / 2, 2],
  ] as const) {
    now += later
    await watch.check()
    t.equal(warnings(), wanted)
  }
})

t.test(
  'a self-signed pair is made once, and again before it expires or if half of it was lost',
  async (t) => {
    const folder = await emptyFolder(t)
    const config = loadConfig({ DATA_DIR: folder })
    const load = (now = Date.now()) => loadCertificate(config, () => now)
    const made = (await load())!
    t.strictSame(await load(), made)
    const end = Date.parse(new X509Certificate(made.cert).validTo)
    t.strictSame(await load(end - 31 * dayMs), made)
    const renewed = (await load(end - 29 * dayMs))!
    t.not(renewed.cert, made.cert)
    t.strictSame(await load(), renewed, 'it was kept')

    await writeFile(path.join(folder, 'tls-key.pem'), made.key)
    const again = (await load())!
    t.doesNotThrow(() => certificateFacts(again), 'a renewal that was cut short is done again')
    t.equal(await readFile(path.join(folder, 'tls-cert.pem'), 'utf8'), again.cert)
    t.equal(
      await loadCertificate(loadConfig({ DATA_DIR: folder, SIP_TLS: 'off', SIP_WSS: 'off' })),
      undefined,
    )
  },
)

t.test('authorities for clients that can not be read refuse to start', async (t) => {
  const folder = await emptyFolder(t)
  const TLS_CLIENT_CA = path.join(folder, 'ca.pem')
  const config = loadConfig({ DATA_DIR: folder, TLS_CLIENT_CERT: 'require', TLS_CLIENT_CA })
  await t.rejects(loadCertificate(config), /TLS_CLIENT_CA.*no such file/)
  await writeFile(TLS_CLIENT_CA, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
  await t.rejects(loadCertificate(config), /TLS_CLIENT_CA/)
  await writeFile(TLS_CLIENT_CA, first.cert)
  t.equal((await loadCertificate(config))?.clientCa, first.cert)
})

t.test(
  'what is no regular file, or a large one, is refused at once, and a later renewal is taken up',
  async (t) => {
    const folder = await emptyFolder(t)
    const file = (name: string) => path.join(folder, name)
    await writeFile(file('cert.pem'), first.cert)
    await writeFile(file('key.pem'), first.key)
    const config = loadConfig({ TLS_CERT: file('cert.pem'), TLS_KEY: file('key.pem') })
    const { watch, applied, lines } = await startWatch(t, { load: () => loadCertificate(config) })
    await rm(file('cert.pem'))
    execFileSync('mkfifo', [file('pipe')])
    await symlink('pipe', file('cert.pem'))
    await watch.check()
    t.match(lines.pop(), /old one stays.*TLS_CERT.*no regular file/)
    await rm(file('cert.pem'))
    await mkdir(file('cert.pem'))
    await watch.check()
    // The same complaint is not told again.
    t.equal(lines.length, 1)
    await rm(file('cert.pem'), { recursive: true })
    await writeFile(file('cert.pem'), first.cert.padEnd(1024 * 1024 + 1))
    await watch.check()
    t.match(lines.pop(), /old one stays.*TLS_CERT.*larger than/)
    await writeFile(file('key.pem'), second.key)
    await writeFile(file('cert.pem'), second.cert.padEnd(1024 * 1024))
    await watch.check()
    t.equal(applied[0]?.key, second.key)
    t.equal(someReadHangs(), false)
  },
)

t.test(
  'a read that hangs is given up, holds up one thread only, and is forgotten when it ends',
  async (t) => {
    let reads = 0
    let end: (text: string) => void = () => {}
    const hang = (): Promise<string> => {
      reads++
      return new Promise((resolve) => (end = resolve))
    }
    await t.rejects(readSmallFile('share', 5, hang), /not be read within 5 ms/)
    await t.rejects(readSmallFile('share', 5, hang), /not be read within 5 ms/)
    t.equal(reads, 1)
    t.equal(someReadHangs(), true)
    const answered = readSmallFile('share', 5000, hang)
    end('text')
    t.equal(await answered, 'text')
    t.equal(someReadHangs(), false)
  },
)
