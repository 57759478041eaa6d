import type { Knex } from 'knex'
import { withDomainErrors } from './constraints.js'
import { StoreError } from './errors.js'
import { isRowId } from './paging.js'
import { presentValues } from './present-values.js'
import type { Admin, AdminRole, AdminStore } from './types.js'

const table = 'admins'

interface AdminRow {
  id: number
  username: string
  role: AdminRole
  enabled: boolean
  created_at: number
  updated_at: number
}

const columns = ['id', 'username', 'role', 'enabled', 'created_at', 'updated_at']

function rowToAdmin(row: AdminRow): Admin {
  return {
    id: row.id,
    username: row.username,
    role: row.role,
    enabled: row.enabled,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

/** Administrators. Usernames are unique, and found, in any case. */
export function createAdminStore(
  knex: Knex,
): Pick<AdminStore, 'create' | 'list' | 'get' | 'update' | 'delete' | 'passwordHash'> {
  /**
   * Runs a change after which an enabled administrator has to be left. Two at once, each taking away the other's
   * last one, would both find one left: so the first holds them all.
   */
  async function keepingAnAdmin<T>(work: (trx: Knex.Transaction) => Promise<T>): Promise<T> {
    return knex.transaction(async (trx) => {
      const full = { role: 'admin', enabled: true }
      const before = await trx(table).where(full).orderBy('id').forUpdate().pluck<number[]>('id')
      const result = await work(trx)
      const left = await trx(table).where(full).first<{ id: number } | undefined>('id')
      if (before.length > 0 && !left) {
        throw new StoreError('last_admin', 'This is the last enabled administrator.')
      }
      return result
    })
  }

  return {
    async create({ username, passwordHash, role }) {
      const [row] = await withDomainErrors(() =>
        knex(table).insert({ username, password_hash: passwordHash, role }).returning<AdminRow[]>(columns),
      )
      return rowToAdmin(row as AdminRow)
    },

    async list() {
      const rows = await knex(table)
        .orderBy('id')
        .select<AdminRow[]>(...columns)
      return rows.map(rowToAdmin)
    },

    async get(id) {
      if (!isRowId(id)) return undefined
      const row = await knex(table)
        .where({ id })
        .first<AdminRow | undefined>(...columns)
      return row && rowToAdmin(row)
    },

    async update(id, patch) {
      if (!isRowId(id)) return undefined
      return keepingAnAdmin(async (trx) => {
        const [row] = await trx(table)
          .where({ id })
          .update({
            ...presentValues({ password_hash: patch.passwordHash, role: patch.role, enabled: patch.enabled }),
            updated_at: trx.fn.now(),
          })
          .returning<AdminRow[]>(columns)
        // Who was signed in with the old password, or before being shut out, has to sign in again.
        if (patch.passwordHash !== undefined || patch.enabled === false) {
          await trx('admin_sessions').where({ admin_id: id }).delete()
        }
        return row && rowToAdmin(row)
      })
    },

    async delete(id) {
      if (!isRowId(id)) return false
      return keepingAnAdmin(async (trx) => (await trx(table).where({ id }).delete()) > 0)
    },

    async passwordHash(username) {
      if (username.includes('\0')) return undefined
      const row = await knex(table)
        .whereRaw('lower(username) = lower(?)', [username])
        .first<(AdminRow & { password_hash: string }) | undefined>(...columns, 'password_hash')
      return row && { admin: rowToAdmin(row), passwordHash: row.password_hash }
    },
  }
}
