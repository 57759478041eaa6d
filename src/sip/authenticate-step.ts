/** The step of the chain that asks who sent a request, and keeps count and log of those that are not let in. */
import type { Authentication, Authenticator } from './authenticate.js'
import type { Step } from './context.js'
import type { SipStats } from './stats.js'
import type { SteadyRefusals } from './steady-refusals.js'

/** 401 by the registrar, 407 by the proxy (RFC 3261 §22.2, §22.3). */
export function authenticate(
  authenticator: Authenticator,
  refusals: SteadyRefusals<Authentication>,
  stats: SipStats,
): Step {
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
        stats.authFailures++
        context.log.info({ username: result.username, why: result.why }, 'authentication failed')
        return result.reason === undefined ? { status: 403 } : { status: 403, reason: result.reason }
    }
  }
}
