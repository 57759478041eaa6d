import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Store } from '../../store/types.js'
import { BODY_PROBLEMS, notFound, problems } from '../problems.js'
import { IdParams, named, NoContent, pageOf, PageQuery } from '../schemas/common.js'
import { groupAnswer, GroupPatchBody, GroupSchema, NewGroupBody } from '../schemas/group.js'

const Group = named(GroupSchema)

export const groupRoutes: FastifyPluginAsyncTypebox<{ store: Store }> = async (app, { store }) => {
  app.post(
    '/groups',
    {
      config: { permission: 'directory:write' },
      schema: {
        operationId: 'createGroup',
        summary: 'Create a group',
        tags: ['groups'],
        body: NewGroupBody,
        response: { 201: Group, ...problems(...BODY_PROBLEMS, 'group_name_taken') },
      },
    },
    async (request, reply) => {
      const group = await store.groups.create(request.body)
      return reply.code(201).header('location', `/api/v1/groups/${group.id}`).send(groupAnswer(group))
    },
  )

  app.get(
    '/groups',
    {
      config: { permission: 'directory:read' },
      schema: {
        operationId: 'listGroups',
        summary: 'List groups',
        tags: ['groups'],
        querystring: PageQuery,
        response: { 200: pageOf(Group), ...problems('invalid_input') },
      },
    },
    async (request) => {
      const page = await store.groups.list(request.query)
      return { ...page, items: page.items.map(groupAnswer) }
    },
  )

  app.get(
    '/groups/:id',
    {
      config: { permission: 'directory:read' },
      schema: {
        operationId: 'getGroup',
        summary: 'Show a group',
        tags: ['groups'],
        params: IdParams,
        response: { 200: Group, ...problems('not_found') },
      },
    },
    async (request) => {
      const group = await store.groups.get(request.params.id)
      if (!group) throw notFound('group')
      return groupAnswer(group)
    },
  )

  app.patch(
    '/groups/:id',
    {
      config: { permission: 'directory:write' },
      schema: {
        operationId: 'updateGroup',
        summary: 'Change a group',
        description: 'A field left out stays as it is; null clears it.',
        tags: ['groups'],
        params: IdParams,
        body: GroupPatchBody,
        response: { 200: Group, ...problems(...BODY_PROBLEMS, 'not_found', 'group_name_taken') },
      },
    },
    async (request) => {
      const group = await store.groups.update(request.params.id, request.body)
      if (!group) throw notFound('group')
      return groupAnswer(group)
    },
  )

  app.delete(
    '/groups/:id',
    {
      config: { permission: 'directory:write' },
      schema: {
        operationId: 'deleteGroup',
        summary: 'Delete a group',
        description:
          'With `cascade` the accounts in it are deleted too, with their credentials and registrations.',
        tags: ['groups'],
        params: IdParams,
        querystring: Type.Object(
          {
            cascade: Type.Optional(Type.Boolean({ default: false, description: 'Delete its accounts too' })),
          },
          { additionalProperties: false },
        ),
        response: { 204: NoContent, ...problems('invalid_input', 'not_found', 'group_not_empty') },
      },
    },
    async (request, reply) => {
      const deleted = await store.groups.delete(request.params.id, {
        cascade: request.query.cascade ?? false,
      })
      if (!deleted) throw notFound('group')
      return reply.code(204).send(null)
    },
  )
}
