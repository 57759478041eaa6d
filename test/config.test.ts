import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import t from 'tap'
import { ConfigError, type Defaults, describeConfig, type Environment, loadConfig } from '../src/config.js'
import { type Setting, settingNames, settings } from '../src/settings.js'

const root = new URL('../../', import.meta.url)
const read = (name: string): string => readFileSync(new URL(name, root), 'utf8')
const defaults = JSON.parse(read('config/default.json')) as Defaults

/** The lines with which these settings are refused; none if they are accepted. */
function refusal(env: Environment, base = defaults): readonly string[] {
  try {
    loadConfig(env, base)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.lines
    throw error
  }
}

t.test('the defaults alone are a whole configuration', async (t) => {
  const config = loadConfig({})
  t.match(config, {
    dataDir: resolve('data'),
    sip: {
      domains: ['localhost'],
      realm: 'privateline',
      realmForce: false,
      minExpires: 60,
      authAlgorithms: ['SHA-256', 'MD5'],
    },
    http: { host: '127.0.0.1', port: 8080 },
    drachtioUrls: [],
    logLevel: 'info',
  })
  t.same(
    config.sip.listeners.map(({ transport, host, port }) => `${transport}:${host}:${port}`),
    ['udp:0.0.0.0:5060', 'tcp:0.0.0.0:5060', 'tls:0.0.0.0:5061', 'ws:0.0.0.0:5066', 'wss:0.0.0.0:5067'],
  )
  for (const absent of ['databaseUrl', 'tls', 'adminPassword', 'adminApiToken']) {
    t.notOk(absent in config, `${absent} is absent`)
  }
})

t.test('default.json, the table of settings and the README name the same settings', async (t) => {
  t.same(Object.keys(defaults).sort(), [...settingNames].sort())
  const rows = read('README.md')
    .split('\n')
    .map((line) => /^\| `([A-Z_]+)` +\| (.*?) +\| (.*?) +\|$/.exec(line))
    .filter((row) => row !== null)
  for (const name of settingNames) {
    const row = rows.find((candidate) => candidate[1] === name)
    t.ok(row, `the README documents ${name}`)
    const value = String(defaults[name])
    t.equal(row?.[2], value === '' ? '(none)' : `\`${value}\``, `its default of ${name}`)
    const { about, unit }: Setting<unknown> = settings[name]
    t.equal(row?.[3], unit ? `${about} (${unit})` : about, `its meaning of ${name}`)
  }
  t.equal(rows.length, settingNames.length, 'the README documents no other setting')
})

t.test('the environment goes before the defaults, and an empty value counts as none', async (t) => {
  const config = loadConfig({
    SIP_MAX_CONTACTS: ' 3 ',
    SIP_REALM: '',
    LOG_LEVEL: 'DEBUG',
    SIP_REALM_FORCE: 'true',
  })
  t.equal(config.sip.maxContacts, 3)
  t.equal(config.sip.realm, 'privateline')
  t.equal(config.sip.realmForce, true)
  t.equal(config.logLevel, 'debug')
})

t.test('listeners: several, IPv6, port 0 and off', async (t) => {
  const config = loadConfig({
    SIP_UDP: '127.0.0.1:0, [::1]:0',
    SIP_TCP: 'off',
    SIP_TLS: 'OFF',
    SIP_WS: '127.0.0.1:8088',
    SIP_WSS: 'off',
  })
  t.same(config.sip.listeners, [
    { transport: 'udp', host: '127.0.0.1', port: 0 },
    { transport: 'udp', host: '::1', port: 0 },
    { transport: 'ws', host: '127.0.0.1', port: 8088 },
  ])
})

t.test('proxies that are believed: none, or addresses and networks', async (t) => {
  t.same(loadConfig({}).http.trustProxy, [])
  const { http } = loadConfig({ HTTP_TRUST_PROXY: '127.0.0.1, ::1, 10.0.0.0/8,2001:db8::/32, 192.0.2.1/32' })
  t.same(http.trustProxy, ['127.0.0.1', '::1', '10.0.0.0/8', '2001:db8::/32', '192.0.2.1/32'])
})

t.test('domains are lower case, each once, IPv6 without brackets', async (t) => {
  const config = loadConfig({ SIP_DOMAIN: 'Sip.Example.ORG, 192.0.2.1,[2001:DB8::1], sip.example.org' })
  t.same(config.sip.domains, ['sip.example.org', '192.0.2.1', '2001:db8::1'])
})

t.test('a wrong value is named with what was given and what is allowed', async (t) => {
  const wrong: [Environment, RegExp][] = [
    [{ SIP_MAX_CONTACTS: 'ten' }, /^SIP_MAX_CONTACTS: "ten" .* a whole number from 1 to 1000$/],
    [{ SIP_MAX_CONTACTS: '0' }, /^SIP_MAX_CONTACTS: "0" /],
    [{ SIP_RING_TIMEOUT: '1e3' }, /^SIP_RING_TIMEOUT: "1e3" /],
    [{ SIP_RING_TIMEOUT: '-1' }, /^SIP_RING_TIMEOUT: "-1" /],
    [{ SIP_UDP: '5060' }, /^SIP_UDP: "5060" .* IP address:port, .* or off$/],
    [{ SIP_UDP: '0.0.0.0:65536' }, /^SIP_UDP: /],
    [{ SIP_UDP: '::1:5060' }, /^SIP_UDP: /],
    [{ SIP_UDP: '300.1.1.1:5060' }, /^SIP_UDP: /],
    [{ SIP_UDP: '127.0.0.1:5060,off' }, /^SIP_UDP: /],
    [{ SIP_UDP: 'localhost:5060' }, /^SIP_UDP: /],
    [{ SIP_UDP: ',' }, /^SIP_UDP: /],
    [{ HTTP_LISTEN: 'off' }, /^HTTP_LISTEN: "off" .* host:port/],
    [{ SIP_DOMAIN: 'example.org:5060' }, /^SIP_DOMAIN: .* without a port$/],
    [{ SIP_REALM: 'say "hi"' }, /^SIP_REALM: /],
    [{ SIP_REALM_FORCE: 'yes' }, /^SIP_REALM_FORCE: "yes" .* true or false$/],
    [{ SIP_AUTH_ALGORITHMS: 'MD5,SHA-512' }, /^SIP_AUTH_ALGORITHMS: .* SHA-256, MD5/],
    [{ SIP_AUTH_ALGORITHMS: 'MD5,MD5' }, /^SIP_AUTH_ALGORITHMS: /],
    [{ LOG_LEVEL: 'loud' }, /^LOG_LEVEL: "loud" .* one of fatal, error/],
    [{ HTTP_TRUST_PROXY: 'loopback' }, /^HTTP_TRUST_PROXY: "loopback" .* IP addresses or networks/],
    [{ HTTP_TRUST_PROXY: '127.0.0.1,10.0.0.0/33' }, /^HTTP_TRUST_PROXY: /],
    [{ HTTP_TRUST_PROXY: '0.0.0.0/0' }, /^HTTP_TRUST_PROXY: /],
    [{ HTTP_TRUST_PROXY: '10.0.0.0/' }, /^HTTP_TRUST_PROXY: /],
    [{ ADMIN_PASSWORD: 'seven77' }, /^ADMIN_PASSWORD: the value given .* 8 to 128 characters/],
    [{ ADMIN_PASSWORD: '🙂'.repeat(7) }, /^ADMIN_PASSWORD: /],
    [{ ADMIN_PASSWORD: 'x'.repeat(129) }, /^ADMIN_PASSWORD: /],
    [{ ADMIN_PASSWORD: 'correct\thorse' }, /^ADMIN_PASSWORD: /],
    [{ DATABASE_URL: 'mysql://root@localhost/x' }, /^DATABASE_URL: .* postgres:\/\//],
    [{ SIP_ADVERTISE: 'udp=' }, /^SIP_ADVERTISE: "udp=" .* pairs/],
  ]
  for (const [env, line] of wrong) {
    const lines = refusal(env)
    t.equal(lines.length, 1, Object.entries(env).join())
    t.match(lines[0], line)
  }
})

t.test('settings that contradict each other are refused', async (t) => {
  const off = { SIP_UDP: 'off', SIP_TCP: 'off', SIP_TLS: 'off', SIP_WS: 'off', SIP_WSS: 'off' }
  const contradictions: [Environment, RegExp][] = [
    [off, /all are off/],
    [{ TLS_CERT: '/etc/cert.pem' }, /^TLS_KEY: is missing/],
    [{ TLS_KEY: '/etc/key.pem' }, /^TLS_CERT: is missing/],
    [{ TLS_CLIENT_CERT: 'require' }, /^TLS_CLIENT_CA: is missing; with TLS_CLIENT_CERT=require/],
    [{ TLS_CLIENT_CA: '/etc/ca.pem' }, /^TLS_CLIENT_CA: is of no use while TLS_CLIENT_CERT is off/],
    [
      { SIP_TLS: 'off', SIP_WSS: 'off', TLS_CLIENT_CERT: 'request', TLS_CLIENT_CA: '/etc/ca.pem' },
      /^TLS_CLIENT_CERT: is request, but SIP_TLS and SIP_WSS are off/,
    ],
    [
      { SIP_MIN_EXPIRES: '7000' },
      /^SIP_MIN_EXPIRES, SIP_DEFAULT_EXPIRES, SIP_MAX_EXPIRES: .* 7000, 3600, 7200$/,
    ],
    [{ SIP_DEFAULT_EXPIRES: '7201' }, /60, 7201, 7200$/],
    [{ SIP_WS: '0.0.0.0:5060' }, /^SIP_TCP and SIP_WS: both want port 5060/],
    [{ SIP_WS: '0.0.0.0:8080' }, /^SIP_WS and HTTP_LISTEN: both want port 8080/],
    [{ SIP_UDP: '127.0.0.1:5062,127.0.0.1:5062' }, /^SIP_UDP: .* are the same port/],
    [
      { SIP_TCP: 'off', SIP_ADVERTISE: 'tcp=203.0.113.4' },
      /^SIP_ADVERTISE: .*"tcp=203\.0\.113\.4" fits none/,
    ],
    [
      { DRACHTIO_URL: 'drachtio://:cymru@127.0.0.1:9022' },
      /^DRACHTIO_URL: this version has no .* leave it empty$/,
    ],
  ]
  for (const [env, line] of contradictions) {
    const lines = refusal(env)
    t.equal(lines.length, 1, Object.entries(env).join())
    t.match(lines[0], line)
  }
  t.same(refusal({ SIP_UDP: '0.0.0.0:5061' }), [], 'UDP has its own ports: 5061 beside TLS on 5061')
  t.same(refusal({ SIP_UDP: '127.0.0.1:0,127.0.0.1:0' }), [], 'port 0 twice is two free ports')
})

t.test('everything that is wrong is reported at once', async (t) => {
  const lines = refusal({
    SIP_PUD: '0.0.0.0:5060',
    SIP_RING_TIMEOUT: 'soon',
    LOG_LEVEL: 'loud',
    TLS_CERT: '/etc/cert.pem',
    SIP_MIN_EXPIRES: '4000',
  })
  t.equal(lines.length, 5)
  for (const name of ['SIP_PUD', 'SIP_RING_TIMEOUT', 'LOG_LEVEL', 'TLS_KEY', 'SIP_MIN_EXPIRES']) {
    t.ok(
      lines.some((line) => line.startsWith(name)),
      name,
    )
  }
})

t.test('an unknown name of ours is refused with the nearest one', async (t) => {
  const unknown: [string, string | undefined][] = [
    ['SIP_DOMAINS', 'SIP_DOMAIN'],
    ['SIP_UPD', 'SIP_UDP'],
    ['TLS_CRT', 'TLS_CERT'],
    ['HTTP_LISTEN_PORT', 'HTTP_LISTEN'],
    ['HTTP_TRUST_PROXIES', 'HTTP_TRUST_PROXY'],
    ['ADMIN_PASSWD', 'ADMIN_PASSWORD'],
    ['DRAIN_TIME', 'DRAIN_TIMEOUT'],
    ['SIP_UDP_PORT', undefined],
    ['SIP_COMPLETELY_DIFFERENT_THING', undefined],
  ]
  for (const [name, meant] of unknown) {
    const [line, ...more] = refusal({ [name]: '5070' })
    t.same(more, [])
    t.ok(line?.startsWith(`${name}: there is no such setting`), line ?? 'no line')
    if (meant) t.ok(line?.endsWith(`; did you mean ${meant}?`), line ?? 'no line')
  }
  t.match(refusal({}, { ...defaults, SIP_DOMAINS: 'x' }), [/^SIP_DOMAINS: /], 'in default.json as well')
})

t.test('names of other programs are left alone', async (t) => {
  const others = {
    HTTP_PROXY: 'http://proxy:3128',
    DATABASE_POOL: '5',
    DATA_HOME: '/srv',
    LOG_FORMAT: 'json',
    NODE_TLS_REJECT_UNAUTHORIZED: '1',
    // Kubernetes, for services named "sip" and "admin".
    SIP_SERVICE_HOST: '10.0.0.1',
    SIP_SERVICE_PORT_UDP: '5060',
    SIP_PORT: 'udp://10.0.0.1:5060',
    ADMIN_PORT_8080_TCP_ADDR: '10.0.0.2',
  }
  t.same(refusal(others), [])
})

t.test('no message and no description shows a secret', async (t) => {
  const lines = refusal({ ADMIN_API_TOKEN: 'short-secret', DATABASE_URL: 'mysql://root:hunter2@localhost/x' })
  t.equal(lines.length, 2)
  t.match(lines[0], /^DATABASE_URL: the value given \(\d+ characters\) is not allowed/)
  t.match(lines[1], /^ADMIN_API_TOKEN: the value given \(12 characters\) .* 16 to 256/)
  t.notMatch(lines.join(), /hunter2|short-secret/)

  const description = describeConfig(
    loadConfig({
      DATABASE_URL: 'postgres://app:hunter2@db:5432/privateline?sslpassword=hunter3',
      ADMIN_PASSWORD: 'hunter4-hunter4',
      ADMIN_API_TOKEN: 'hunter5-hunter5-hunter5',
    }),
  )
  const text = JSON.stringify(description)
  t.notMatch(text, /hunter/)
  t.match(text, /db:5432/)
  t.match(description, { adminPassword: 'set', adminApiToken: 'set' })
  t.match(describeConfig(loadConfig({})), { databaseUrl: 'embedded', adminPassword: 'not set' })
})
