import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Store } from '../../store/types.js'
import { notFound, problems } from '../problems.js'
import { IdParams, named, NoContent, pageOf, PageQuery } from '../schemas/common.js'
import { registrationAnswer, RegistrationId, RegistrationSchema } from '../schemas/registration.js'

const Registration = named(RegistrationSchema)

export const registrationRoutes: FastifyPluginAsyncTypebox<{ store: Store }> = async (app, { store }) => {
  app.get(
    '/accounts/:id/registrations',
    {
      config: { permission: 'directory:read' },
      schema: {
        operationId: 'listRegistrationsOfAccount',
        summary: 'List the devices of an account that are online',
        tags: ['registrations'],
        params: IdParams,
        querystring: PageQuery,
        response: { 200: pageOf(Registration), ...problems('invalid_input', 'not_found') },
      },
    },
    async (request) => {
      const accountId = request.params.id
      if (!(await store.accounts.get(accountId))) throw notFound('account')
      const page = await store.registrations.list({ ...request.query, accountId })
      return { ...page, items: page.items.map(registrationAnswer) }
    },
  )

  app.get(
    '/registrations',
    {
      config: { permission: 'directory:read' },
      schema: {
        operationId: 'listRegistrations',
        summary: 'List all devices that are online',
        tags: ['registrations'],
        querystring: PageQuery,
        response: { 200: pageOf(Registration), ...problems('invalid_input') },
      },
    },
    async (request) => {
      const page = await store.registrations.list(request.query)
      return { ...page, items: page.items.map(registrationAnswer) }
    },
  )

  app.delete(
    '/registrations/:id',
    {
      config: { permission: 'directory:write' },
      schema: {
        operationId: 'deleteRegistration',
        summary: 'End a registration',
        description:
          'The device is not called any more until it registers again. To keep it out, disable the account.',
        tags: ['registrations'],
        params: Type.Object({ id: RegistrationId }),
        response: { 204: NoContent, ...problems('not_found') },
      },
    },
    async (request, reply) => {
      if (!(await store.registrations.delete(request.params.id))) throw notFound('registration')
      return reply.code(204).send(null)
    },
  )
}
