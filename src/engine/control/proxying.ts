/** drachtio's `proxy` command: the application names the targets, the engine does the rest (RFC 3261 §16). */
import type { SipResponse } from '../message/sip-message.js'
import type { ProxyEnvironment } from '../proxy/client.js'
import type { Hop } from '../proxy/branch.js'
import { hasHopsLeft } from '../proxy/forward.js'
import { formsDialog } from '../proxy/record-route.js'
import { Search } from '../proxy/search.js'
import { parseTarget, type Target } from '../proxy/target.js'
import type { Incoming } from '../transaction/incoming.js'
import { parseAppMessage, parseDuration } from './app-message.js'
import { messageMeta, tlsCipher } from './meta.js'

/**
 * @param fields of the command, from the transaction id on
 * @param text the header fields to add
 * @param onStart the request has left the application's hands: no more of its responses are taken
 * @param answer sends an answer to the command: several `continue`, one `done`; or why it is not done
 */
export function proxyRequest(
  env: ProxyEnvironment,
  incoming: Incoming,
  fields: readonly string[],
  text: string,
  onStart: () => void,
  answer: (text: string) => void,
): void {
  const [, remain, , redirects, forking, provisional = '', final = '', ...targets] = fields
  const { request } = incoming
  if (!hasHopsLeft(request)) {
    incoming.reply(483)
    return answer('NOK|Rejected with 483 Too Many Hops due to Max-Forwards value of 0')
  }
  const destinations = targets.map(parseTarget).filter((target): target is Target => target !== undefined)
  if (destinations.length === 0) {
    incoming.reply(500)
    return answer(`NOK|error proxying request to ${targets[0] ?? ''}`)
  }
  onStart()
  // The application chose where it goes: a route that the caller wished for is not followed (no open relay).
  request.remove('route')
  const provisionalTimeoutMs = parseDuration(provisional)
  const finalTimeoutMs = parseDuration(final)
  /** Milliseconds since the epoch. */
  let rangAt: number | undefined
  const search = new Search(
    env,
    incoming,
    {
      simultaneous: forking === 'simultaneous',
      followRedirects: redirects === 'followRedirects',
      ...(provisionalTimeoutMs === undefined ? {} : { provisionalTimeoutMs }),
      ...(finalTimeoutMs === undefined ? {} : { finalTimeoutMs }),
      edits: parseAppMessage(text).headers.map(({ label, value }) => [label, value] as const),
      record: (branch, outgoing) => {
        if (remain !== 'remainInDialog') return
        const { recordRouting } = env
        if (branch.method === 'REGISTER') recordRouting.path(branch, outgoing)
        else if (formsDialog(branch.method)) recordRouting.record(branch, request, incoming.flow, outgoing)
      },
    },
    {
      onFinal: (response, hop) => answer(progress(response, hop)),
      onRinging: () => (rangAt ??= Date.now()),
      onDone: () => answer(rangAt === undefined ? 'OK|done' : `OK|done|${rangAt}`),
    },
  )
  incoming.onCancel = (cancel) => search.cancel(cancel.lines('reason'))
  incoming.onAbort = () => search.abort()
  incoming.onCallerLost = () => search.cancel([])
  incoming.proven = true
  incoming.reacted()
  // Not before: a request that is challenged or dropped needs no 100 (§17.2.1 gives 200 ms).
  if (request.method === 'INVITE') incoming.reply(100)
  search.start(destinations)
}

function progress(response: SipResponse, hop: Hop | undefined): string {
  const text = response.text()
  const cipher = tlsCipher(hop?.tls)
  const more = cipher === '' ? '' : `|${cipher}`
  return `OK|${messageMeta('network', text.length, hop)}|||continue${more}\r\n${text}`
}
