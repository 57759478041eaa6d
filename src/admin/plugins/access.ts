/** Who is asking, and whether they may. Every route under /api/v1 says what it needs; one that says nothing does not start. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { AdminRole, Store } from '../../store/types.js'
import { mayUse, type Permission } from '../permissions.js'
import { Problem } from '../problems.js'
import { hashOf, matches } from '../secrets.js'

export const SESSION_COOKIE = 'privateline_session'

interface TokenIdentity {
  kind: 'token'
  name: string
  role: AdminRole
  expiresAt: number | null
}

interface SessionIdentity {
  kind: 'session'
  sessionId: number
  name: string
  role: AdminRole
  expiresAt: number
  csrfHash: string
}

export type Identity = TokenIdentity | SessionIdentity

declare module 'fastify' {
  interface FastifyContextConfig {
    permission?: Permission
  }
  interface FastifyRequest {
    /** Null on public routes. */
    identity: Identity | null
  }
}

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS'])

export const access = fp<{ store: Store }>(
  async (app, { store }) => {
    app.decorateRequest('identity', null)

    app.addHook('onRoute', ({ url, config }) => {
      if (!config?.permission) throw new Error(`The route ${url} does not say which permission it needs`)
    })

    app.addHook('onRequest', async (request: FastifyRequest, reply: FastifyReply) => {
      // Answers are about people and secrets: no cache on the way may keep them.
      reply.header('cache-control', 'no-store')
      // Unset on the not-found handler, which tells nothing that needs a permission.
      const { permission = 'public' } = request.routeOptions.config
      if (permission === 'public') return
      const identity = await identify(store, request)
      if (!identity) {
        throw new Problem('unauthenticated', 'Send a valid API token, or sign in.', {
          headers: { 'www-authenticate': 'Bearer realm="privateline"' },
        })
      }
      if (!mayUse(identity.role, permission)) {
        throw new Problem('forbidden', `The role ${identity.role} does not allow this.`)
      }
      if (identity.kind === 'session' && !SAFE_METHODS.has(request.method)) checkCsrf(request, identity)
      request.identity = identity
    })
  },
  { name: 'access', dependencies: ['cookie'] },
)

/** A token that was sent decides alone: a wrong one is not made good by a cookie. */
async function identify(store: Store, request: FastifyRequest): Promise<Identity | undefined> {
  const { authorization } = request.headers
  if (authorization !== undefined) {
    const secret = /^Bearer +([!-~]{1,500})$/i.exec(authorization)?.[1]
    const token = secret === undefined ? undefined : await store.admins.token(hashOf(secret))
    return token && { kind: 'token', name: token.name, role: token.role, expiresAt: token.expiresAt }
  }
  const cookie = request.cookies[SESSION_COOKIE]
  const session = cookie === undefined ? undefined : await store.admins.session(hashOf(cookie))
  if (!session) return undefined
  const { id, username, role, expiresAt, csrfHash } = session
  return { kind: 'session', sessionId: id, name: username, role, expiresAt, csrfHash }
}

function checkCsrf(request: FastifyRequest, session: SessionIdentity): void {
  const sent = request.headers['x-csrf-token']
  if (typeof sent !== 'string' || !matches(sent, session.csrfHash)) {
    throw new Problem('csrf_failed', 'Send the csrfToken of your session in the header x-csrf-token.')
  }
}
