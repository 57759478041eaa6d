import type { Knex } from 'knex'
import type { ChangeFeed } from './change-feed.js'
import { withDomainErrors } from './constraints.js'
import { StoreError } from './errors.js'
import { isRowId, readPage, whereContains } from './paging.js'
import { presentValues } from './present-values.js'
import type { Group, GroupPatch, GroupStore } from './types.js'

const table = 'groups'

interface GroupRow {
  id: number
  name: string
  it_email: string | null
  it_contact: string | null
  it_phone: string | null
  description: string | null
  account_count: number
  created_at: number
  updated_at: number
}

const columns = [
  'groups.id',
  'groups.name',
  'groups.it_email',
  'groups.it_contact',
  'groups.it_phone',
  'groups.description',
  'groups.created_at',
  'groups.updated_at',
]
const searched = ['groups.name', 'groups.it_email', 'groups.it_contact', 'groups.description']

function rowToGroup(row: GroupRow): Group {
  return {
    id: row.id,
    name: row.name,
    itEmail: row.it_email,
    itContact: row.it_contact,
    itPhone: row.it_phone,
    description: row.description,
    accountCount: row.account_count,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

const patchToRow = (patch: GroupPatch) =>
  presentValues({
    name: patch.name,
    it_email: patch.itEmail,
    it_contact: patch.itContact,
    it_phone: patch.itPhone,
    description: patch.description,
  })

export function createGroupStore(knex: Knex, feed: ChangeFeed): GroupStore {
  const accountCount = knex.raw(
    '(select count(*) from accounts where accounts.group_id = groups.id) as account_count',
  )

  async function get(id: number): Promise<Group | undefined> {
    if (!isRowId(id)) return undefined
    const row = await knex(table)
      .where({ id })
      .first<GroupRow | undefined>(...columns, accountCount)
    return row && rowToGroup(row)
  }

  return {
    get,

    async create(group) {
      const [row] = await withDomainErrors(() =>
        knex(table).insert(patchToRow(group)).returning<GroupRow[]>(columns),
      )
      return rowToGroup({ ...(row as GroupRow), account_count: 0 })
    },

    async list(query) {
      const rows = knex(table)
      whereContains(rows, searched, query.search)
      return readPage(rows, [...columns, accountCount], 'groups.id', query, rowToGroup)
    },

    async update(id, patch) {
      if (!isRowId(id)) return undefined
      await withDomainErrors(() =>
        knex(table)
          .where({ id })
          .update({ ...patchToRow(patch), updated_at: knex.fn.now() }),
      )
      return get(id)
    },

    async delete(id, { cascade }) {
      if (!isRowId(id)) return undefined
      return feed.transaction(async (trx, touched) => {
        // Holds off new accounts: their foreign key has to share this row.
        const group = await trx(table).where({ id }).forUpdate().first<{ id: number } | undefined>('id')
        if (!group) return undefined
        // In id order, as every transaction that locks several accounts, so that none waits for the other in a ring.
        const accounts = await trx('accounts')
          .where({ group_id: id })
          .orderBy('id')
          .forUpdate()
          .pluck<number[]>('id')
        if (accounts.length > 0 && !cascade) {
          throw new StoreError('group_not_empty', 'There are accounts in this group.', {
            count: accounts.length,
          })
        }
        await trx(table).where({ id }).delete()
        accounts.forEach((account) => touched.add(account))
        return { accounts: accounts.length }
      })
    },
  }
}
