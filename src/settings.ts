/**
 * Every setting of Privateline: its name (the environment variable), what it is for, and how its text is read.
 * The defaults stand in config/default.json; the README's table documents both, and a test compares the three.
 */
import { parseAdvertise } from './advertise.js'
import {
  address,
  addresses,
  boolean,
  domains,
  integer,
  items,
  networks,
  NotAllowed,
  oneOf,
  optional,
  someOf,
  text,
} from './setting-values.js'

export interface Setting<T> {
  /** One line, plain words. */
  about: string
  unit?: 'seconds' | 'days' | 'bytes'
  /** Never shown: not in messages, not in --print-config. */
  secret?: true
  /** Throws NotAllowed. */
  parse: (text: string) => T
}

const week = 7 * 24 * 3600
const path = text(/^[^\0]+$/, 'a path')
/** What the API asks of a password as well. */
const password = text(/^[^\u0000-\u001f\u007f-\u009f]{8,128}$/u, '8 to 128 characters on one line')

function postgresUrl(value: string): string {
  if (!/^postgres(ql)?:\/\//i.test(value) || !URL.canParse(value)) {
    throw new NotAllowed('postgres://user:password@host:port/database')
  }
  return value
}

/** `satisfies` keeps each parser's own type, so that loadConfig's values are typed without saying it twice. */
export const settings = {
  DATA_DIR: { about: 'folder of the embedded database and of generated certificates and keys', parse: path },
  DATABASE_URL: {
    about: 'PostgreSQL to use instead of the embedded database',
    secret: true,
    parse: optional(postgresUrl),
  },
  SIP_DOMAIN: { about: 'domains served; the first one is the one for phones', parse: domains },
  SIP_REALM: {
    about: 'digest realm; all stored passwords depend on it',
    parse: text(
      /^[\x20\x21\x23-\x5b\x5d-\x7e]{1,64}$/,
      '1 to 64 printable ASCII characters, without " and \\',
    ),
  },
  SIP_REALM_FORCE: {
    about: 'start with a changed SIP_REALM, although that makes every stored password useless',
    parse: boolean,
  },
  SIP_UDP: { about: 'addresses for SIP over UDP', parse: addresses },
  SIP_TCP: { about: 'addresses for SIP over TCP', parse: addresses },
  SIP_TLS: { about: 'addresses for SIP over TLS', parse: addresses },
  SIP_WS: { about: 'addresses for SIP over WebSocket (RFC 7118)', parse: addresses },
  SIP_WSS: { about: 'addresses for SIP over secure WebSocket', parse: addresses },
  TLS_CERT: { about: 'certificate file (PEM, with its chain) for TLS and WSS', parse: optional(path) },
  TLS_KEY: { about: 'private key file (PEM) of TLS_CERT', parse: optional(path) },
  TLS_CLIENT_CERT: {
    about: 'whether phones are asked for a certificate over TLS and WSS',
    parse: oneOf(['off', 'request', 'require']),
  },
  TLS_CLIENT_CA: {
    about: 'certificate file (PEM) of the authorities that sign the certificates of phones',
    parse: optional(path),
  },
  SIP_ADVERTISE: {
    about: 'address that phones shall use instead of the bound one (NAT, container)',
    parse: parseAdvertise,
  },
  SIP_MIN_EXPIRES: {
    about: 'shortest registration; a shorter wish is answered 423',
    unit: 'seconds',
    parse: integer(1, week),
  },
  SIP_DEFAULT_EXPIRES: {
    about: 'length of a registration that names none',
    unit: 'seconds',
    parse: integer(1, week),
  },
  SIP_MAX_EXPIRES: {
    about: 'longest registration; a longer wish is shortened',
    unit: 'seconds',
    parse: integer(1, week),
  },
  SIP_MAX_CONTACTS: { about: 'most devices (bindings) of one account', parse: integer(1, 1000) },
  SIP_AUTH_ALGORITHMS: {
    about: 'digest algorithms, offered in this order',
    parse: someOf(['SHA-256', 'MD5']),
  },
  SIP_RING_TIMEOUT: {
    about: 'time until an unanswered call ends with 480',
    unit: 'seconds',
    parse: integer(1, 3600),
  },
  SIP_NONCE_LIFETIME: {
    about: 'time for which a phone may use one nonce again',
    unit: 'seconds',
    parse: integer(1, 24 * 3600),
  },
  SIP_REGISTRATION_BATCH: {
    about: 'most REGISTER requests in one database transaction',
    parse: integer(1, 10_000),
  },
  SIP_MAX_MESSAGE_BYTES: {
    about: 'largest SIP message, headers and body',
    unit: 'bytes',
    parse: integer(1024, 1_048_576),
  },
  SIP_MAX_HEADERS: { about: 'most header lines of one SIP message', parse: integer(10, 10_000) },
  SIP_MAX_CONNECTIONS: { about: 'most TCP, TLS and WebSocket connections', parse: integer(1, 1_000_000) },
  SIP_MAX_CONNECTIONS_PER_SOURCE: { about: 'the same, from one address', parse: integer(1, 1_000_000) },
  SIP_IDLE_TIMEOUT: {
    about: 'a connection without any traffic for this long is closed',
    unit: 'seconds',
    parse: integer(1, week),
  },
  SIP_MAX_TRANSACTIONS: { about: 'most SIP transactions at one time', parse: integer(100, 10_000_000) },
  SIP_MAX_FORKS: { about: 'most targets of one call', parse: integer(1, 1000) },
  HTTP_LISTEN: { about: 'address of the HTTP API', parse: address },
  HTTP_TRUST_PROXY: {
    about: 'addresses or networks of proxies that are believed about their clients',
    parse: networks,
  },
  ADMIN_PASSWORD: {
    about: 'password of the first administrator, admin; without it one is made and shown once',
    secret: true,
    parse: optional(password),
  },
  ADMIN_API_TOKEN: {
    about: 'an API token that exists from the first start, for automation',
    secret: true,
    parse: optional(text(/^[\x21-\x7e]{16,256}$/, '16 to 256 printable ASCII characters without spaces')),
  },
  DRACHTIO_URL: {
    about: 'reserved for a later version; must be empty',
    secret: true,
    parse: items,
  },
  CALL_LOG_DAYS: {
    about: 'how long the log of calls goes back; 0: nothing is recorded',
    unit: 'days',
    parse: integer(0, 36_500),
  },
  SIP_LOG_DAYS: {
    about: 'how long the log of SIP sessions goes back; 0: nothing is recorded',
    unit: 'days',
    parse: integer(0, 36_500),
  },
  DRAIN_TIMEOUT: {
    about: 'longest wait for running transactions when the server stops',
    unit: 'seconds',
    parse: integer(0, 300),
  },
  LOG_LEVEL: {
    about: 'least serious message that is logged',
    parse: oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']),
  },
} satisfies Record<string, Setting<unknown>>

export type SettingName = keyof typeof settings
export type SettingValues = { [Name in SettingName]: ReturnType<(typeof settings)[Name]['parse']> }

export const settingNames = Object.keys(settings) as SettingName[]

/** Names that begin like this are ours: one that we don't know is a slip of the pen, and refuses to start. */
const ownPrefixes = ['SIP_', 'TLS_', 'ADMIN_', 'DRACHTIO_', 'DRAIN_', 'CALL_LOG', 'HTTP_LISTEN', 'HTTP_TRUST']

/** True for a name that looks like one of ours and is none. `value` tells what Kubernetes made. */
export function isUnknownSetting(name: string, value: string): boolean {
  if (name in settings || !ownPrefixes.some((prefix) => name.startsWith(prefix))) return false
  return !isServiceLink(name, value)
}

/** Kubernetes gives every container variables of each service's name: SIP_PORT=tcp://…, ADMIN_SERVICE_HOST=… */
function isServiceLink(name: string, value: string): boolean {
  if (/_SERVICE_(HOST|PORT(_.+)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_.+)?$/.test(name)) return true
  return name.endsWith('_PORT') && /^(tcp|udp|sctp):\/\//.test(value)
}

/** The setting whose name is nearest to a mistyped one, if one is near enough to be meant. */
export function nearestSetting(name: string): SettingName | undefined {
  const ranked = settingNames
    .map((candidate) => ({ candidate, distance: editDistance(name, candidate) }))
    .sort((a, b) => a.distance - b.distance)
  const best = ranked[0]
  return best && best.distance <= Math.max(2, name.length / 3) ? best.candidate : undefined
}

/** Levenshtein's: how many letters have to be put in, taken out or changed. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (const [row, letter] of [...a].entries()) {
    const current = [row + 1]
    for (let column = 1; column <= b.length; column++) {
      const change = (previous[column - 1] ?? 0) + (letter === b[column - 1] ? 0 : 1)
      current.push(Math.min(change, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1))
    }
    previous = current
  }
  return previous[b.length] ?? 0
}
