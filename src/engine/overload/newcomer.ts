/** What the overload control looks at in a request, and when one that is turned away shall come back. */
import type { SipRequest } from '../message/sip-message.js'
import type { Flow } from '../transport/transport.js'
import type { Newcomer } from './overload.js'

/** Refused phones come back spread over this time, or they would all be back at once. Seconds. */
const retryAfter = { least: 5, most: 30 }

/** Undefined for what continues something that was let in before: CANCEL, PRACK, requests inside dialogs. */
export function newcomer(request: SipRequest, flow: Flow): Newcomer | undefined {
  const { method } = request
  if (method === 'CANCEL' || method === 'PRACK') return undefined
  if (request.toTag !== undefined && method !== 'REGISTER') return undefined
  return {
    method,
    callId: request.callId,
    hasCredentials: hasCredentials(request),
    emergency: request.uri.startsWith('urn:service:sos'),
    address: flow.remoteAddress,
  }
}

export function hasCredentials(request: SipRequest): boolean {
  return request.headers.some(({ name }) => name === 'authorization' || name === 'proxy-authorization')
}

/** A value for Retry-After, s. */
export function comeBack(random: () => number): string {
  const { least, most } = retryAfter
  return String(least + Math.floor(random() * (most - least + 1)))
}
