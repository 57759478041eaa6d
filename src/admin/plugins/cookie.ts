import fastifyCookie from '@fastify/cookie'
import fp from 'fastify-plugin'

/** Reads cookies. None is signed: the session cookie is a random secret, looked up by its hash. */
export const cookie = fp(
  async (app) => {
    await app.register(fastifyCookie)
  },
  { name: 'cookie' },
)
