import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { StoreError } from '../../store/errors.js'
import type { Account, Store } from '../../store/types.js'
import { accountPatch, newAccount } from '../account-input.js'
import { BODY_PROBLEMS, invalidInput, notFound, problems } from '../problems.js'
import {
  accountAnswer,
  AccountPatchBody,
  AccountSchema,
  NewAccountBody,
  type NewAccountBody as NewAccountInput,
} from '../schemas/account.js'
import { IdParams, named, NoContent, pageOf, PageQuery } from '../schemas/common.js'

const AccountRef = named(AccountSchema)

/** A suggested username is free when it is suggested; another node may take it before it is used. */
const USERNAME_TRIES = 5

export const accountRoutes: FastifyPluginAsyncTypebox<{ store: Store; realm: string }> = async (
  app,
  { store, realm },
) => {
  app.post(
    '/groups/:id/accounts',
    {
      config: { permission: 'directory:write' },
      schema: {
        operationId: 'createAccount',
        summary: 'Create an account in a group',
        tags: ['accounts'],
        params: IdParams,
        body: NewAccountBody,
        response: {
          201: AccountRef,
          ...problems(...BODY_PROBLEMS, 'not_found', 'username_taken', 'number_taken'),
        },
      },
    },
    async (request, reply) => {
      const account = await createAccount(store, request.params.id, request.body, realm)
      return reply.code(201).header('location', `/api/v1/accounts/${account.id}`).send(accountAnswer(account))
    },
  )

  app.get(
    '/groups/:id/accounts',
    {
      config: { permission: 'directory:read' },
      schema: {
        operationId: 'listAccountsOfGroup',
        summary: 'List the accounts of a group',
        tags: ['accounts'],
        params: IdParams,
        querystring: PageQuery,
        response: { 200: pageOf(AccountRef), ...problems('invalid_input', 'not_found') },
      },
    },
    async (request) => {
      const groupId = request.params.id
      if (!(await store.groups.get(groupId))) throw notFound('group')
      const page = await store.accounts.list({ ...request.query, groupId })
      return { ...page, items: page.items.map(accountAnswer) }
    },
  )

  app.get(
    '/accounts/suggestion',
    {
      config: { permission: 'directory:read' },
      schema: {
        operationId: 'suggestUsername',
        summary: 'Suggest a free username',
        tags: ['accounts'],
        response: { 200: Type.Object({ username: Type.String() }), ...problems() },
      },
    },
    async () => ({ username: await store.accounts.suggestUsername() }),
  )

  app.get(
    '/accounts',
    {
      config: { permission: 'directory:read' },
      schema: {
        operationId: 'listAccounts',
        summary: 'List accounts',
        tags: ['accounts'],
        querystring: PageQuery,
        response: { 200: pageOf(AccountRef), ...problems('invalid_input') },
      },
    },
    async (request) => {
      const page = await store.accounts.list(request.query)
      return { ...page, items: page.items.map(accountAnswer) }
    },
  )

  app.get(
    '/accounts/:id',
    {
      config: { permission: 'directory:read' },
      schema: {
        operationId: 'getAccount',
        summary: 'Show an account',
        tags: ['accounts'],
        params: IdParams,
        response: { 200: AccountRef, ...problems('not_found') },
      },
    },
    async (request) => {
      const account = await store.accounts.get(request.params.id)
      if (!account) throw notFound('account')
      return accountAnswer(account)
    },
  )

  app.patch(
    '/accounts/:id',
    {
      config: { permission: 'directory:write' },
      schema: {
        operationId: 'updateAccount',
        summary: 'Change an account',
        description:
          'A field left out stays as it is; null clears it. A new username needs a new password. Disabling, a new ' +
          'password or a new username end its registrations. Changing a desk phone into a softphone clears mac, deny and permit.',
        tags: ['accounts'],
        params: IdParams,
        body: AccountPatchBody,
        response: {
          200: AccountRef,
          ...problems(...BODY_PROBLEMS, 'not_found', 'username_taken', 'number_taken'),
        },
      },
    },
    async (request) => {
      const { id } = request.params
      const current = await store.accounts.get(id)
      if (!current) throw notFound('account')
      const account = await store.accounts
        .update(id, accountPatch(request.body, current, realm))
        .catch((error: unknown) => {
          // Here the group is a field of the body, not a part of the path.
          if (!isStoreError(error, 'group_not_found')) throw error
          throw invalidInput([{ field: 'groupId', message: 'is not the id of a group' }])
        })
      if (!account) throw notFound('account')
      return accountAnswer(account)
    },
  )

  app.delete(
    '/accounts/:id',
    {
      config: { permission: 'directory:write' },
      schema: {
        operationId: 'deleteAccount',
        summary: 'Delete an account',
        description: 'Its credentials and registrations go with it.',
        tags: ['accounts'],
        params: IdParams,
        response: { 204: NoContent, ...problems('not_found') },
      },
    },
    async (request, reply) => {
      if (!(await store.accounts.delete(request.params.id))) throw notFound('account')
      return reply.code(204).send(null)
    },
  )
}

async function createAccount(
  store: Store,
  groupId: number,
  body: NewAccountInput,
  realm: string,
): Promise<Account> {
  for (let tries = 1; ; tries += 1) {
    const username = body.username ?? (await store.accounts.suggestUsername())
    try {
      return await store.accounts.create(groupId, newAccount(body, username, realm))
    } catch (error) {
      const again =
        body.username === undefined && tries < USERNAME_TRIES && isStoreError(error, 'username_taken')
      if (!again) throw error
    }
  }
}

const isStoreError = (error: unknown, code: StoreError['code']) =>
  error instanceof StoreError && error.code === code
