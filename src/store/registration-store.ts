import type { Knex } from 'knex'
import { channel } from './change-feed.js'
import type { ChangeFeed } from './change-feed.js'
import { isRowId, readPage, whereContains } from './paging.js'
import { registrationColumns, rowToRegistration } from './registration-row.js'
import type { RegistrationRow } from './registration-row.js'
import type { Registration, RegistrationListItem, RegistrationStore } from './types.js'

/** Most expired rows removed in one transaction, so that none holds many accounts' locks for long. */
const sweepSize = 500

interface ListRow extends RegistrationRow {
  username: string
  virtual_number: string
  display_name: string | null
  group_id: number
  group_name: string
}

const searched = ['a.username', 'a.virtual_number', 'a.display_name', 'r.source', 'r.user_agent']

function rowToListItem(row: ListRow): RegistrationListItem {
  return {
    ...rowToRegistration(row),
    username: row.username,
    virtualNumber: row.virtual_number,
    displayName: row.display_name,
    groupId: row.group_id,
    groupName: row.group_name,
  }
}

/**
 * Registrations as administration sees them. Whoever writes a row, here or in registration-writer.ts, holds the lock
 * of its account: so the writer can rely on what it has read. `now`: milliseconds.
 */
export function createRegistrationStore(
  knex: Knex,
  feed: ChangeFeed,
  now: () => number,
  onExpired: (expired: readonly Registration[]) => void,
): Omit<RegistrationStore, 'apply' | 'onExpired'> {
  const time = () => new Date(now()).toISOString()

  /** Deletes an account's rows that match, under its lock. */
  async function deleteOf(accountId: number, matching: Record<string, unknown>): Promise<boolean> {
    try {
      const deleted = await knex.transaction(async (trx) => {
        await trx('accounts').where({ id: accountId }).forNoKeyUpdate().select('id')
        const count = await trx('registrations')
          .where({ account_id: accountId, ...matching })
          .delete()
        if (count > 0) {
          for (const payload of feed.payloads({ kind: 'bindings', ids: [accountId] })) {
            await trx.raw('select pg_notify(?, ?)', [channel, payload])
          }
        }
        return count > 0
      })
      if (deleted) feed.announce({ kind: 'bindings', ids: [accountId] })
      return deleted
    } catch (error) {
      feed.announceUncertain({ kind: 'bindings', ids: [accountId] })
      throw error
    }
  }

  return {
    async list(query) {
      const rows = knex('registrations as r')
        .join('accounts as a', 'a.id', 'r.account_id')
        .join('groups as g', 'g.id', 'a.group_id')
        .where('r.expires_at', '>', time())
      if (query.accountId !== undefined) {
        void (isRowId(query.accountId) ? rows.where('r.account_id', query.accountId) : rows.whereRaw('false'))
      }
      whereContains(rows, searched, query.search)
      const columns = [
        ...registrationColumns.split(', '),
        'a.username',
        'a.virtual_number',
        'a.display_name',
        'a.group_id',
        'g.name as group_name',
      ]
      return readPage(rows, columns, 'r.id', query, rowToListItem)
    },

    async delete(id) {
      if (!Number.isSafeInteger(id)) return false
      const row = await knex('registrations')
        .where({ id })
        .first<{ account_id: number } | undefined>('account_id')
      return row ? deleteOf(row.account_id, { id }) : false
    },

    async deleteDead(accountId, contact, callId, cseq) {
      return isRowId(accountId) ? deleteOf(accountId, { contact, call_id: callId, cseq }) : false
    },

    async deleteExpired() {
      let total = 0
      for (;;) {
        const until = time()
        const deleted = await knex.transaction(async (trx): Promise<RegistrationRow[]> => {
          const expired = await trx('registrations')
            .where('expires_at', '<=', until)
            .limit(sweepSize)
            .select<{ id: number; account_id: number }[]>('id', 'account_id')
          if (expired.length === 0) return []
          await trx('accounts')
            .whereIn('id', [...new Set(expired.map((row) => row.account_id))])
            .orderBy('id')
            .forNoKeyUpdate()
            .select('id')
          // Asked again under the locks: some may have been refreshed.
          const ids = expired.map((row) => row.id)
          return trx('registrations as r')
            .whereIn('r.id', ids)
            .where('r.expires_at', '<=', until)
            .delete(registrationColumns.split(', '))
        })
        if (deleted.length === 0) return total
        total += deleted.length
        onExpired(deleted.map(rowToRegistration))
      }
    },

    async count() {
      const rows = knex('registrations').where('expires_at', '>', time())
      const [row] = await rows.count<{ total: number }[]>({ total: '*' })
      return row?.total ?? 0
    },
  }
}
