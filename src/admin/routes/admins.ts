import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Store } from '../../store/types.js'
import { hashPassword } from '../passwords.js'
import { BODY_PROBLEMS, notFound, problems } from '../problems.js'
import { adminAnswer, AdminPatchBody, AdminSchema, NewAdminBody } from '../schemas/administration.js'
import { IdParams, named, NoContent, pageOf } from '../schemas/common.js'

const Admin = named(AdminSchema)

export const adminRoutes: FastifyPluginAsyncTypebox<{ store: Store }> = async (app, { store }) => {
  app.post(
    '/admins',
    {
      config: { permission: 'administration:write' },
      schema: {
        operationId: 'createAdmin',
        summary: 'Create an administrator',
        tags: ['admins'],
        body: NewAdminBody,
        response: { 201: Admin, ...problems(...BODY_PROBLEMS, 'admin_name_taken') },
      },
    },
    async (request, reply) => {
      const { username, role, password } = request.body
      const admin = await store.admins.create({ username, role, passwordHash: await hashPassword(password) })
      return reply.code(201).header('location', `/api/v1/admins/${admin.id}`).send(adminAnswer(admin))
    },
  )

  app.get(
    '/admins',
    {
      config: { permission: 'administration:read' },
      schema: {
        operationId: 'listAdmins',
        summary: 'List administrators',
        tags: ['admins'],
        response: { 200: pageOf(Admin), ...problems() },
      },
    },
    async () => {
      const admins = await store.admins.list()
      return { items: admins.map(adminAnswer), next: null, total: admins.length }
    },
  )

  app.get(
    '/admins/:id',
    {
      config: { permission: 'administration:read' },
      schema: {
        operationId: 'getAdmin',
        summary: 'Show an administrator',
        tags: ['admins'],
        params: IdParams,
        response: { 200: Admin, ...problems('not_found') },
      },
    },
    async (request) => {
      const admin = await store.admins.get(request.params.id)
      if (!admin) throw notFound('administrator')
      return adminAnswer(admin)
    },
  )

  app.patch(
    '/admins/:id',
    {
      config: { permission: 'administration:write' },
      schema: {
        operationId: 'updateAdmin',
        summary: 'Change an administrator',
        description: 'A new password ends the sessions that were opened with the old one.',
        tags: ['admins'],
        params: IdParams,
        body: AdminPatchBody,
        response: { 200: Admin, ...problems(...BODY_PROBLEMS, 'not_found', 'last_admin') },
      },
    },
    async (request) => {
      const { password, ...patch } = request.body
      const admin = await store.admins.update(request.params.id, {
        ...patch,
        ...(password === undefined ? {} : { passwordHash: await hashPassword(password) }),
      })
      if (!admin) throw notFound('administrator')
      return adminAnswer(admin)
    },
  )

  app.delete(
    '/admins/:id',
    {
      config: { permission: 'administration:write' },
      schema: {
        operationId: 'deleteAdmin',
        summary: 'Delete an administrator',
        tags: ['admins'],
        params: IdParams,
        response: { 204: NoContent, ...problems('not_found', 'last_admin') },
      },
    },
    async (request, reply) => {
      if (!(await store.admins.delete(request.params.id))) throw notFound('administrator')
      return reply.code(204).send(null)
    },
  )
}
