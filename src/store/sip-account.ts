import type { AccountType, SecurityModel, SipAccount } from './types.js'

/** The columns of a SipAccount, of `accounts a`. */
export const sipAccountColumns =
  'a.id, a.group_id, a.username, a.virtual_number, a.display_name, a.enabled, a.type, a.security_model, a.deny, a.permit'

export interface SipAccountRow {
  id: number
  group_id: number
  username: string
  virtual_number: string
  display_name: string | null
  enabled: boolean
  type: AccountType
  security_model: SecurityModel
  deny: string[]
  permit: string[]
}

export function rowToSipAccount(row: SipAccountRow): SipAccount {
  return {
    id: row.id,
    groupId: row.group_id,
    username: row.username,
    virtualNumber: row.virtual_number,
    displayName: row.display_name,
    enabled: row.enabled,
    type: row.type,
    securityModel: row.security_model,
    deny: row.deny,
    permit: row.permit,
  }
}
