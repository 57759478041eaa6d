/**
 * The settings of one node: config/default.json overlaid by the environment, checked as a whole. What each setting is
 * and how its text is read stands in settings.ts; here they become one Config, or one list of everything wrong.
 */
import { readFileSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import { resolve } from 'node:path'
import { advertise } from './advertise.js'
import type { ClientCertificates, ListenerSpec, TransportName } from './engine/transport/transport.js'
import { formatHostPort, type HostPort, NotAllowed } from './setting-values.js'
import {
  isUnknownSetting,
  nearestSetting,
  type Setting,
  type SettingName,
  settingNames,
  settings,
  type SettingValues,
} from './settings.js'

export type DigestAlgorithm = 'SHA-256' | 'MD5'

export interface Config {
  /** Absolute. */
  dataDir: string
  /** Absent: the embedded database in dataDir. */
  databaseUrl?: string
  sip: {
    /** Served domains, lower case, IPv6 without brackets; the first is shown to phones. */
    domains: string[]
    realm: string
    realmForce: boolean
    listeners: ListenerSpec[]
    /** Seconds. */
    minExpires: number
    defaultExpires: number
    maxExpires: number
    maxContacts: number
    authAlgorithms: DigestAlgorithm[]
    /** Seconds until an unanswered call ends with 480. */
    ringTimeout: number
    /** Seconds. */
    nonceLifetime: number
    /** Most REGISTERs in one database transaction. */
    registrationBatch: number
  }
  /** Certificate and key files (PEM), absolute paths; absent: a self-signed pair in dataDir. */
  tls?: { certFile: string; keyFile: string }
  /** Whether phones are asked for a certificate; the file of the authorities that sign them is there unless `off`. */
  tlsClients: { ask: ClientCertificates; caFile?: string }
  limits: {
    maxMessageBytes: number
    maxHeaders: number
    maxConnections: number
    maxConnectionsPerSource: number
    /** Seconds. */
    idleTimeout: number
    maxTransactions: number
    maxForks: number
  }
  http: {
    host: string
    port: number
    /** IP addresses and networks whose X-Forwarded-… headers count. */
    trustProxy: string[]
  }
  adminPassword?: string
  adminApiToken?: string
  /** drachtio-servers to use instead of the embedded engine. */
  drachtioUrls: string[]
  /** Days for which the logs keep their entries; 0: nothing is recorded. */
  logDays: { calls: number; sip: number }
  /** Seconds that SIGTERM waits for running transactions. */
  drainTimeout: number
  logLevel: string
}

export type Environment = Readonly<Record<string, string | undefined>>
export type Defaults = Readonly<Record<string, string | number | boolean>>

/** One or more settings are wrong. One clear line for each, which names the setting. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly userMessage: string

  constructor(readonly lines: readonly string[]) {
    super(lines.join('\n'))
    this.userMessage = this.message
  }
}

/**
 * Builds the configuration. A setting that is absent or empty in `env` has its default.
 * Throws ConfigError with every wrong setting, unknown name and contradiction at once.
 */
export function loadConfig(env: Environment, defaults: Defaults = readDefaults()): Config {
  const problems = unknownNames(env, defaults)
  const values: Partial<Record<SettingName, unknown>> = {}
  for (const name of settingNames) {
    const setting: Setting<unknown> = settings[name]
    const given = env[name]?.trim()
    const text = given === undefined || given === '' ? String(defaults[name] ?? '') : given
    try {
      values[name] = setting.parse(text)
    } catch (error) {
      problems.push(wrongValue(name, text, error))
    }
  }
  problems.push(...contradictions(values as Partial<SettingValues>))
  if (problems.length > 0) throw new ConfigError(problems)
  return build(values as SettingValues)
}

/** config/default.json of this program (two folders up: the compiled file stands in dist/src). */
function readDefaults(): Defaults {
  return JSON.parse(readFileSync(new URL('../../config/default.json', import.meta.url), 'utf8')) as Defaults
}

function unknownNames(env: Environment, defaults: Defaults): string[] {
  const inFile = Object.keys(defaults).filter((name) => !(name in settings))
  const inEnvironment = Object.keys(env).filter((name) => isUnknownSetting(name, env[name] ?? ''))
  return [...new Set([...inFile, ...inEnvironment])].map((name) => {
    const meant = nearestSetting(name)
    return `${name}: there is no such setting${meant ? `; did you mean ${meant}?` : ''}`
  })
}

function wrongValue(name: SettingName, text: string, error: unknown): string {
  if (!(error instanceof NotAllowed)) throw error
  const setting: Setting<unknown> = settings[name]
  const given = setting.secret ? `the value given (${text.length} characters)` : JSON.stringify(text)
  return `${name}: ${given} is not allowed; allowed is ${error.allowed}`
}

/** Values that are good one by one and can't go together. A value that is wrong in itself is absent here. */
function contradictions(values: Partial<SettingValues>): string[] {
  const problems: string[] = []
  const listeners = listenersOf(values)
  if (listeners?.length === 0) {
    problems.push('SIP_UDP, SIP_TCP, SIP_TLS, SIP_WS, SIP_WSS: all are off; at least one is needed')
  } else if (listeners) {
    problems.push(...collisions(listeners, values.HTTP_LISTEN))
    try {
      advertise(listeners, values.SIP_ADVERTISE ?? [])
    } catch (error) {
      if (!(error instanceof NotAllowed)) throw error
      problems.push(`SIP_ADVERTISE: allowed are only ${error.allowed}`)
    }
  }
  const { SIP_MIN_EXPIRES: min, SIP_DEFAULT_EXPIRES: usual, SIP_MAX_EXPIRES: max } = values
  // A comparison with a value that is absent is false, as it should be.
  if (min! > usual! || usual! > max!) {
    problems.push(
      'SIP_MIN_EXPIRES, SIP_DEFAULT_EXPIRES, SIP_MAX_EXPIRES: must not decrease in this order, ' +
        `but are ${min}, ${usual}, ${max}`,
    )
  }
  if ((values.TLS_CERT === undefined) !== (values.TLS_KEY === undefined)) {
    const [given, missing] = values.TLS_CERT === undefined ? ['TLS_KEY', 'TLS_CERT'] : ['TLS_CERT', 'TLS_KEY']
    problems.push(`${missing}: is missing, and ${given} is of no use without it; set both or neither`)
  }
  problems.push(...clientCertificateProblems(values, listeners))
  if (values.DRACHTIO_URL?.length) {
    problems.push('DRACHTIO_URL: this version has no calls through a drachtio-server yet; leave it empty')
  }
  return problems
}

function clientCertificateProblems(
  { TLS_CLIENT_CERT: ask, TLS_CLIENT_CA: ca }: Partial<SettingValues>,
  listeners: readonly ListenerSpec[] | undefined,
): string[] {
  if (ask === undefined) return []
  if (ask === 'off') {
    return ca === undefined ? [] : ['TLS_CLIENT_CA: is of no use while TLS_CLIENT_CERT is off']
  }
  const problems: string[] = []
  if (ca === undefined) {
    problems.push(
      `TLS_CLIENT_CA: is missing; with TLS_CLIENT_CERT=${ask} it names the authorities that sign the phones' certificates`,
    )
  }
  if (listeners && !listeners.some(({ transport }) => transport === 'tls' || transport === 'wss')) {
    problems.push(`TLS_CLIENT_CERT: is ${ask}, but SIP_TLS and SIP_WSS are off; nobody could be asked`)
  }
  return problems
}

/** Undefined while one of the five settings is wrong: then nothing can be said about all of them. */
function listenersOf(values: Partial<SettingValues>): ListenerSpec[] | undefined {
  const { SIP_UDP: udp, SIP_TCP: tcp, SIP_TLS: tls, SIP_WS: ws, SIP_WSS: wss } = values
  if (!udp || !tcp || !tls || !ws || !wss) return undefined
  const listen = (transport: TransportName, bound: HostPort[]): ListenerSpec[] =>
    bound.map((at) => ({ transport, ...at }))
  return [
    ...listen('udp', udp),
    ...listen('tcp', tcp),
    ...listen('tls', tls),
    ...listen('ws', ws),
    ...listen('wss', wss),
  ]
}

function build(values: SettingValues): Config {
  const { TLS_CERT: certFile, TLS_KEY: keyFile, TLS_CLIENT_CA: caFile } = values
  return {
    dataDir: resolve(values.DATA_DIR),
    ...(values.DATABASE_URL !== undefined && { databaseUrl: values.DATABASE_URL }),
    sip: {
      domains: values.SIP_DOMAIN,
      realm: values.SIP_REALM,
      realmForce: values.SIP_REALM_FORCE,
      listeners: advertise(listenersOf(values) ?? [], values.SIP_ADVERTISE),
      minExpires: values.SIP_MIN_EXPIRES,
      defaultExpires: values.SIP_DEFAULT_EXPIRES,
      maxExpires: values.SIP_MAX_EXPIRES,
      maxContacts: values.SIP_MAX_CONTACTS,
      authAlgorithms: values.SIP_AUTH_ALGORITHMS,
      ringTimeout: values.SIP_RING_TIMEOUT,
      nonceLifetime: values.SIP_NONCE_LIFETIME,
      registrationBatch: values.SIP_REGISTRATION_BATCH,
    },
    ...(certFile !== undefined &&
      keyFile !== undefined && { tls: { certFile: resolve(certFile), keyFile: resolve(keyFile) } }),
    tlsClients: {
      ask: values.TLS_CLIENT_CERT,
      ...(caFile !== undefined && { caFile: resolve(caFile) }),
    },
    limits: {
      maxMessageBytes: values.SIP_MAX_MESSAGE_BYTES,
      maxHeaders: values.SIP_MAX_HEADERS,
      maxConnections: values.SIP_MAX_CONNECTIONS,
      maxConnectionsPerSource: values.SIP_MAX_CONNECTIONS_PER_SOURCE,
      idleTimeout: values.SIP_IDLE_TIMEOUT,
      maxTransactions: values.SIP_MAX_TRANSACTIONS,
      maxForks: values.SIP_MAX_FORKS,
    },
    http: { ...values.HTTP_LISTEN, trustProxy: values.HTTP_TRUST_PROXY },
    ...(values.ADMIN_PASSWORD !== undefined && { adminPassword: values.ADMIN_PASSWORD }),
    ...(values.ADMIN_API_TOKEN !== undefined && { adminApiToken: values.ADMIN_API_TOKEN }),
    drachtioUrls: values.DRACHTIO_URL,
    logDays: { calls: values.CALL_LOG_DAYS, sip: values.SIP_LOG_DAYS },
    drainTimeout: values.DRAIN_TIMEOUT,
    logLevel: values.LOG_LEVEL,
  }
}

/** Two settings that want one and the same port. UDP has ports of its own; all the others share TCP's. */
function collisions(listeners: readonly ListenerSpec[], http: HostPort | undefined): string[] {
  const wanted = [
    ...listeners.map((at) => ({ ...at, setting: `SIP_${at.transport.toUpperCase()}` })),
    ...(http ? [{ ...http, transport: 'http', setting: 'HTTP_LISTEN' }] : []),
  ]
  return wanted.flatMap((one, index) =>
    wanted
      .slice(index + 1)
      .filter((other) => other.port !== 0 && other.port === one.port && overlaps(one.host, other.host))
      .filter((other) => (other.transport === 'udp') === (one.transport === 'udp'))
      .map((other) =>
        one.setting === other.setting
          ? `${one.setting}: ${formatHostPort(one)} and ${formatHostPort(other)} are the same port`
          : `${one.setting} and ${other.setting}: both want port ${one.port} of ${one.host}`,
      ),
  )
}

/** The same address, or one of them is the wildcard of the other's family. */
function overlaps(a: string, b: string): boolean {
  if (a === b) return true
  return isIPv6(a) === isIPv6(b) && [a, b].some((host) => host === '0.0.0.0' || host === '::')
}

/** The effective configuration for people to read: everything but the secrets. */
export function describeConfig(config: Config): Record<string, unknown> {
  const hidden = (secret: string | undefined): string => (secret === undefined ? 'not set' : 'set')
  return {
    ...config,
    databaseUrl: config.databaseUrl === undefined ? 'embedded' : withoutPassword(config.databaseUrl),
    adminPassword: hidden(config.adminPassword),
    adminApiToken: hidden(config.adminApiToken),
  }
}

function withoutPassword(url: string): string {
  const parsed = new URL(url)
  if (parsed.password !== '') parsed.password = '***'
  for (const name of parsed.searchParams.keys()) {
    if (/password/i.test(name)) parsed.searchParams.set(name, '***')
  }
  return parsed.href
}
