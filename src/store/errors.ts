/** Errors of the domain that the store can report. Constraint names map to these; see constraints.ts. */

export type StoreErrorCode =
  | 'username_taken'
  | 'number_taken'
  | 'group_name_taken'
  | 'admin_name_taken'
  | 'token_name_taken'
  | 'group_not_found'
  | 'group_not_empty'
  | 'last_admin'
  | 'invalid_cursor'

export class StoreError extends Error {
  override readonly name = 'StoreError'
  constructor(
    readonly code: StoreErrorCode,
    message: string,
    /** Numbers that a message to the user needs, such as how many accounts are in the group. */
    readonly details: { count?: number } = {},
  ) {
    super(message)
  }
}

/** The database was written by a newer version of Privateline: this one must not touch it. */
export class DatabaseTooNewError extends Error {
  override readonly name = 'DatabaseTooNewError'
}
