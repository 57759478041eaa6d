import knexFactory from 'knex'
import type { Knex } from 'knex'
import type { Test } from 'tap'
import { migrate, migrationConfig } from '../../src/store/migrate.js'
import { migrations } from '../../src/store/migrations/list.js'
import { openStore } from '../../src/store/store.js'
import { onEveryDatabase, query, silent } from '../support/database.js'
import type { TestDatabase } from '../support/database.js'

const tables = `
  select table_name || '.' || column_name || ' ' || data_type as column from information_schema.columns
  where table_schema = 'public' union all
  select indexdef from pg_indexes where schemaname = 'public' order by 1`

function connect(t: Test, { connection }: TestDatabase): Knex {
  const knex = knexFactory({ client: 'pg', connection: connection as Knex.PgConnectionConfig })
  t.teardown(() => knex.destroy())
  return knex
}

onEveryDatabase('down takes everything away, and up brings it back the same', async (t, database) => {
  const knex = connect(t, database)
  const before = await query(database.connection, tables)
  await knex.migrate.rollback(migrationConfig(), true)
  const own = `select count(*)::integer as count from pg_tables where schemaname = 'public' and tablename not like 'knex%'`
  t.same(await query(database.connection, own), [{ count: 0 }])
  await migrate(knex, database.connection)
  t.same(await query(database.connection, tables), before)
})

onEveryDatabase('nodes that migrate at once do not disturb each other', async (t, database) => {
  const knex = connect(t, database)
  await knex.raw('drop schema public cascade; create schema public')
  const stores = await Promise.all(
    ['a', 'b', 'c'].map((node) => openStore({ connection: database.connection, node, log: silent })),
  )
  await Promise.all(stores.map((store) => store.close()))
  t.same(
    await knex('knex_migrations').orderBy('id').pluck<string[]>('name'),
    migrations.map(({ name }) => name),
  )
})

onEveryDatabase('a migration whose node was killed does not lock the others out', async (t, database) => {
  const knex = connect(t, database)
  await knex.migrate.down(migrationConfig())
  await knex('knex_migrations_lock').update({ is_locked: 1 })
  await migrate(knex, database.connection)
  t.equal((await knex('knex_migrations')).length, migrations.length)
})

onEveryDatabase('a database of a newer version is refused and left alone', async (t, database) => {
  const knex = connect(t, database)
  await knex.migrate.down(migrationConfig())
  await knex('knex_migrations').insert({ name: '9999-from-the-future', batch: 9, migration_time: new Date() })
  const before = await query(database.connection, tables)
  await t.rejects(openStore({ connection: database.connection, node: 'a', log: silent }), {
    name: 'DatabaseTooNewError',
    message: /newer version of Privateline.*9999-from-the-future/,
  })
  t.same(await query(database.connection, tables), before)
})

onEveryDatabase('a database that cannot be reached rejects, and leaves nothing open', async (t) => {
  await t.rejects(
    openStore({ connection: { host: '/nonexistent', user: 'x', database: 'x' }, node: 'a', log: silent }),
  )
})
