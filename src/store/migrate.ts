import type { Knex } from 'knex'
import pg from 'pg'
import type { ConnectionConfig } from './connection.js'
import { DatabaseTooNewError } from './errors.js'
import { migrations } from './migrations/list.js'
import type { NamedMigration } from './migrations/list.js'

/** PostgreSQL's lock under which one node at a time migrates. The number is arbitrary, and ours for ever. */
const migrationLock = 5_061_001

const oldestServer = 140_000

/** What knex.migrate needs to run this list instead of the files of a folder. */
export function migrationConfig(list: readonly NamedMigration[] = migrations): Knex.MigratorConfig {
  return {
    migrationSource: {
      getMigrations: async () => [...list],
      getMigrationName: (migration: NamedMigration) => migration.name,
      getMigration: async (migration: NamedMigration) => migration,
    },
  }
}

async function appliedMigrations(knex: Knex): Promise<string[]> {
  if (!(await knex.schema.hasTable('knex_migrations'))) return []
  return knex('knex_migrations').orderBy('id').pluck<string[]>('name')
}

/** Rejects unless this PostgreSQL can hold our tables. */
async function checkServer(knex: Knex): Promise<void> {
  const answer = await knex.raw<{ rows: [{ version: number; name: string; encoding: string }] }>(`
    select current_setting('server_version_num')::integer as version,
      current_setting('server_version') as name, current_setting('server_encoding') as encoding`)
  const { version, name, encoding } = answer.rows[0]
  if (version < oldestServer)
    throw new Error(`DATABASE_URL: PostgreSQL ${name} is too old; 14 or newer is needed`)
  if (encoding !== 'UTF8')
    throw new Error(`DATABASE_URL: the database's encoding is ${encoding}; it has to be UTF8`)
}

/**
 * Brings the database to the newest schema; safe with several nodes at once and after a node died in the middle.
 * Rejects with DatabaseTooNewError, without touching anything, if a newer version of Privateline was here.
 */
export async function migrate(knex: Knex, config: ConnectionConfig): Promise<void> {
  await checkServer(knex)
  if (await isCurrent(knex)) return
  // knex guards a migration by a row that a killed process leaves behind for ever. This lock ends with its
  // connection; whoever holds it knows that a row found there is such a left-over.
  const guard = new pg.Client(config)
  guard.on('error', () => {}) // The connection died: the lock is free, and knex's own connections report the cause.
  await guard.connect()
  try {
    await guard.query('select pg_advisory_lock($1)', [migrationLock])
    if (await isCurrent(knex)) return
    if (await knex.schema.hasTable('knex_migrations_lock')) {
      await knex.migrate.forceFreeMigrationsLock(migrationConfig())
    }
    await knex.migrate.latest(migrationConfig())
  } finally {
    await guard.end()
  }
}

async function isCurrent(knex: Knex): Promise<boolean> {
  const applied = await appliedMigrations(knex)
  const known = new Set(migrations.map(({ name }) => name))
  const unknown = applied.filter((name) => !known.has(name))
  if (unknown.length > 0) {
    throw new DatabaseTooNewError(
      `the database was written by a newer version of Privateline (it has ${unknown.join(', ')}); ` +
        'start that version, or restore a backup made before the upgrade',
    )
  }
  return applied.length === known.size
}
