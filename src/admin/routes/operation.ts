/** For who runs the installation and for who writes against the API: health, metrics, documentation. Open to everybody who reaches the listener. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { AdminDependencies, Health } from '../dependencies.js'
import { notFound, problemAnswers, PROBLEMS, problemType, type ProblemCode } from '../problems.js'

const HealthSchema = Type.Object({ database: Type.Boolean(), edge: Type.Boolean() })

type Dependencies = Pick<AdminDependencies, 'health' | 'sip'>

export const operationRoutes: FastifyPluginAsyncTypebox<Dependencies> = async (app, { health, sip }) => {
  app.get(
    '/health/live',
    {
      // Probes ask every few seconds; only what goes wrong is worth a line.
      logLevel: 'warn',
      schema: {
        operationId: 'live',
        summary: 'The process runs',
        tags: ['operation'],
        response: { 200: Type.Object({ status: Type.Literal('live') }) },
      },
    },
    async () => ({ status: 'live' as const }),
  )

  app.get(
    '/health/ready',
    {
      logLevel: 'warn',
      schema: {
        operationId: 'ready',
        summary: 'The server can do its work',
        description: '503 while the database or the SIP edge is away; the body says which.',
        tags: ['operation'],
        response: { 200: HealthSchema, 503: HealthSchema },
      },
    },
    async (request, reply) => {
      const state = await health().catch((error: unknown): Health => {
        request.log.error({ err: error }, 'the health check itself failed')
        return { database: false, edge: false }
      })
      return reply.code(state.database && state.edge ? 200 : 503).send(state)
    },
  )

  app.get(
    '/metrics',
    {
      logLevel: 'warn',
      schema: {
        operationId: 'metrics',
        summary: 'Metrics in Prometheus text format',
        tags: ['operation'],
        produces: ['text/plain'],
        response: { 200: Type.String(), ...problemAnswers(['internal_error', 'database_unavailable']) },
      },
    },
    async (_request, reply) => {
      const texts = await Promise.all([app.metricsRegistry.metrics(), sip.metrics()])
      return reply.type(app.metricsRegistry.contentType).send(texts.join('\n'))
    },
  )

  app.get(
    '/openapi.json',
    {
      schema: {
        operationId: 'openapi',
        summary: 'This document',
        tags: ['operation'],
        response: { 200: Type.Object({}, { additionalProperties: true }) },
      },
    },
    async () => app.swagger(),
  )

  app.get(
    '/problems/:code',
    {
      schema: {
        operationId: 'explainProblem',
        summary: 'Explain a kind of problem',
        description: 'Where the `type` of an error points to.',
        tags: ['operation'],
        params: Type.Object({ code: Type.String() }),
        response: {
          200: Type.Object({
            type: Type.String(),
            code: Type.String(),
            status: Type.Integer(),
            title: Type.String(),
            meaning: Type.String(),
          }),
          ...problemAnswers(['not_found']),
        },
      },
    },
    async (request) => {
      const { code } = request.params
      if (!Object.hasOwn(PROBLEMS, code)) throw notFound('kind of problem')
      return { type: problemType(code as ProblemCode), code, ...PROBLEMS[code as ProblemCode] }
    },
  )

  app.get('/', { schema: { hide: true } }, async (_request, reply) => reply.redirect('/docs'))
}
