/** An application that lets its edge proxy, and calls to it. */
import { invite } from './call.js'
import { contactOf } from './callee.js'
import { deferred } from './deferred.js'
import type { Edge } from './edges.js'
import type { Phone } from './phone.js'
import type { RequestOptions } from './sip-text.js'
import type { App, Handler, ProxyOptions, ProxyResult } from './srf.js'

/** An application that proxies INVITEs and MESSAGEs to these destinations. */
export async function proxyTo(
  edge: Edge,
  destination: string | string[] | undefined,
  options: ProxyOptions = {},
): Promise<{ app: App; result: Promise<ProxyResult> }> {
  const outcome = deferred<ProxyResult>()
  const app = await edge.application((app) => {
    const proxy: Handler = (req) => {
      app.proxyRequest(req, destination, options).then(outcome.resolve, outcome.reject)
    }
    app.invite(proxy)
    app.message(proxy)
  })
  return { app, result: outcome.promise }
}

/** The phone's INVITE to an address of the edge, which both edges replace by the target's. */
export function call(edge: Edge, phone: Phone, more: Partial<RequestOptions> = {}): string {
  const text = invite(phone, {
    uri: `sip:222@127.0.0.1:${edge.port('udp')}`,
    contact: contactOf(phone),
    ...more,
  })
  phone.send(text)
  return text
}
