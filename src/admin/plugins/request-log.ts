import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'

/** One line per request, after it: what was asked, by whom, and what became of it. Never a body, a header or a query. */
export const requestLog = fp(async (app) => {
  app.addHook('onResponse', async (request, reply) => {
    request.log.info(
      {
        method: request.method,
        path: request.url.split('?', 1)[0]?.slice(0, 200),
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
        from: request.ip,
        by: nameOf(request),
      },
      'http request',
    )
  })
})

const nameOf = ({ identity }: FastifyRequest) => (identity ? `${identity.kind} ${identity.name}` : undefined)
