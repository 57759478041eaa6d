/** Who may do what: the only place that knows. What is not granted here is refused. */
import type { AdminRole } from '../store/types.js'

/**
 * What a route needs. `public` is for everybody, `signed-in` for every role; `directory` is groups, accounts,
 * registrations and what the logs tell of them, `administration` is administrators and tokens.
 */
export type Permission =
  | 'public'
  | 'signed-in'
  | 'directory:read'
  | 'directory:write'
  | 'administration:read'
  | 'administration:write'

const GRANTS: Readonly<Record<AdminRole, readonly Permission[]>> = {
  admin: ['signed-in', 'directory:read', 'directory:write', 'administration:read', 'administration:write'],
  operator: ['signed-in', 'directory:read', 'directory:write'],
  auditor: ['signed-in', 'directory:read', 'administration:read'],
}

export function mayUse(role: AdminRole, permission: Permission): boolean {
  return GRANTS[role].includes(permission)
}

export function rolesWith(permission: Permission): AdminRole[] {
  return (Object.keys(GRANTS) as AdminRole[]).filter((role) => mayUse(role, permission))
}
