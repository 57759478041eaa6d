import { randomInt } from 'node:crypto'
import type { Knex } from 'knex'
import type { ChangeFeed } from './change-feed.js'
import { isRowId, readPage, whereContains } from './paging.js'
import { presentValues } from './present-values.js'
import type { Account, AccountPatch, AccountStore, AccountType, NewAccount, SecurityModel } from './types.js'

const table = 'accounts'

interface AccountRow {
  id: number
  group_id: number
  username: string
  virtual_number: string
  display_name: string | null
  email: string | null
  mobile: string | null
  description: string | null
  visible: boolean
  type: AccountType
  security_model: SecurityModel
  enabled: boolean
  mac: string | null
  deny: string[]
  permit: string[]
  created_at: number
  updated_at: number
}

const columns = [
  'id',
  'group_id',
  'username',
  'virtual_number',
  'display_name',
  'email',
  'mobile',
  'description',
  'visible',
  'type',
  'security_model',
  'enabled',
  'mac',
  'deny',
  'permit',
  'created_at',
  'updated_at',
]
const searched = ['username', 'virtual_number', 'display_name', 'email', 'mobile']

function rowToAccount(row: AccountRow): Account {
  return {
    id: row.id,
    groupId: row.group_id,
    username: row.username,
    virtualNumber: row.virtual_number,
    displayName: row.display_name,
    email: row.email,
    mobile: row.mobile,
    description: row.description,
    visible: row.visible,
    type: row.type,
    securityModel: row.security_model,
    enabled: row.enabled,
    mac: row.mac,
    deny: row.deny,
    permit: row.permit,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

const patchToRow = (patch: AccountPatch) =>
  presentValues({
    group_id: patch.groupId,
    username: patch.username,
    virtual_number: patch.virtualNumber,
    display_name: patch.displayName,
    email: patch.email,
    mobile: patch.mobile,
    description: patch.description,
    visible: patch.visible,
    type: patch.type,
    security_model: patch.securityModel,
    enabled: patch.enabled,
    mac: patch.mac,
    deny: patch.deny,
    permit: patch.permit,
  })

const credentialRow = (username: string, { hashes }: Pick<NewAccount, 'hashes'>) => ({
  digest_username: username,
  ha1_md5: hashes.ha1Md5,
  ha1_sha256: hashes.ha1Sha256,
})

export function createAccountStore(knex: Knex, feed: ChangeFeed): AccountStore {
  return {
    async create(groupId, account) {
      return feed.transaction(async (trx, touched) => {
        const [row] = await trx(table)
          .insert(patchToRow({ ...account, groupId }))
          .returning<AccountRow[]>(columns)
        const created = rowToAccount(row as AccountRow)
        await trx('credentials').insert({
          account_id: created.id,
          kind: 'password',
          ...credentialRow(created.username, account),
        })
        touched.add(created.id)
        return created
      })
    },

    async get(id) {
      if (!isRowId(id)) return undefined
      const row = await knex(table)
        .where({ id })
        .first<AccountRow | undefined>(...columns)
      return row && rowToAccount(row)
    },

    async list(query) {
      const rows = knex(table)
      if (query.groupId !== undefined) {
        void (isRowId(query.groupId) ? rows.where({ group_id: query.groupId }) : rows.whereRaw('false'))
      }
      whereContains(rows, searched, query.search)
      return readPage(rows, columns, 'id', query, rowToAccount)
    },

    async update(id, patch) {
      if (!isRowId(id)) return undefined
      return feed.transaction(async (trx, touched) => {
        // Registrations of the account wait here, and see what comes of it.
        const before = await trx(table)
          .where({ id })
          .forUpdate()
          .first<Pick<AccountRow, 'username'> | undefined>('username')
        if (!before) return undefined
        const renamed = patch.username !== undefined && patch.username !== before.username
        if (renamed && !patch.hashes)
          throw new TypeError('a changed username needs new hashes: they contain it')
        const [row] = await trx(table)
          .where({ id })
          .update({ ...patchToRow(patch), updated_at: trx.fn.now() })
          .returning<AccountRow[]>(columns)
        const account = rowToAccount(row as AccountRow)
        if (patch.hashes) {
          await trx('credentials')
            .where({ account_id: id, kind: 'password' })
            .update(credentialRow(account.username, { hashes: patch.hashes }))
        }
        if (patch.hashes || patch.enabled === false) {
          await trx('registrations').where({ account_id: id }).delete()
        }
        touched.add(id)
        return account
      })
    },

    async delete(id) {
      if (!isRowId(id)) return false
      return feed.transaction(async (trx, touched) => {
        const deleted = await trx(table).where({ id }).delete()
        if (deleted > 0) touched.add(id)
        return deleted > 0
      })
    },

    async suggestUsername() {
      // Eight digits for a person to type; nearly always the first is free. Only the constraint decides in the end.
      for (;;) {
        const candidates = Array.from({ length: 8 }, () => String(randomInt(10_000_000, 100_000_000)))
        const taken = await knex('credentials')
          .whereIn('digest_username', candidates)
          .pluck<string[]>('digest_username')
        const free = candidates.find((candidate) => !taken.includes(candidate))
        if (free !== undefined) return free
      }
    },
  }
}
