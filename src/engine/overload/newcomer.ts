/** What the overload control looks at in a request, and the answer to one that is turned away. */
import { responseTo } from '../message/response.js'
import type { SipRequest, SipResponse } from '../message/sip-message.js'
import { statelessTag } from '../message/tokens.js'
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

/** @param key names the transaction: copies of the request get the same To tag (RFC 3261 §8.2.7) */
export function refusal(request: SipRequest, key: string, random: () => number): SipResponse {
  const { least, most } = retryAfter
  const seconds = least + Math.floor(random() * (most - least + 1))
  return responseTo(request, 503, undefined, {
    toTag: statelessTag(key),
    headers: [['Retry-After', String(seconds)]],
  })
}
