import pg from 'pg'
import { StoreError } from './errors.js'
import type { StoreErrorCode } from './errors.js'

/** What a broken constraint means to the user. A constraint that isn't here points to a defect of ours. */
const meanings: Record<string, { code: StoreErrorCode; message: string }> = {
  groups_name_unique: { code: 'group_name_taken', message: 'There is already a group of this name.' },
  accounts_username_unique: { code: 'username_taken', message: 'This username is already in use.' },
  credentials_digest_username_unique: {
    code: 'username_taken',
    message: 'This username is already in use.',
  },
  accounts_virtual_number_unique: {
    code: 'number_taken',
    message: 'This virtual phone number is already in use.',
  },
  accounts_group_id_fkey: { code: 'group_not_found', message: 'There is no such group.' },
  admins_username_unique: {
    code: 'admin_name_taken',
    message: 'There is already an administrator of this name.',
  },
  api_tokens_name_unique: { code: 'token_name_taken', message: 'There is already a token of this name.' },
}

/** The error of the domain that a database error stands for; any other error as it is. */
export function domainError(error: unknown): unknown {
  if (error instanceof pg.DatabaseError && error.constraint !== undefined) {
    const meaning = meanings[error.constraint]
    if (meaning) return new StoreError(meaning.code, meaning.message)
  }
  return error
}

/** Runs `work`; a broken constraint rejects with its StoreError. */
export async function withDomainErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw domainError(error)
  }
}

/** Whether trying the whole transaction again can help: deadlock or serialisation failure. */
export function isTransient(error: unknown): boolean {
  return error instanceof pg.DatabaseError && (error.code === '40P01' || error.code === '40001')
}
