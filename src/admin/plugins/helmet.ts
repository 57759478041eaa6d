import fastifyHelmet from '@fastify/helmet'
import fp from 'fastify-plugin'

/**
 * Security headers. The API serves data, so its policy allows a browser nothing; pages widen it for themselves. No
 * HSTS: whether the name is always served over TLS is known to the proxy in front, not here.
 */
export const helmet = fp(async (app) => {
  await app.register(fastifyHelmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    },
    strictTransportSecurity: false,
  })
})
