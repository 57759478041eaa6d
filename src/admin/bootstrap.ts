/** What a fresh installation needs before anybody can sign in. */
import type { Config } from '../config.js'
import { StoreError } from '../store/errors.js'
import type { Store } from '../store/types.js'
import { hashPassword } from './passwords.js'
import { hashOf, readablePassword } from './secrets.js'

export const FIRST_ADMIN = 'admin'
/** The token that the setting of this name stands for; nobody else may use the name. */
export const CONFIGURED_TOKEN = 'ADMIN_API_TOKEN'

/**
 * Creates the administrator `admin` if there is no administrator at all, with ADMIN_PASSWORD or a generated password,
 * which is returned to be shown once. An ADMIN_PASSWORD that is set later changes nothing: the password in use may
 * have been changed by its owner. Safe on two nodes at once.
 */
export async function ensureFirstAdmin(
  store: Store,
  config: Config,
): Promise<{ generatedPassword?: string }> {
  if ((await store.admins.list()).length > 0) return {}
  const password = config.adminPassword ?? readablePassword()
  try {
    await store.admins.create({
      username: FIRST_ADMIN,
      passwordHash: await hashPassword(password),
      role: 'admin',
    })
  } catch (error) {
    if (error instanceof StoreError && error.code === 'admin_name_taken') return {}
    throw error
  }
  return config.adminPassword === undefined ? { generatedPassword: password } : {}
}

/**
 * Makes the token of ADMIN_API_TOKEN valid, with the role `admin`; a changed setting replaces the token. Without the
 * setting nothing is touched: the token stays until it is deleted. Safe on two nodes at once.
 */
export async function ensureConfiguredToken(store: Store, config: Config): Promise<void> {
  if (config.adminApiToken === undefined) return
  const tokenHash = hashOf(config.adminApiToken)
  const known = await store.admins.token(tokenHash)
  if (known?.name === CONFIGURED_TOKEN) return
  for (const token of await store.admins.tokens()) {
    // The same secret may have been made as a token of another name before; it becomes this one.
    if (token.name === CONFIGURED_TOKEN || token.id === known?.id) await store.admins.deleteToken(token.id)
  }
  try {
    await store.admins.createToken({ name: CONFIGURED_TOKEN, tokenHash, role: 'admin', expiresAt: null })
  } catch (error) {
    // Another node with the same setting was quicker.
    if (!(error instanceof StoreError && error.code === 'token_name_taken')) throw error
  }
}
