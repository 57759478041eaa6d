import type { Knex } from 'knex'

/**
 * Which listener a phone has registered at, as `host:port` by which phones know it: calls go out there, where there are
 * several. Null for registrations that are older than this column.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw('alter table registrations add column received_on text')
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('alter table registrations drop column received_on')
}
