/** The step of the chain that asks who sent a request, and keeps count and log of those that are not let in. */
import type { Authentication, Authenticator } from './authenticate.js'
import type { Context, Step } from './context.js'
import { pairKey } from './guesses.js'
import type { SessionLog } from './session-log.js'
import { createSparseLines } from './sparse-log.js'
import type { SipStats } from './stats.js'
import type { SteadyRefusals } from './steady-refusals.js'

type Refused = Extract<Authentication, { verdict: 'refused' }>

/** A username is as long as its sender likes. */
const MAX_LOGGED = 64

export interface AuthenticateStepOptions {
  authenticator: Authenticator
  refusals: SteadyRefusals<Authentication>
  stats: SipStats
  now: () => number
  sessionLog: SessionLog | undefined
}

/** 401 by the registrar, 407 by the proxy (RFC 3261 §22.2, §22.3). */
export function authenticate({
  authenticator,
  refusals,
  stats,
  now,
  sessionLog,
}: AuthenticateStepOptions): Step {
  const failures = createSparseLines({ now })
  const guessing = createSparseLines({ now })

  function note(context: Context, refused: Refused): void {
    const { address } = context.request.source
    stats.authFailures++
    if (refused.guessing === 'goes on') stats.authBlocked++
    const { why } = refused
    const username = refused.username.slice(0, MAX_LOGGED)
    sessionLog?.authFailed(context.request, username, why)
    const pair = pairKey(address, username)
    const failure = failures.due(pair)
    if (failure) context.log.info({ username, why, ...failure }, 'authentication failed')
    const closed = refused.guessing === 'begun' ? guessing.due(pair) : undefined
    if (closed)
      context.log.warn(
        { username, address, ...closed },
        'too many wrong answers: this address is not let in with this username for a minute',
      )
  }

  return async (context) => {
    const { request } = context
    const registering = request.method === 'REGISTER'
    const result = await refusals.hold(
      () =>
        authenticator.authenticate({
          method: request.method,
          uri: request.uri,
          credentials: request.header(registering ? 'authorization' : 'proxy-authorization'),
          userAgent: request.header('user-agent'),
          address: request.source.address,
        }),
      ({ verdict }) => verdict === 'refused',
    )
    switch (result.verdict) {
      case 'ok':
        context.account = result.account
        if (result.nextNonce !== undefined) context.nextNonce = result.nextNonce
        return 'continue'
      case 'challenge': {
        stats.challenges++
        const name = registering ? 'WWW-Authenticate' : 'Proxy-Authenticate'
        return { status: registering ? 401 : 407, headers: { [name]: result.challenges } }
      }
      case 'malformed':
        return { status: 400, reason: result.reason }
      case 'refused':
        note(context, result)
        return result.reason === undefined ? { status: 403 } : { status: 403, reason: result.reason }
    }
  }
}
