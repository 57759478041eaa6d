import type { Knex } from 'knex'
import * as groupsAndAccounts from './0001-groups-and-accounts.js'
import * as registrations from './0002-registrations.js'
import * as administration from './0003-administration.js'
import * as receivedOn from './0004-received-on.js'
import * as calls from './0005-calls.js'
import * as sipEvents from './0006-sip-events.js'

export interface NamedMigration extends Knex.Migration {
  name: string
}

/**
 * Every migration in the order in which it is applied. Append only: one that has shipped is never edited, renamed or
 * moved, since databases remember it by its name.
 */
export const migrations: readonly NamedMigration[] = [
  { name: '0001-groups-and-accounts', ...groupsAndAccounts },
  { name: '0002-registrations', ...registrations },
  { name: '0003-administration', ...administration },
  { name: '0004-received-on', ...receivedOn },
  { name: '0005-calls', ...calls },
  { name: '0006-sip-events', ...sipEvents },
]
