import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Store } from '../../store/types.js'
import { CONFIGURED_TOKEN } from '../bootstrap.js'
import { BODY_PROBLEMS, invalidInput, notFound, problems } from '../problems.js'
import { CreatedTokenSchema, NewTokenBody, tokenAnswer, TokenSchema } from '../schemas/administration.js'
import { IdParams, named, NoContent, pageOf } from '../schemas/common.js'
import { hashOf, newApiToken } from '../secrets.js'

const Token = named(TokenSchema)

export const tokenRoutes: FastifyPluginAsyncTypebox<{ store: Store }> = async (app, { store }) => {
  app.post(
    '/tokens',
    {
      config: { permission: 'administration:write' },
      schema: {
        operationId: 'createToken',
        summary: 'Create an API token',
        description: 'The answer has the secret; it is shown this once, only its hash is stored.',
        tags: ['tokens'],
        body: NewTokenBody,
        response: { 201: named(CreatedTokenSchema), ...problems(...BODY_PROBLEMS, 'token_name_taken') },
      },
    },
    async (request, reply) => {
      const { name, role, expiresAt } = request.body
      if (name === CONFIGURED_TOKEN) {
        throw invalidInput([
          { field: 'name', message: 'is reserved for the token of the setting of this name' },
        ])
      }
      const secret = newApiToken()
      const created = await store.admins.createToken({
        name,
        role,
        tokenHash: hashOf(secret),
        expiresAt: futureTime(expiresAt),
      })
      return reply
        .code(201)
        .header('location', `/api/v1/tokens/${created.id}`)
        .send({ ...tokenAnswer(created), token: secret })
    },
  )

  app.get(
    '/tokens',
    {
      config: { permission: 'administration:read' },
      schema: {
        operationId: 'listTokens',
        summary: 'List API tokens',
        tags: ['tokens'],
        response: { 200: pageOf(Token), ...problems() },
      },
    },
    async () => {
      const tokens = await store.admins.tokens()
      return { items: tokens.map(tokenAnswer), next: null, total: tokens.length }
    },
  )

  app.get(
    '/tokens/:id',
    {
      config: { permission: 'administration:read' },
      schema: {
        operationId: 'getToken',
        summary: 'Show an API token',
        tags: ['tokens'],
        params: IdParams,
        response: { 200: Token, ...problems('not_found') },
      },
    },
    async (request) => {
      const token = (await store.admins.tokens()).find(({ id }) => id === request.params.id)
      if (!token) throw notFound('token')
      return tokenAnswer(token)
    },
  )

  app.delete(
    '/tokens/:id',
    {
      config: { permission: 'administration:write' },
      schema: {
        operationId: 'deleteToken',
        summary: 'Delete an API token',
        description:
          'The next request with it is refused. The token of ADMIN_API_TOKEN comes back at the next start.',
        tags: ['tokens'],
        params: IdParams,
        response: { 204: NoContent, ...problems('not_found') },
      },
    },
    async (request, reply) => {
      if (!(await store.admins.deleteToken(request.params.id))) throw notFound('token')
      return reply.code(204).send(null)
    },
  )
}

function futureTime(text: string | null | undefined): number | null {
  if (text === null || text === undefined) return null
  const time = Date.parse(text)
  if (!(time > Date.now()))
    throw invalidInput([{ field: 'expiresAt', message: 'must be a time in the future' }])
  return time
}
