import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { normalizeIP } from '@fastify/rate-limit'
import type { Admin, Store } from '../../store/types.js'
import { HASH_OF_NOBODY, verifyPassword } from '../passwords.js'
import { SESSION_COOKIE } from '../plugins/access.js'
import { BODY_PROBLEMS, notFound, Problem, problems } from '../problems.js'
import { SessionSchema, SignInBody } from '../schemas/administration.js'
import { isoTime, isoTimeOrNull, named, NoContent } from '../schemas/common.js'
import { csrfTokenOf, hashOf, newSessionToken } from '../secrets.js'
import { SignInThrottle } from '../sign-in-throttle.js'

const Session = named(SessionSchema)

/** A working day. Sessions are not prolonged. */
const SESSION_MS = 12 * 3600 * 1000

export const sessionRoutes: FastifyPluginAsyncTypebox<{ store: Store }> = async (app, { store }) => {
  const throttle = new SignInThrottle()

  app.post(
    '/session',
    {
      config: { permission: 'public', rateLimit: { max: 60 } },
      schema: {
        operationId: 'signIn',
        summary: 'Sign in',
        description: `Sets the cookie \`${SESSION_COOKIE}\`. A session that the request came with ends.`,
        tags: ['session'],
        body: SignInBody,
        response: { 201: Session, ...problems(...BODY_PROBLEMS, 'too_many_attempts') },
      },
    },
    async (request, reply) => {
      const { username, password } = request.body
      const admin = await authenticate(store, throttle, username, password, normalizeIP(request.ip))
      await endPreviousSession(store, request)

      // A secret of our own making, never one that came with the request: nobody can plant a session (fixation).
      const token = newSessionToken()
      const csrfToken = csrfTokenOf(token)
      const expiresAt = Date.now() + SESSION_MS
      await store.admins.createSession({
        adminId: admin.id,
        tokenHash: hashOf(token),
        csrfHash: hashOf(csrfToken),
        expiresAt,
      })
      setCookie(request, reply, token, SESSION_MS)
      return reply
        .code(201)
        .header('location', '/api/v1/session')
        .send({ username: admin.username, role: admin.role, csrfToken, expiresAt: isoTime(expiresAt) })
    },
  )

  app.get(
    '/session',
    {
      config: { permission: 'signed-in' },
      schema: {
        operationId: 'getSession',
        summary: 'Show who is signed in',
        tags: ['session'],
        response: { 200: Session, ...problems() },
      },
    },
    async (request) => {
      const identity = identityOf(request)
      const cookie = request.cookies[SESSION_COOKIE]
      return {
        username: identity.name,
        role: identity.role,
        csrfToken: identity.kind === 'session' && cookie !== undefined ? csrfTokenOf(cookie) : null,
        expiresAt: isoTimeOrNull(identity.expiresAt),
      }
    },
  )

  app.delete(
    '/session',
    {
      config: { permission: 'signed-in' },
      schema: {
        operationId: 'signOut',
        summary: 'Sign out',
        tags: ['session'],
        response: { 204: NoContent, ...problems('not_found') },
      },
    },
    async (request, reply) => {
      const identity = identityOf(request)
      if (identity.kind !== 'session') throw notFound('session: a token has none')
      await store.admins.deleteSession(identity.sessionId)
      setCookie(request, reply, '', 0)
      return reply.code(204).send(null)
    },
  )
}

/** The administrator of this name and password. Unknown, disabled and wrong can't be told apart, by answer or by time. */
async function authenticate(
  store: Store,
  throttle: SignInThrottle,
  username: string,
  password: string,
  address: string,
): Promise<Admin> {
  const name = username.toLowerCase()
  const wait = throttle.attempt(name, address)
  if (wait > 0) {
    const seconds = Math.ceil(wait / 1000)
    throw new Problem('too_many_attempts', `Too many wrong passwords. Try again in ${seconds} seconds.`, {
      headers: { 'retry-after': String(seconds) },
    })
  }
  const found = await store.admins.passwordHash(username)
  const right = await verifyPassword(password, found?.passwordHash ?? HASH_OF_NOBODY)
  if (!found?.admin.enabled || !right) throw new Problem('unauthenticated', 'Wrong username or password.')
  throttle.succeeded(name, address)
  return found.admin
}

async function endPreviousSession(store: Store, request: FastifyRequest): Promise<void> {
  const cookie = request.cookies[SESSION_COOKIE]
  const previous = cookie === undefined ? undefined : await store.admins.session(hashOf(cookie))
  if (previous) await store.admins.deleteSession(previous.id)
}

function setCookie(request: FastifyRequest, reply: FastifyReply, value: string, milliseconds: number): void {
  reply.setCookie(SESSION_COOKIE, value, {
    path: '/',
    httpOnly: true,
    sameSite: 'strict',
    secure: request.protocol === 'https',
    maxAge: milliseconds / 1000,
  })
}

function identityOf(request: FastifyRequest) {
  if (!request.identity) throw new Error('A route that needs nobody asked who it is')
  return request.identity
}
