/** An application's responses: read from its text, and confirmed to it as they went out. */
import { formsDialog } from '../proxy/record-route.js'
import { headerParam } from '../message/name-addr.js'
import { responseTo } from '../message/response.js'
import type { SipResponse } from '../message/sip-message.js'
import type { Incoming } from '../transaction/incoming.js'
import { parseAppMessage, startsLikeSdp } from './app-message.js'
import { messageMeta } from './meta.js'

/** The engine's own: an application's response can't set them (as on drachtio-server). */
const immutable = new Set([
  'via',
  'from',
  'to',
  'call-id',
  'cseq',
  'route',
  'record-route',
  'rseq',
  'content-length',
])

/** Undefined if its start line is none. */
export function readResponse(incoming: Incoming, text: string): SipResponse | undefined {
  const message = parseAppMessage(text)
  const start = /^SIP\/2\.0 (\d{3}) ?(.*)$/.exec(message.startLine)
  const status = Number(start?.[1])
  if (!start || status < 100 || status > 699) return undefined
  const to = message.headers.find((header) => header.name === 'to')
  const chosenTag = to && headerParam(to.value, 'tag')
  if (chosenTag !== undefined && chosenTag !== '') incoming.chooseTag(chosenTag)
  const { request } = incoming
  const response = responseTo(request, status, start[2], {
    toTag: incoming.toTag,
    recordRoute: status > 100 && status < 300 && formsDialog(request.method),
    body: message.body,
  })
  for (const { name, label, value } of message.headers) {
    if (!immutable.has(name)) response.append(name, value, label)
  }
  if (message.body.length > 0 && response.get('content-type') === undefined && startsLikeSdp(message.body)) {
    response.append('content-type', 'application/sdp')
  }
  return response
}

/** The answer to the command that sent a response. */
export function sentResponse(incoming: Incoming, sent: Buffer, dialogId = ''): string {
  const { flow, id } = incoming
  const hop = { transport: flow.transport, address: flow.remoteAddress, port: flow.remotePort }
  const meta = messageMeta('application', sent.length, hop)
  return `OK|${meta}|${id}|${dialogId}||Msg sent:|\r\n${sent.toString('latin1')}`
}
