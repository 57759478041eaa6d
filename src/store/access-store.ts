import type { Knex } from 'knex'
import { withDomainErrors } from './constraints.js'
import { isRowId } from './paging.js'
import type { AdminRole, AdminSession, AdminStore, ApiToken } from './types.js'

interface SessionRow {
  id: number
  admin_id: number
  username: string
  role: AdminRole
  csrf_hash: string
  expires_at: number
  created_at: number
}

interface TokenRow {
  id: number
  name: string
  role: AdminRole
  created_at: number
  expires_at: number | null
  last_used_at: number | null
}

const tokenColumns = ['id', 'name', 'role', 'created_at', 'expires_at', 'last_used_at']

function rowToSession(row: SessionRow): AdminSession {
  return {
    id: row.id,
    adminId: row.admin_id,
    username: row.username,
    role: row.role,
    expiresAt: row.expires_at,
    createdAt: row.created_at,
  }
}

function rowToToken(row: TokenRow): ApiToken {
  return {
    id: row.id,
    name: row.name,
    role: row.role,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at,
  }
}

/** How often the last use of a token is written, in milliseconds. */
const useNotedEvery = 60_000

/** Console sessions and API tokens; both are known by the hash of their secret only. `now`: milliseconds. */
export function createAccessStore(
  knex: Knex,
  now: () => number,
): Pick<
  AdminStore,
  'createSession' | 'session' | 'deleteSession' | 'createToken' | 'tokens' | 'token' | 'deleteToken'
> {
  const timestamp = (time: number) => new Date(time).toISOString()

  async function readSession(matching: Record<string, unknown>): Promise<SessionRow | undefined> {
    return knex('admin_sessions as s')
      .join('admins as a', 'a.id', 's.admin_id')
      .where({ 'a.enabled': true, ...matching })
      .first<SessionRow | undefined>(
        's.id',
        's.admin_id',
        'a.username',
        'a.role',
        's.csrf_hash',
        's.expires_at',
        's.created_at',
      )
  }

  return {
    async createSession({ adminId, tokenHash, csrfHash, expiresAt }) {
      await knex('admin_sessions').where('expires_at', '<=', timestamp(now())).delete()
      const [created] = await knex('admin_sessions')
        .insert({
          admin_id: adminId,
          token_hash: tokenHash,
          csrf_hash: csrfHash,
          expires_at: timestamp(expiresAt),
        })
        .returning<{ id: number }[]>('id')
      const row = created && (await readSession({ 's.id': created.id }))
      if (!row) throw new Error('the administrator of this session is gone or disabled')
      return rowToSession(row)
    },

    async session(tokenHash) {
      const row = await readSession({ 's.token_hash': tokenHash })
      if (!row || row.expires_at <= now()) return undefined
      return { ...rowToSession(row), csrfHash: row.csrf_hash }
    },

    async deleteSession(id) {
      return isRowId(id) && (await knex('admin_sessions').where({ id }).delete()) > 0
    },

    async createToken({ name, tokenHash, role, expiresAt }) {
      const [row] = await withDomainErrors(() =>
        knex('api_tokens')
          .insert({
            name,
            token_hash: tokenHash,
            role,
            expires_at: expiresAt === null ? null : timestamp(expiresAt),
          })
          .returning<TokenRow[]>(tokenColumns),
      )
      return rowToToken(row as TokenRow)
    },

    async tokens() {
      const rows = await knex('api_tokens')
        .orderBy('id')
        .select<TokenRow[]>(...tokenColumns)
      return rows.map(rowToToken)
    },

    async token(tokenHash) {
      const row = await knex('api_tokens')
        .where({ token_hash: tokenHash })
        .first<TokenRow | undefined>(...tokenColumns)
      const time = now()
      if (!row || (row.expires_at !== null && row.expires_at <= time)) return undefined
      if (row.last_used_at === null || row.last_used_at <= time - useNotedEvery) {
        await knex('api_tokens')
          .where({ id: row.id })
          .update({ last_used_at: timestamp(time) })
        row.last_used_at = time
      }
      return rowToToken(row)
    },

    async deleteToken(id) {
      return isRowId(id) && (await knex('api_tokens').where({ id }).delete()) > 0
    },
  }
}
