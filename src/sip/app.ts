/** The SIP application: what happens to a request, in one list. */
import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import type { Logger } from 'pino'
import type { Config } from '../config.js'
import type { CallEntry } from '../store/call.js'
import type { NewSipEvent } from '../store/sip-event.js'
import { isDatabaseAway } from '../store/database-away.js'
import type { SipAccount, Store } from '../store/types.js'
import { createAuthenticator, type Authentication } from './authenticate.js'
import { authenticate } from './authenticate-step.js'
import { createCallLog } from './call-log.js'
import * as checks from './checks.js'
import { connectByProxy } from './calls/proxy.js'
import { reportOfReply, type CallReport } from './calls/report.js'
import { createContext, type Context, type Step, type Verdict } from './context.js'
import { connectEdge, type Edge, type EdgeAddress } from './edge.js'
import type { EdgeRequest } from './edge-request.js'
import type { HangUp } from './edge-fields.js'
import { createGuesses } from './guesses.js'
import { identityHeaders } from './identity.js'
import { createLocalNames } from './local-names.js'
import { refuseNetwork } from './networks.js'
import { createNonces } from './nonce.js'
import { createNonceCounts } from './nonce-counts.js'
import { createSteadyRefusals } from './steady-refusals.js'
import { registerPhone } from './register-phone.js'
import { createRegistrar } from './registrar.js'
import { asksForSecurity, dialledNumber, refuseDowngrade, refuseWeakCaller, route } from './routing.js'
import { refuseMedia, type Body } from './sdp-policy.js'
import { createSessionLog } from './session-log.js'
import { createSparseLines } from './sparse-log.js'
import type { Reply } from './reply.js'
import { count, createStats, type SipStats } from './stats.js'

export interface SipAppOptions {
  config: Pick<Config, 'sip' | 'drainTimeout'>
  store: Pick<Store, 'directory' | 'registrations' | 'settings' | 'ping'>
  log: Logger
  /** Takes an entry of the call log and returns at once; absent: no records of calls. */
  writeCall?: (entry: CallEntry) => void
  /** Takes an entry of the session log and returns at once; absent: no such records. */
  writeSipEvent?: (event: NewSipEvent) => void
  /** Whether one of the listeners is reached at that literal address, wildcards included; IPv6 without brackets. */
  isLocalHost: (host: string, port: number | undefined) => boolean
  /** Name of this node in the bindings; default: the machine's. */
  node?: string
  now?: () => number
  random?: (bytes: number) => Buffer
}

export interface SipApp {
  /** Connects to an edge; call it once per edge. Rejects if the edge refuses or does not answer. */
  start(edge: EdgeAddress): Promise<void>
  /** Answers what is running, new requests with 503, then closes; takes `drainTimeout` at most. */
  stop(): Promise<void>
  readonly connected: boolean
  readonly stats: SipStats
}

/** Key of the store's settings under which all nodes share the secret of their nonces. */
const NONCE_SECRET = 'sip.nonce_secret'
const RETRY_AFTER = { 'Retry-After': '5' }

export async function createSipApp(options: SipAppOptions): Promise<SipApp> {
  const { config, store, log, writeCall, writeSipEvent, now = Date.now, random = randomBytes } = options
  const { sip } = config
  const stats = createStats(() => registrar.queued)
  const edges: Edge[] = []
  const running = new Set<Promise<void>>()
  const failures = createSparseLines({ now })
  const callLog = writeCall && createCallLog(writeCall, now)
  const sessionLog = writeSipEvent && createSessionLog(writeSipEvent, now)
  if (sessionLog) store.registrations.onExpired((bindings) => sessionLog.expired(bindings))
  let stopping = false

  const names = createLocalNames({
    domains: sip.domains,
    edges: () => edges,
    isLocalHost: options.isLocalHost,
  })
  const secret = await store.settings.getOrCreate(NONCE_SECRET, () => random(32).toString('base64'))
  const authenticator = createAuthenticator({
    directory: store.directory,
    nonces: createNonces({
      secret: Buffer.from(secret, 'base64'),
      realm: sip.realm,
      lifetimeSeconds: sip.nonceLifetime,
      now,
      random,
    }),
    counts: createNonceCounts(),
    guesses: createGuesses({ now }),
    realm: sip.realm,
    algorithms: sip.authAlgorithms,
    nonceLifetimeSeconds: sip.nonceLifetime,
    isLocal: (host, port) => names.isLocal(host, port),
  })
  const registrar = createRegistrar({
    store: store.registrations,
    policy: sip,
    batch: sip.registrationBatch,
    databaseAnswers,
    log,
    now,
  })

  /** The way of a request, first to last. In-dialog requests and CANCEL are the edge's. */
  const chain: readonly Step[] = [
    () => (stopping ? { status: 503, headers: RETRY_AFTER } : 'continue'),
    checks.sanity,
    checks.scanners,
    checks.knownMethod,
    checks.maxForwards(names),
    checks.ping(names),
    checks.withinDialog,
    checks.localDomain(names),
    checks.extensions,
    authenticate({ authenticator, refusals: createSteadyRefusals<Authentication>(), stats, now, sessionLog }),
    permittedNetwork,
    registerPhone(registrar, names, options.node ?? hostname(), stats, sessionLog),
    routeByNumber,
  ]

  function dialled({ uri }: EdgeRequest): string | undefined {
    return dialledNumber(uri, (domain) => names.isLocal(domain, null))
  }

  function permittedNetwork(context: Context): Verdict {
    const { request, account } = context
    const refusal = account && refuseNetwork(account, request.source.address)
    if (!refusal) return 'continue'
    if (request.method !== 'REGISTER') return refuseCall(context, refusal)
    stats.registrations.refused++
    context.log.info({ username: account.username }, 'registration from a network that is not permitted')
    return refusal
  }

  async function routeByNumber(context: Context): Promise<Verdict> {
    const { request, account: caller } = context
    if (!caller) throw new Error('nobody was authenticated')
    const startedAt = now()
    const { transport } = request.source
    const weak = refuseWeakCaller(caller, transport) ?? refuseDowngrade(request.uri, transport)
    if (weak) return refuseCall(context, weak)
    const number = dialled(request)
    const callee = number === undefined ? undefined : await store.directory.accountByNumber(number)
    const bindings = callee?.enabled ? await store.directory.bindings(callee.id) : []
    const way = route(caller, callee, bindings, asksForSecurity(request.uri))
    if ('reply' in way) return refuseCall(context, way.reply, callee)
    const badMedia = refuseMedia(caller.securityModel, bodyOf(request))
    if (badMedia) return refuseCall(context, badMedia, callee)
    const recordCall = (report: CallReport) => record(context, startedAt, report, callee)
    if (request.cancelled) {
      recordCall(reportOfReply({ status: 487 }))
      return 'done'
    }
    const { outcome, report } = await connectByProxy({
      request,
      targets: way.targets,
      headers: identityHeaders(caller, sip.domains[0] ?? sip.realm, request),
      ringTimeoutSeconds: sip.ringTimeout,
      store: store.registrations,
      log: context.log,
      now,
    }).catch((error: unknown) => {
      recordCall(reportOfReply({ status: 500 }))
      throw error
    })
    recordCall(report)
    const facts = { from: caller.virtualNumber, to: number, targets: way.targets.length, outcome }
    if (request.method === 'INVITE') {
      stats.calls[outcome]++
      context.log.info(facts, 'call')
    } else context.debug(facts, 'request passed on')
    return 'done'
  }

  function record(context: Context, startedAt: number, report: CallReport, callee?: SipAccount): void {
    const { request, account: caller } = context
    if (!callLog || !caller || request.method !== 'INVITE') return
    callLog.call({ request, caller, callee, dialled: dialled(request), startedAt }, report)
  }

  /** `callee`: whose number was dialled, where that is known. */
  function refuseCall(context: Context, reply: Reply, callee?: SipAccount): Verdict {
    const { request, account } = context
    const report = reportOfReply(reply)
    record(context, now(), report, callee)
    const facts = { from: account?.virtualNumber, to: dialled(request), status: reply.status }
    if (request.method === 'INVITE') {
      stats.calls.failed++
      // Our own refusals come with a sentence that says why.
      const why = report.explanation
      const outcome = why === null ? { outcome: 'failed' } : { outcome: 'refused', reason: why }
      context.log.info({ ...facts, ...outcome }, 'call')
    } else context.debug(facts, 'request refused')
    return reply
  }

  /** Runs the chain. Whatever happens, the request is answered; this never rejects. */
  async function handle(request: EdgeRequest): Promise<void> {
    count(
      stats.requests,
      (checks.METHODS as readonly string[]).includes(request.method) ? request.method : 'OTHER',
    )
    const context = createContext(request, log)
    try {
      for (const step of chain) {
        const verdict = step(context)
        const settled = verdict instanceof Promise ? await verdict : verdict
        if (settled === 'continue') continue
        conclude(context, settled)
        return
      }
    } catch (error) {
      stats.errors++
      const status = isDatabaseAway(error) || !(await databaseAnswers()) ? 503 : 500
      // While the database is away, every request fails, and its errors differ: refused, cut, timed out.
      const line = failures.due(status === 503 ? 'database away' : String(error))
      if (line) context.log.error({ err: error, status, ...line }, 'request failed')
      // An edge that refused to proxy may still want an answer; if it does not, this does no harm.
      request.reply(status, undefined, RETRY_AFTER)
    }
  }

  function conclude(context: Context, verdict: Exclude<Verdict, 'continue'>): void {
    if (verdict === 'done') return
    if ('drop' in verdict) {
      count(stats.drops, verdict.drop)
      context.request.drop()
      return
    }
    context.debug({ status: verdict.status, reason: verdict.reason }, 'answered')
    context.request.reply(verdict.status, verdict.reason, verdict.headers)
  }

  /** Many requests fail at once when the database goes away: they share one question. */
  let asking: Promise<boolean> | undefined
  function databaseAnswers(): Promise<boolean> {
    asking ??= store
      .ping(1000)
      .then(
        () => true,
        () => false,
      )
      .finally(() => (asking = undefined))
    return asking
  }

  return {
    async start(address) {
      const handler = (request: EdgeRequest) => {
        const work = handle(request).catch((error: unknown) => log.error({ err: error }, 'answer failed'))
        running.add(work)
        void work.finally(() => running.delete(work))
      }
      const onHangUp = callLog && ((bye: HangUp) => callLog.hangUp(bye))
      edges.push(
        await connectEdge({
          ...address,
          log,
          methods: checks.METHODS,
          handler,
          ...(onHangUp && { onHangUp }),
          ...(sessionLog && { onConnection: (news) => sessionLog.connection(news) }),
        }),
      )
    },

    async stop() {
      stopping = true
      const drained = (async () => {
        while (running.size > 0) await Promise.allSettled(running)
        await registrar.stop()
      })()
      await within(config.drainTimeout * 1000, drained)
      await Promise.all(edges.map((edge) => edge.close()))
    },

    get connected() {
      return edges.length > 0 && edges.every((edge) => edge.connected)
    },

    stats,
  }
}

function bodyOf(request: EdgeRequest): Body {
  return {
    contentType: request.header('content-type'),
    contentEncoding: request.header('content-encoding'),
    text: request.body,
  }
}

async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise((resolve) => (timer = setTimeout(resolve, milliseconds)))
  await Promise.race([work, timeout]).finally(() => clearTimeout(timer))
}
