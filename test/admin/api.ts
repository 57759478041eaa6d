/** The HTTP API on a database of its own, and callers of each role. */
import type { InjectOptions } from 'fastify'
import type { Logger } from 'pino'
import type { Test } from 'tap'
import type { Health } from '../../src/admin/dependencies.js'
import { hashOf } from '../../src/admin/secrets.js'
import { createAdmin, type AdminServer } from '../../src/admin/server.js'
import { loadConfig, type Config, type Environment } from '../../src/config.js'
import type { AdminRole, Store } from '../../src/store/types.js'
import { silent, testStore } from '../support/database.js'

export type Body = Record<string, unknown>

export interface Answer {
  status: number
  /** Parsed JSON; an empty object without a body. */
  body: Body
  text: string
  headers: Readonly<Record<string, string | string[] | number | undefined>>
}

export interface Caller {
  get: (path: string) => Promise<Answer>
  post: (path: string, body?: unknown) => Promise<Answer>
  patch: (path: string, body?: unknown) => Promise<Answer>
  delete: (path: string) => Promise<Answer>
}

export interface Api extends AdminServer {
  store: Store
  config: Config
  /** Sends a request as it is; paths are absolute. */
  send: (request: InjectOptions) => Promise<Answer>
  /** A caller with a token of this role; paths are below /api/v1. */
  as: (role: AdminRole) => Caller
  nobody: Caller
}

interface Options {
  env?: Environment
  health?: () => Promise<Health>
  log?: Logger
  store?: Store
}

export async function api(t: Test, options: Options = {}): Promise<Api> {
  const { env = {}, health = async () => ({ database: true, edge: true }), log = silent } = options
  const store = options.store ?? (await testStore(t))
  const config = loadConfig({ HTTP_LISTEN: '127.0.0.1:0', ...env })
  const server = createAdmin({ config, store, log, health, sip: { metrics: async () => 'sip_bindings 3' } })
  t.teardown(() => server.stop())
  await server.app.ready()
  for (const role of ['admin', 'operator', 'auditor'] as const) {
    await store.admins.createToken({
      name: `test ${role}`,
      tokenHash: hashOf(tokenOf(role)),
      role,
      expiresAt: null,
    })
  }

  async function send(request: InjectOptions): Promise<Answer> {
    const { statusCode: status, payload: text, headers } = await server.app.inject(request)
    const isJson = /^application\/(problem\+)?json/.test(String(headers['content-type']))
    return { status, text, headers, body: isJson && text !== '' ? (JSON.parse(text) as Body) : {} }
  }

  function caller(headers: Record<string, string>): Caller {
    const call = (method: 'GET' | 'POST' | 'PATCH' | 'DELETE') => (path: string, body?: unknown) =>
      send({
        method,
        url: `/api/v1${path}`,
        headers,
        ...(body === undefined ? {} : { payload: body as Body }),
      })
    return { get: call('GET'), post: call('POST'), patch: call('PATCH'), delete: call('DELETE') }
  }

  return {
    ...server,
    store,
    config,
    send,
    nobody: caller({}),
    as: (role) => caller({ authorization: `Bearer ${tokenOf(role)}` }),
  }
}

export const tokenOf = (role: AdminRole) => `pl_test-token-of-${role}`

/** The fields an answer names as wrong. */
export function wrongFields(answer: Answer): string[] {
  return (answer.body['errors'] as { field: string }[]).map(({ field }) => field).sort()
}

/** A group to put accounts in; resolves to its id. */
export async function aGroup(caller: Caller, name = 'Sales'): Promise<number> {
  return (await caller.post('/groups', { name })).body['id'] as number
}

export const anAccount = (number: string, more: Body = {}) => ({
  virtualNumber: number,
  password: 'correct horse',
  ...more,
})
