/** From what an administrator sends to what the store keeps of an account: the rules that go beyond one field. Pure. */
import type { Account, AccountPatch, NewAccount } from '../store/types.js'
import { digestHashes } from './digest-hashes.js'
import { invalidInput, type FieldError } from './problems.js'
import type { AccountPatchBody, NewAccountBody } from './schemas/account.js'

/** Throws `invalid_input` if the fields do not fit together. */
export function newAccount(body: NewAccountBody, username: string, realm: string): NewAccount {
  const { password, mac, deny, permit, ...rest } = body
  refuseIf(deskPhoneErrors(body, body.type ?? 'softphone'))
  return {
    ...rest,
    ...deskPhoneFields({ mac, deny, permit }),
    username,
    hashes: digestHashes(username, realm, password),
  }
}

/**
 * The change to an account. The hashes contain the username, so the two are always written together: then a change of
 * both at the same moment by somebody else can not leave a pair that does not match.
 * Throws `invalid_input` if the fields do not fit together or not to the account.
 */
export function accountPatch(body: AccountPatchBody, account: Account, realm: string): AccountPatch {
  const { password, username = account.username, mac, deny, permit, ...rest } = body
  const type = body.type ?? account.type
  const errors = deskPhoneErrors(body, type)
  if (username !== account.username && password === undefined) {
    errors.push({
      field: 'password',
      message: 'is needed with a new username: what is stored of it contains the username',
    })
  }
  refuseIf(errors)
  return {
    ...rest,
    ...deskPhoneFields({ mac, deny, permit }),
    ...(type === 'softphone' && account.type === 'deskphone' ? { mac: null, deny: [], permit: [] } : {}),
    ...(password === undefined ? {} : { username, hashes: digestHashes(username, realm, password) }),
  }
}

interface DeskPhoneFields {
  mac?: string | null | undefined
  deny?: string[] | null | undefined
  permit?: string[] | null | undefined
}

function deskPhoneErrors(body: DeskPhoneFields, type: Account['type']): FieldError[] {
  if (type === 'deskphone') return []
  const given = { mac: body.mac, deny: body.deny?.length, permit: body.permit?.length }
  return Object.entries(given).flatMap(([field, value]) =>
    value ? [{ field, message: 'is for desk phones only; set type to deskphone' }] : [],
  )
}

function deskPhoneFields({ mac, deny, permit }: DeskPhoneFields): {
  mac?: string | null
  deny?: string[]
  permit?: string[]
} {
  return {
    ...(mac === undefined ? {} : { mac: mac && canonicalMac(mac) }),
    ...(deny === undefined ? {} : { deny: canonicalNetworks(deny) }),
    ...(permit === undefined ? {} : { permit: canonicalNetworks(permit) }),
  }
}

/** Any common notation of a MAC address (checked by the schema) as `aa:bb:cc:dd:ee:ff`. */
function canonicalMac(mac: string): string {
  const digits = mac.toLowerCase().replace(/[^0-9a-f]/g, '')
  return (digits.match(/../g) ?? []).join(':')
}

const canonicalNetworks = (networks: readonly string[] | null) => [
  ...new Set((networks ?? []).map((network) => network.toLowerCase())),
]

function refuseIf(errors: FieldError[]): void {
  if (errors.length > 0) throw invalidInput(errors)
}
