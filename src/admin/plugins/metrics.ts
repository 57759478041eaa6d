import fp from 'fastify-plugin'
import { collectDefaultMetrics, Histogram, Registry } from 'prom-client'

declare module 'fastify' {
  interface FastifyInstance {
    /** The process and its HTTP requests. A registry per application, so that two in one process don't mix. */
    metricsRegistry: Registry
  }
}

export const metrics = fp(
  async (app) => {
    const registry = new Registry()
    collectDefaultMetrics({ register: registry })
    const duration = new Histogram({
      name: 'privateline_http_request_duration_seconds',
      help: 'HTTP requests by route, method and status',
      labelNames: ['route', 'method', 'status'],
      buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
      registers: [registry],
    })
    app.decorate('metricsRegistry', registry)
    app.addHook('onResponse', async (request, reply) => {
      // The pattern, not the path: what clients make up must not become a label.
      const route = request.routeOptions.url ?? 'none'
      duration.observe({ route, method: request.method, status: reply.statusCode }, reply.elapsedTime / 1000)
    })
  },
  { name: 'metrics' },
)
