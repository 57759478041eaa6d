/** Builds and wires everything; the only file that knows all parts. */
import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import type { Logger } from 'pino'
import { ensureFirstAdmin } from './admin/bootstrap.js'
import { createAdmin } from './admin/server.js'
import { loadCertificate } from './certificate.js'
import { watchCertificate, type CertificateWatch } from './certificate-watch.js'
import type { Config } from './config.js'
import { fittingConnections } from './descriptor-limit.js'
import type { WorkerOptions } from './engine/host.js'
import { LocalAddresses } from './engine/transport/local-address.js'
import { isNameOf } from './engine/transport/own-names.js'
import type { Listener, TransportName } from './engine/transport/transport.js'
import { KeptEngine } from './kept-engine.js'
import { startLogs } from './logs.js'
import { createMetrics } from './metrics.js'
import { formatHostPort } from './setting-values.js'
import { createSipApp } from './sip/app.js'
import { StartError } from './start-error.js'
import { startEmbeddedDatabase } from './store/embedded.js'
import { DatabaseTooNewError } from './store/errors.js'
import { openStore } from './store/store.js'
import type { Store } from './store/types.js'

export interface App {
  /** Rejects with StartError for everything that the operator can put right. */
  start(): Promise<void>
  /** Looks now, and not some seconds later, whether the certificate files have changed. Never rejects. */
  reload(): Promise<void>
  /** Drains and closes whatever was started, in reverse order; never rejects half-way. */
  stop(): Promise<void>
}

/** Shows lines to the operator once: the first administrator's password and where everything is. */
export type Notice = (lines: readonly string[]) => void

/** Keys in the store's settings. */
const realmKey = 'sip.realm'
const recordRouteKey = 'engine.record_route_key'

/** Time for an application to react to a request before the engine answers for it, ms. */
const applicationTimeoutMs = 30_000
/** Time for a health probe of the database, ms. */
const probeTimeoutMs = 2000

export function createApp(config: Config, log: Logger, notice: Notice): App {
  /** What to close, the last started first. */
  const closers: { what: string; close: () => Promise<unknown> }[] = []
  let certificate: CertificateWatch | undefined

  async function start(): Promise<void> {
    const store = await openDatabase()
    await checkRealm(store)
    const logs = startLogs(config.logDays, store, log.child({ part: 'store' }))
    closers.push({ what: 'logs', close: () => logs.stop() })
    const { calls, sipEvents } = logs
    const { engine, secret } = await startEdge(store)
    const addresses = new LocalAddresses()
    const sip = await createSipApp({
      config,
      store,
      log: log.child({ part: 'sip' }),
      ...(calls && { writeCall: (entry) => calls.add(entry) }),
      ...(sipEvents && { writeSipEvent: (event) => sipEvents.add(event) }),
      isLocalHost: (host, port) =>
        engine.addresses.listeners.some((listener) => isNameOf(listener, host, port, addresses)),
    })
    closers.push({ what: 'SIP application', close: () => sip.stop() })
    closers.push({ what: 'running requests', close: () => engine.drain(config.drainTimeout * 1000) })
    await sip.start({ ...engine.addresses.control, secret })

    const { generatedPassword } = await ensureFirstAdmin(store, config)
    const admin = createAdmin({
      config,
      store,
      log: log.child({ part: 'http' }),
      health: async () => ({
        database: await store.ping(probeTimeoutMs).then(
          () => true,
          () => false,
        ),
        edge: sip.connected,
      }),
      sip: createMetrics({
        sip: sip.stats,
        engine: () => engine.stats().catch(() => undefined),
        bindings: () => store.registrations.count(),
      }),
    })
    closers.push({ what: 'HTTP service', close: () => admin.stop() })
    const http = await admin.start().catch((error: unknown) => {
      throw listenRefusal('HTTP_LISTEN', formatHostPort(config.http), error)
    })

    const httpAddress = formatHostPort(http)
    const sipAddresses = engine.addresses.listeners.map(
      ({ transport, host, port }) => `${transport}:${formatHostPort({ host, port })}`,
    )
    if (generatedPassword !== undefined) {
      notice([
        `Administrator:  admin`,
        `Password:       ${generatedPassword}   (shown only this once)`,
        `Console:        http://${httpAddress}/`,
        `API:            http://${httpAddress}/api/v1   (reference: http://${httpAddress}/docs)`,
        ...sipAddresses.map((address, index) => `${index === 0 ? 'SIP:' : ''}`.padEnd(16) + address),
      ])
    }
    log.info({ http: httpAddress, sip: sipAddresses }, 'ready')
  }

  async function openDatabase(): Promise<Store> {
    let connection
    if (config.databaseUrl === undefined) {
      const database = await startEmbeddedDatabase({
        dataDir: config.dataDir,
        log: log.child({ part: 'database' }),
      }).catch((error: unknown) => {
        throw new StartError(messageOf(error), { cause: error })
      })
      closers.push({ what: 'embedded database', close: () => database.stop() })
      connection = database.connection
    } else {
      connection = config.databaseUrl
    }
    const node = `${hostname()}-${randomBytes(3).toString('hex')}`
    const store = await openStore({ connection, node, log: log.child({ part: 'store' }) }).catch(
      (error: unknown) => {
        const setting = config.databaseUrl === undefined ? 'DATA_DIR' : 'DATABASE_URL'
        if (error instanceof DatabaseTooNewError)
          throw new StartError(`${setting}: ${error.message}`, { cause: error })
        throw new StartError(`${setting}: the database can't be used: ${messageOf(error)}`, { cause: error })
      },
    )
    closers.push({ what: 'store', close: () => store.close() })
    return store
  }

  /** All password hashes contain the realm: another one locks everybody out, so nobody changes it by accident. */
  async function checkRealm(store: Store): Promise<void> {
    const { realm, realmForce } = config.sip
    const known = await store.settings.getOrCreate(realmKey, () => realm)
    if (known === realm) return
    if (!realmForce) {
      throw new StartError(
        `SIP_REALM: passwords were made for the realm ${JSON.stringify(known)}; with ${JSON.stringify(realm)} none of ` +
          `them is valid any more. Set SIP_REALM=${known}, or SIP_REALM_FORCE=true and give every account a new password`,
      )
    }
    log.warn({ from: known, to: realm }, 'the realm has changed: every account needs a new password')
    await store.settings.set(realmKey, realm)
  }

  async function startEdge(store: Store): Promise<{ engine: KeptEngine; secret: string }> {
    const secret = randomBytes(24).toString('base64url')
    const key = await store.settings.getOrCreate(recordRouteKey, () => randomBytes(32).toString('base64'))
    const tls = await loadCertificate(config)
    const engineLog = log.child({ part: 'engine' })
    const options: WorkerOptions = {
      listeners: config.sip.listeners,
      control: { host: '127.0.0.1', port: 0, secret },
      recordRouteKey: Buffer.from(key, 'base64'),
      debug: log.isLevelEnabled('debug'),
      limits: {
        ...config.limits,
        maxConnections: fittingConnections(config.limits.maxConnections, engineLog),
        idleTimeoutMs: config.limits.idleTimeout * 1000,
        partialMessageTimeoutMs: 10_000,
        connectTimeoutMs: 5000,
        maxSendQueueBytes: 4 * 1024 * 1024,
        applicationTimeoutMs,
      },
      ...(tls ? { tls } : {}),
      clientCertificates: config.tlsClients.ask,
    }
    const engine = await KeptEngine.start(options, engineLog).catch((error: unknown) => {
      throw refusedListener(error)
    })
    closers.push({ what: 'SIP engine', close: () => engine.stop() })
    if (tls) {
      const watch = (certificate = watchCertificate({
        current: tls,
        load: () => loadCertificate(config),
        apply: (material) => engine.updateTls(material),
        log: engineLog,
      }))
      closers.push({ what: 'certificate', close: () => Promise.resolve(watch.stop()) })
    }
    return { engine, secret }
  }

  async function stop(): Promise<void> {
    for (let next = closers.pop(); next; next = closers.pop()) {
      try {
        await next.close()
      } catch (error) {
        log.error({ err: error, what: next.what }, 'could not be closed in order')
      }
    }
  }

  return { start, stop, reload: async () => certificate?.check() }
}

function messageOf(error: unknown): string {
  // What node makes of a host name with several addresses that all refuse.
  if (error instanceof AggregateError) return error.errors.map(messageOf).join(', ')
  return error instanceof Error && error.message !== '' ? error.message : String(error)
}

/** The environment variable that holds a listener's address. */
function settingOf(transport: TransportName): string {
  return `SIP_${transport.toUpperCase()}`
}

/** The transport layer's refusal as a line that names the setting; anything else stays what it is. */
function refusedListener(error: unknown): unknown {
  const { transport, code } = error as Partial<Listener> & { code?: string }
  if (transport === undefined) return error
  const setting = code === 'ETLS' ? 'TLS_CERT, TLS_KEY' : settingOf(transport)
  return new StartError(`${setting}: ${messageOf(error)}`, { cause: error })
}

function listenRefusal(setting: string, address: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException
  const reasons: Record<string, string> = {
    EADDRINUSE: 'is taken by another program',
    EACCES: 'needs more permissions than this user has',
    EADDRNOTAVAIL: 'is no address of this machine',
    ENOTFOUND: 'is no known host name',
  }
  const reason = code === undefined ? undefined : reasons[code]
  return reason === undefined ? error : new StartError(`${setting}: ${address} ${reason}`, { cause: error })
}
