import { pathToText } from './registration-row.js'
import type { Binding, Registration } from './types.js'

/** What has to be written so that an account's rows become its new bindings. */
export interface RegistrationDiff {
  deleted: number[]
  updated: Registration[]
  inserted: Binding[]
  unchanged: Registration[]
}

/**
 * Compares rows and new bindings by contact. A binding whose instance or reg-id changed becomes a new row, so that
 * an update never changes a key: two rows that swap theirs would meet half-way.
 */
export function diffRegistrations(
  rows: readonly Registration[],
  bindings: readonly Binding[],
): RegistrationDiff {
  const diff: RegistrationDiff = { deleted: [], updated: [], inserted: [], unchanged: [] }
  const kept = new Set<number>()
  for (const binding of bindings) {
    const row = rows.find(
      ({ contact, instance, regId }) =>
        contact === binding.contact && instance === binding.instance && regId === binding.regId,
    )
    if (!row) {
      diff.inserted.push(binding)
      continue
    }
    kept.add(row.id)
    if (isSame(row, binding)) diff.unchanged.push(row)
    else diff.updated.push({ ...binding, id: row.id, accountId: row.accountId })
  }
  for (const row of rows) if (!kept.has(row.id)) diff.deleted.push(row.id)
  return diff
}

function isSame(row: Registration, binding: Binding): boolean {
  return (
    row.expiresAt === binding.expiresAt &&
    row.cseq === binding.cseq &&
    row.callId === binding.callId &&
    row.source === binding.source &&
    row.transport === binding.transport &&
    row.receivedOn === binding.receivedOn &&
    row.q === binding.q &&
    row.userAgent === binding.userAgent &&
    row.node === binding.node &&
    row.createdAt === binding.createdAt &&
    pathToText(row.path) === pathToText(binding.path)
  )
}
