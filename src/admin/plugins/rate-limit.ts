import fastifyRateLimit from '@fastify/rate-limit'
import fp from 'fastify-plugin'
import { Problem } from '../problems.js'

/**
 * Limits requests per address on the routes that ask for it (`config: { rateLimit: { max } }`): those that cost much
 * before anybody has proved who they are. Memory is bounded by the plugin's own cache.
 */
export const rateLimit = fp(async (app) => {
  await app.register(fastifyRateLimit, {
    global: false,
    timeWindow: 60_000,
    errorResponseBuilder: (_request, { ttl }) =>
      new Problem('too_many_attempts', `Too many requests. Try again in ${Math.ceil(ttl / 1000)} seconds.`),
  })
})
