/** What an application is told of a request of its own: that it was sent, and what came back. */
import type { Dialog } from '../dialog/dialog.js'
import { splitList } from '../message/comma-list.js'
import { formatHostPort } from '../message/host.js'
import { parseNameAddr } from '../message/name-addr.js'
import { responseTo } from '../message/response.js'
import type { SipRequest, SipResponse } from '../message/sip-message.js'
import type { Flow, TransportLayer } from '../transport/transport.js'
import { sipEvent } from './events.js'
import { messageMeta } from './meta.js'

/** The application's connection: how it is answered, and how it gets messages. */
export interface Told {
  answer(ref: string, text: string): void
  send(text: string): void
}

export class RequestReport {
  #sent: { request: SipRequest; flow: Flow | undefined } | undefined
  #confirmed = false

  /**
   * @param ref the command that is answered
   * @param id the handle of the transaction
   * @param dialogId for responses that no dialog is known for yet; undefined: outside dialogs
   */
  constructor(
    private readonly told: Told,
    private readonly transport: TransportLayer,
    private readonly ref: string,
    private readonly id: string,
    private readonly dialogId: string | undefined,
  ) {}

  sent(request: SipRequest, flow: Flow): void {
    this.#sent = { request, flow }
    this.#confirm()
  }

  /**
   * It is on its way, but a name has to be looked up first: drachtio-srf can cancel what it knows of, so it gets to know
   * at once. `likely` gives it as it would leave.
   */
  underWay(likely: () => { request: SipRequest; flow: Flow | undefined }): void {
    this.#sent ??= likely()
    this.#confirm()
  }

  response(response: SipResponse, flow: Flow | undefined, dialog: Dialog | undefined): void {
    const dialogId = dialog?.id ?? this.dialogId
    this.told.send(
      sipEvent(readable(response), { source: 'network', flow, transactionId: this.id, dialogId }),
    )
  }

  /** No response has come: one is made, as drachtio-server does, so that there is one way to fail. */
  failed(status: number, dialog: Dialog | undefined): void {
    if (!this.#sent) return
    this.response(responseTo(this.#sent.request, status), this.#sent.flow, dialog)
  }

  /** Before any response: drachtio-srf drops a response to what it does not know to be sent. */
  #confirm(): void {
    if (this.#confirmed || !this.#sent) return
    this.#confirmed = true
    this.told.answer(this.ref, sentAnswer(this.transport, this.#sent.request, this.#sent.flow, this.id))
  }
}

/** Statuses that drachtio-srf can pass on; any other makes its createB2BUA throw, with the caller left ringing. */
const passable: ReadonlySet<number> = new Set([
  ...[
    100, 180, 181, 182, 183, 199, 200, 202, 204, 300, 301, 302, 305, 380, 400, 401, 402, 403, 404, 405, 406,
    407,
  ],
  ...[
    408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 420, 421, 422, 423, 424, 428, 429, 430, 433, 436, 437,
    438,
  ],
  ...[
    439, 470, 480, 481, 482, 483, 484, 485, 486, 487, 488, 489, 491, 493, 494, 500, 501, 502, 503, 504, 505,
    513,
  ],
  ...[580, 600, 603, 604, 606],
])

/**
 * What drachtio-srf can read and pass on without throwing: no status that it does not know (it is to be treated as 183, or
 * as x00: RFC 3261 §8.1.3.2; the reason phrase stays), and no Contact that holds no address.
 */
function readable(response: SipResponse): SipResponse {
  const { status } = response
  const known = passable.has(status)
  const contacts = response.lines('contact').flatMap(splitList)
  const addresses = contacts.filter((value) => parseNameAddr(value))
  if (known && addresses.length === contacts.length) return response
  const copy = response.clone()
  if (!known) copy.status = status < 200 ? 183 : Math.floor(status / 100) * 100
  if (addresses.length > 0) copy.set('contact', addresses.join(', '))
  else copy.remove('contact')
  return copy
}

/** `OK` with the request as it was sent, and the address that it was sent from. */
export function sentAnswer(
  transport: TransportLayer,
  request: SipRequest,
  flow: Flow | undefined,
  id: string,
): string {
  const text = request.text()
  const from = flow && transport.localAddress(flow)
  const hop = flow &&
    from && { transport: flow.transport, address: formatHostPort(from.host, undefined), port: from.port }
  return `OK|${messageMeta('application', text.length, hop)}|${id}|Msg sent:|\r\n${text}`
}
