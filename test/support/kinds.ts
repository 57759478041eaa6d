import { findInstalled, type ServerKind } from './postgres.js'

/** A server that the tests start, or the one at TEST_DATABASE_URL. */
export type DatabaseKind = ServerKind | 'url'

/** The kinds of database that this machine has. With CI=true a missing one is an error, not a gap. */
export const databaseKinds: readonly DatabaseKind[] = [
  'embedded',
  ...(findInstalled() || process.env['CI'] === 'true' ? (['installed'] as const) : []),
  ...(process.env['TEST_DATABASE_URL'] ? (['url'] as const) : []),
]
