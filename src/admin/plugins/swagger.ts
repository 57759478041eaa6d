import fastifySwagger from '@fastify/swagger'
import fp from 'fastify-plugin'
import { rolesWith } from '../permissions.js'
import { ProblemSchema } from '../problems.js'
import { AccountSchema } from '../schemas/account.js'
import { AdminSchema, CreatedTokenSchema, SessionSchema, TokenSchema } from '../schemas/administration.js'
import { CallSchema } from '../schemas/call.js'
import { GroupSchema } from '../schemas/group.js'
import { RegistrationSchema } from '../schemas/registration.js'
import { SipEventSchema } from '../schemas/sip-event.js'
import { SESSION_COOKIE } from './access.js'

const NAMED_SCHEMAS = [
  ProblemSchema,
  GroupSchema,
  AccountSchema,
  RegistrationSchema,
  CallSchema,
  SipEventSchema,
  AdminSchema,
  TokenSchema,
  CreatedTokenSchema,
  SessionSchema,
]

/** The OpenAPI document, made from the schemas that the routes check with. */
export const swagger = fp(async (app) => {
  for (const schema of NAMED_SCHEMAS) app.addSchema(schema)

  await app.register(fastifySwagger, {
    hideUntagged: true,
    convertConstToEnum: false,
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Privateline API',
        // The version of the API, not of the program: it changes when clients have to.
        version: '1.0.0',
        description:
          'Groups, accounts and live registrations of a private telephone network. Errors are problem details (RFC 9457).',
      },
      servers: [{ url: '/' }],
      tags: [
        { name: 'groups', description: 'Containers of accounts' },
        { name: 'accounts', description: 'What phones register with' },
        { name: 'registrations', description: 'Which devices are online' },
        { name: 'calls', description: 'Who called whom, and what became of it' },
        { name: 'sip-events', description: 'Which devices came and went, and who was not let in' },
        { name: 'session', description: 'Signing in with a password' },
        { name: 'tokens', description: 'Access for programs' },
        { name: 'admins', description: 'Who administers this server' },
        { name: 'operation', description: 'Health, metrics, documentation' },
      ],
      components: {
        securitySchemes: {
          token: { type: 'http', scheme: 'bearer', description: 'An API token' },
          session: {
            type: 'apiKey',
            in: 'cookie',
            name: SESSION_COOKIE,
            description: 'The cookie of POST /api/v1/session; changes also need the header `x-csrf-token`',
          },
        },
      },
    },
    refResolver: {
      buildLocalReference: (json, _base, _fragment, index) =>
        (json.$id as string | undefined) ?? `schema-${index}`,
    },
    transform: ({ schema, url, route }) => {
      const permission = route.config?.permission ?? 'public'
      if (permission === 'public') return { schema: { ...schema, security: [] }, url }
      const roles = `Roles: ${rolesWith(permission).join(', ')}.`
      const description = [schema.description, roles].filter(Boolean).join(' ')
      return { schema: { ...schema, description, security: [{ token: [] }, { session: [] }] }, url }
    },
  })
})
