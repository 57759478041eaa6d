/** The HTTP service: puts the plugins and the routes together, starts and stops. */
import Fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import { isUtf8 } from 'node:buffer'
import type { AddressInfo } from 'node:net'
import { ensureConfiguredToken } from './bootstrap.js'
import type { AdminDependencies } from './dependencies.js'
import { registerNetworkFormat } from './networks.js'
import { access } from './plugins/access.js'
import { cookie } from './plugins/cookie.js'
import { errors, sendProblem } from './plugins/errors.js'
import { helmet } from './plugins/helmet.js'
import { metrics } from './plugins/metrics.js'
import { rateLimit } from './plugins/rate-limit.js'
import { reference } from './plugins/reference.js'
import { requestLog } from './plugins/request-log.js'
import { swagger } from './plugins/swagger.js'
import { Problem } from './problems.js'
import { accountRoutes } from './routes/accounts.js'
import { adminRoutes } from './routes/admins.js'
import { callRoutes } from './routes/calls.js'
import { groupRoutes } from './routes/groups.js'
import { operationRoutes } from './routes/operation.js'
import { registrationRoutes } from './routes/registrations.js'
import { sessionRoutes } from './routes/session.js'
import { sipEventRoutes } from './routes/sip-events.js'
import { tokenRoutes } from './routes/tokens.js'
import { registerVisibleFormat } from './text.js'
import { validatorCompiler } from './validation.js'

export interface AdminServer {
  app: FastifyInstance
  /** Listens on config.http; resolves to what it is bound to. Rejects if that is taken. */
  start(): Promise<{ host: string; port: number }>
  /** Takes no new requests, lets running ones finish for at most config.drainTimeout seconds, closes. */
  stop(): Promise<void>
}

/** Builds the service; nothing listens and nothing is asked of the store before `start` (or `app.ready`). */
export function createAdmin({ config, store, log, health, sip }: AdminDependencies): AdminServer {
  registerNetworkFormat()
  registerVisibleFormat()

  // Under its plain type: with pino's own every plugin would have to name it.
  const loggerInstance: FastifyBaseLogger = log
  const app = Fastify({
    loggerInstance,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: 1024 * 1024,
    // These may say who their client is and that it came over TLS; nobody else is believed.
    trustProxy: config.http.trustProxy.length > 0 && config.http.trustProxy,
    requestTimeout: 30_000,
    frameworkErrors: (error, request, reply) => {
      sendProblem(error, request, reply)
    },
  })
  app.setValidatorCompiler(validatorCompiler)
  acceptOnlyJson(app)

  app.register(errors)
  app.register(helmet)
  app.register(metrics)
  app.register(requestLog)
  app.register(swagger)
  app.register(reference)
  app.register(operationRoutes, { health, sip })
  app.register(
    async (api) => {
      await api.register(cookie)
      await api.register(rateLimit)
      await api.register(access, { store })
      await api.register(groupRoutes, { store })
      await api.register(accountRoutes, { store, realm: config.sip.realm })
      await api.register(registrationRoutes, { store })
      await api.register(callRoutes, { store })
      await api.register(sipEventRoutes, { store })
      await api.register(tokenRoutes, { store })
      await api.register(sessionRoutes, { store })
      await api.register(adminRoutes, { store })
    },
    { prefix: '/api/v1' },
  )
  app.addHook('onReady', () => ensureConfiguredToken(store, config))
  closeConnectionsOnStop(app)

  return {
    app,
    async start() {
      await app.listen({ host: config.http.host, port: config.http.port })
      const { address, port } = app.server.address() as AddressInfo
      return { host: address, port }
    },
    async stop() {
      const impatience = setTimeout(() => app.server.closeAllConnections(), config.drainTimeout * 1000)
      await app.close()
      clearTimeout(impatience)
    },
  }
}

/** Other bodies than JSON are refused (415). An empty one is none, so that a DELETE with a Content-Type is understood. */
function acceptOnlyJson(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    if (body.length === 0 && request.method === 'DELETE') done(null, undefined)
    // Read as a text it would have a replacement character where the sender meant something else.
    else if (!isUtf8(Buffer.from(body))) done(new Problem('invalid_json', 'The body is not valid UTF-8.'))
    else void parse(request, body.toString(), done)
  })
}

/** A request that is answered during the stop takes its connection with it; kept alive, it would hold up the stop. */
function closeConnectionsOnStop(app: FastifyInstance): void {
  let stopping = false
  app.addHook('preClose', async () => {
    stopping = true
  })
  app.addHook('onSend', async (_request, reply) => {
    if (stopping) reply.header('connection', 'close')
  })
}
