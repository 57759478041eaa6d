/** Every answer that is not a success leaves through here, as problem details (RFC 9457). */
import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import { problemOf } from '../problem-of.js'
import { Problem } from '../problems.js'

/** Sends the problem an error stands for. What nobody expected is logged, and only its request id is told. */
export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = problemOf(error, request.id)
  if (problem.status >= 500) request.log.error({ err: error }, problem.problem)
  return reply
    .code(problem.status)
    .headers({ ...problem.extras.headers })
    .type('application/problem+json')
    .send(problem.toJSON())
}

/** Registered first: it has to see every route to know which methods a path has. */
export const errors = fp(async (app) => {
  const paths = new Map<string, { pattern: RegExp; methods: Set<string> }>()

  app.addHook('onRoute', ({ url, method }: RouteOptions) => {
    const entry = paths.get(url) ?? { pattern: patternOf(url), methods: new Set(['OPTIONS']) }
    for (const name of [method].flat()) entry.methods.add(name)
    paths.set(url, entry)
  })

  app.setErrorHandler(sendProblem)
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0] ?? ''
    const methods = new Set(
      [...paths.values()].filter(({ pattern }) => pattern.test(path)).flatMap((entry) => [...entry.methods]),
    )
    if (methods.size === 0)
      throw new Problem('not_found', `There is nothing at ${request.method} ${path.slice(0, 200)}.`)
    reply.header('allow', [...methods].sort().join(', '))
    if (request.method === 'OPTIONS') return reply.code(204).send()
    throw new Problem('method_not_allowed', `${request.method} is not available here.`)
  })
})

/** `/groups/:id` as an expression that a path either fits or not. */
function patternOf(url: string): RegExp {
  const parts = url
    .split('/')
    .map((part) => (part.startsWith(':') ? '[^/]+' : part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')))
  return new RegExp(`^${parts.join('/')}$`)
}
