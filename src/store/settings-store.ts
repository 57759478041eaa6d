import type { Knex } from 'knex'
import type { SettingsStore } from './types.js'

const table = 'settings'

export function createSettingsStore(knex: Knex): SettingsStore {
  async function get(key: string): Promise<string | undefined> {
    const row = await knex(table).where({ key }).first<{ value: string } | undefined>('value')
    return row?.value
  }

  return {
    get,

    async set(key, value) {
      await knex(table).insert({ key, value }).onConflict('key').merge({ value, updated_at: knex.fn.now() })
    },

    async getOrCreate(key, make) {
      const stored = await get(key)
      if (stored !== undefined) return stored
      const value = make()
      await knex(table).insert({ key, value }).onConflict('key').ignore()
      // Another node may have been first: what is stored counts.
      return (await get(key)) ?? value
    },
  }
}
