/** Who sent a request: digest credentials against the accounts (RFC 3261 §22, RFC 7616, RFC 8760). */
import type { DigestAlgorithm } from '../config.js'
import type { SipAccount, SipDirectory } from '../store/types.js'
import {
  challenges,
  digestResponse,
  hash,
  parseCredentials,
  sameResponse,
  type DigestCredentials,
} from './digest.js'
import type { Guesses } from './guesses.js'
import { algorithmsFor } from './legacy-phones.js'
import type { Nonces } from './nonce.js'
import type { NonceCounts } from './nonce-counts.js'
import { parseSipUri, unescape } from './sip-uri.js'

export interface AuthenticationRequest {
  method: string
  /** Request-URI. */
  uri: string
  /** Authorization or Proxy-Authorization, all of them in one text. */
  credentials: string | undefined
  userAgent?: string | undefined
  /** IP address that it came from. */
  address: string
}

export type Authentication =
  | {
      verdict: 'ok'
      account: SipAccount
      /** Present if the client would do well to use a younger nonce from now on (RFC 7616 §3.5). */
      nextNonce?: string
    }
  /** Values of the WWW-Authenticate or Proxy-Authenticate headers. */
  | { verdict: 'challenge'; challenges: string[] }
  | { verdict: 'malformed'; reason: string }
  /** Unknown user, wrong password, too many of these, or an account that was disabled: `why` is for the log alone. */
  | { verdict: 'refused'; why: string; username: string; reason?: string; guessing?: 'begun' | 'goes on' }

export interface Authenticator {
  authenticate(request: AuthenticationRequest): Promise<Authentication>
}

export function createAuthenticator(options: {
  directory: Pick<SipDirectory, 'credential'>
  nonces: Nonces
  counts: NonceCounts
  guesses: Guesses
  realm: string
  algorithms: readonly DigestAlgorithm[]
  nonceLifetimeSeconds: number
  isLocal: (host: string, port: number | null) => boolean
}): Authenticator {
  const { directory, nonces, counts, guesses, realm, algorithms, isLocal } = options
  /** Unknown users are checked against these, so that they take as long as known ones. */
  const nobody = { ha1Md5: hash('MD5', realm), ha1Sha256: hash('SHA-256', realm) }

  return {
    async authenticate({ method, uri, credentials, userAgent, address }) {
      const challenge = (stale: boolean): Authentication => ({
        verdict: 'challenge',
        challenges: challenges(realm, nonces.issue(), algorithmsFor(userAgent, algorithms), stale),
      })
      if (credentials === undefined) return challenge(false)
      const all = parseCredentials(credentials)
      if (!all) return { verdict: 'malformed', reason: 'Malformed Credentials' }
      // Credentials for other realms are for other servers on the way (§22.3).
      const ours = all.find(
        (one) => one.realm === realm && one.algorithm !== undefined && algorithms.includes(one.algorithm),
      )
      if (!ours?.algorithm) return challenge(false)
      if (!namesTarget(ours.uri, uri, isLocal))
        return { verdict: 'malformed', reason: 'Credentials Are for Another URI' }
      const nonce = nonces.check(ours.nonce)
      if (typeof nonce === 'string') return challenge(nonce === 'stale')

      const { username } = ours
      const closed: Authentication = {
        verdict: 'refused',
        username,
        why: 'too many wrong answers',
        guessing: 'goes on',
      }
      if (guesses.isClosed(address, username)) return closed
      const credential = await directory.credential(username)
      // Many may have been looked up at the same time, and all but some of them have guessed enough by now.
      if (guesses.isClosed(address, username)) return closed
      const hashes = credential ?? nobody
      const ha1 = ours.algorithm === 'MD5' ? hashes.ha1Md5 : hashes.ha1Sha256
      const right = sameResponse(digestResponse(ours.algorithm, ha1, method, ours), ours.response)
      // The nonce was ours and fresh, so this is no misunderstanding: another challenge would be asked for ever.
      if (!credential || !right) {
        const why = credential ? 'wrong password' : 'unknown user'
        const refused = { verdict: 'refused', username, why } as const
        return guesses.wrong(address, username) ? { ...refused, guessing: 'begun' } : refused
      }
      if (!isFirstUse(ours, nonce.serial)) return challenge(true)
      if (!credential.account.enabled)
        return { verdict: 'refused', username, why: 'account disabled', reason: 'Account Disabled' }
      const { account } = credential
      const ageing = nonce.ageSeconds > options.nonceLifetimeSeconds / 2
      return ageing ? { verdict: 'ok', account, nextNonce: nonces.issue() } : { verdict: 'ok', account }
    },
  }

  function isFirstUse({ qop }: DigestCredentials, serial: number): boolean {
    return qop ? counts.use(serial, qop.count) : counts.useOnce(serial)
  }
}

/**
 * Whether the `uri` that the client signed belongs to this request: the target itself, or its domain. SIPp and some
 * phones sign the domain, others leave parameters out (RFC 7616 §3.4.6 asks for equivalence, not for equal text).
 */
export function namesTarget(
  signed: string,
  target: string,
  isLocal: (host: string, port: number | null) => boolean,
): boolean {
  if (signed === target) return true
  const a = parseSipUri(/^sips?:/i.test(signed) ? signed : `sip:${signed}`)
  const b = parseSipUri(target)
  if (!a) return false
  if (a.user !== null && (!b || b.user === null || unescape(a.user) !== unescape(b.user))) return false
  return a.host === b?.host || isLocal(a.host, a.port)
}
