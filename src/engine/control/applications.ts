/**
 * Between the network and the applications: hands requests up, takes responses and proxy commands down, and sees to it
 * that no request is left without an answer whatever an application does.
 */
import type { FlowAddress } from '../proxy/dialog-token.js'
import { labelFor } from '../message/header-names.js'
import { headerParam } from '../message/name-addr.js'
import { responseTo } from '../message/response.js'
import type { SipRequest, SipResponse } from '../message/sip-message.js'
import type { ProxyEnvironment } from '../proxy/client.js'
import { hasHopsLeft } from '../proxy/in-dialog.js'
import { formsDialog } from '../proxy/record-route.js'
import { Search } from '../proxy/search.js'
import { parseTarget, type Target } from '../proxy/target.js'
import type { Incoming } from '../transaction/incoming.js'
import type { Timer } from '../transaction/timers.js'
import { parseAppMessage, parseDuration } from './app-message.js'
import type { CallRecords } from './call-records.js'
import { messageMeta } from './meta.js'
import type { ControlServer } from './server.js'
import type { CommandHandler, ControlSession } from './session.js'

interface Pending {
  incoming: Incoming
  session: ControlSession
  /** When the wait for an application that never reacts ends. Scheduler time, ms. */
  deadline: number
}

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

export class Applications implements CommandHandler {
  readonly #pending = new Map<string, Pending>()
  #watch: Timer | undefined

  constructor(
    private readonly env: ProxyEnvironment,
    private readonly server: () => ControlServer,
    private readonly records: () => CallRecords,
    /** How long an application may take for its first reaction, ms. */
    private readonly timeoutMs: number,
  ) {}

  /** A new request, or an honest answer why nobody takes it. */
  deliver(incoming: Incoming): void {
    const { request, flow } = incoming
    const server = this.server()
    const session = server.select(request.method)
    if (!session) {
      this.#refuse(incoming, server)
      return
    }
    const deadline = this.env.scheduler.now() + this.timeoutMs
    this.#pending.set(incoming.id, { incoming, session, deadline })
    this.#watch ??= this.env.scheduler.after(this.timeoutMs, () => this.#endWaits())
    incoming.onAnswered = (response) => {
      this.#pending.delete(incoming.id)
      if (response && request.method === 'INVITE') this.records().outcome(response)
    }
    this.#sendUp(session, incoming, request, flow)
    if (request.method === 'INVITE') this.records().attempt(request)
  }

  /** The caller has given up while the application was thinking: 487, and the application is told. */
  cancel(incoming: Incoming, cancel: SipRequest): void {
    const pending = this.#pending.get(incoming.id)
    if (!pending) return
    incoming.reply(487)
    this.#sendUp(pending.session, incoming, cancel, incoming.flow)
  }

  // CommandHandler

  respond(session: ControlSession, ref: string, transactionId: string, text: string): void {
    const pending = this.#pending.get(transactionId)
    if (!pending || pending.session !== session) {
      return session.answer(ref, 'NOK|Response not sent due to unknown transaction')
    }
    const { incoming } = pending
    const response = this.#responseOf(incoming, text)
    if (!response) return session.answer(ref, 'NOK|Unknown server error sending response')
    pending.deadline = Infinity
    const sent = incoming.respond(response)
    if (!sent) return session.answer(ref, 'NOK|Response not sent due to unknown transaction')
    const { flow } = incoming
    const hop = { transport: flow.transport, address: flow.remoteAddress, port: flow.remotePort }
    const meta = messageMeta('application', sent.length, hop)
    session.answer(ref, `OK|${meta}|${transactionId}|||Msg sent:|\r\n${sent.toString('latin1')}`)
  }

  request(session: ControlSession, ref: string): void {
    session.answer(ref, 'NOK|this edge sends no requests of an application; it answers and proxies')
  }

  proxy(session: ControlSession, ref: string, fields: readonly string[], text: string): void {
    const [transactionId = '', remain, , redirects, forking, provisional = '', final = '', ...targets] =
      fields
    const pending = this.#pending.get(transactionId)
    if (!pending || pending.session !== session) {
      return session.answer(ref, `NOK|Unknown transaction id: ${transactionId}`)
    }
    const { incoming } = pending
    const { request } = incoming
    if (!hasHopsLeft(request)) {
      incoming.reply(483)
      return session.answer(ref, 'NOK|Rejected with 483 Too Many Hops due to Max-Forwards value of 0')
    }
    const destinations = targets.map(parseTarget).filter((target): target is Target => target !== undefined)
    if (destinations.length === 0) {
      incoming.reply(500)
      return session.answer(ref, `NOK|error proxying request to ${targets[0] ?? ''}`)
    }
    this.#pending.delete(transactionId)
    // The application chose where it goes: a route that the caller wished for is not followed (no open relay).
    request.remove('route')
    const provisionalTimeoutMs = parseDuration(provisional)
    const finalTimeoutMs = parseDuration(final)
    const search = new Search(
      this.env,
      incoming,
      {
        simultaneous: forking === 'simultaneous',
        followRedirects: redirects === 'followRedirects',
        ...(provisionalTimeoutMs === undefined ? {} : { provisionalTimeoutMs }),
        ...(finalTimeoutMs === undefined ? {} : { finalTimeoutMs }),
        edits: parseAppMessage(text).headers.map(({ label, value }) => [label, value] as const),
        record: (branch, outgoing) => {
          if (remain !== 'remainInDialog') return
          const { recordRouting } = this.env
          if (branch.method === 'REGISTER') recordRouting.path(branch, outgoing)
          else if (formsDialog(branch.method)) recordRouting.record(branch, request, incoming.flow, outgoing)
        },
      },
      {
        onFinal: (response, hop) => this.#reportFinal(session, ref, response, hop),
        onDone: () => session.answer(ref, 'OK|done'),
      },
    )
    incoming.onCancel = (cancel) => search.cancel(cancel.lines('reason'))
    incoming.onAbort = () => search.abort()
    incoming.onCallerLost = () => search.cancel([])
    incoming.proven = true
    incoming.reacted()
    // Not before: a request that is challenged or dropped needs no 100 (§17.2.1 gives 200 ms).
    if (request.method === 'INVITE') incoming.reply(100)
    try {
      search.start(destinations)
    } catch (error) {
      incoming.reply(500)
      throw error
    }
  }

  drop(session: ControlSession, ref: string, transactionId: string): void {
    const pending = this.#pending.get(transactionId)
    if (!pending || pending.session !== session) {
      return session.answer(ref, `NOK|Unknown transaction id: ${transactionId}`)
    }
    pending.incoming.abandon()
    session.answer(ref, 'OK')
  }

  closed(session: ControlSession): void {
    for (const { incoming, session: owner } of [...this.#pending.values()]) {
      // A restarting application is back in seconds: the caller may try again.
      if (owner === session) incoming.reply(503, undefined, [['Retry-After', '5']])
    }
  }

  /** One timer for all: they wait equally long, so the first in the map is due first. */
  #endWaits(): void {
    this.#watch = undefined
    const now = this.env.scheduler.now()
    for (const { incoming, deadline } of this.#pending.values()) {
      // The application has reacted with a provisional response, and may take its time.
      if (deadline === Infinity) continue
      if (deadline > now) {
        this.#watch = this.env.scheduler.after(deadline - now, () => this.#endWaits())
        return
      }
      incoming.reply(503, undefined, [['Retry-After', '5']])
    }
  }

  #refuse(incoming: Incoming, server: ControlServer): void {
    const { methods } = server
    if (methods.length === 0 || methods.includes(incoming.request.method)) {
      incoming.reply(503, undefined, [['Retry-After', '5']])
    } else {
      // §8.2.1.
      incoming.reply(405, undefined, [['Allow', methods.join(', ')]])
    }
  }

  #sendUp(session: ControlSession, incoming: Incoming, message: SipRequest, flow: Incoming['flow']): void {
    const text = forApplication(message).serialize().toString('latin1')
    const hop = { transport: flow.transport, address: flow.remoteAddress, port: flow.remotePort }
    const { host, port } = this.env.transport.localAddress(flow)
    session.send(
      `sip|${messageMeta('network', text.length, hop)}|${incoming.id}||${host}|${port}|\r\n${text}`,
    )
  }

  #responseOf(incoming: Incoming, text: string): SipResponse | undefined {
    const message = parseAppMessage(text)
    const start = /^SIP\/2\.0 (\d{3}) ?(.*)$/.exec(message.startLine)
    const status = Number(start?.[1])
    if (!start || status < 100 || status > 699) return undefined
    const chosenTag = headerParam(message.headers.find((header) => header.name === 'to')?.value ?? '', 'tag')
    const { request } = incoming
    const response = responseTo(request, status, start[2], {
      toTag: chosenTag ?? incoming.toTag,
      recordRoute: status > 100 && status < 300 && formsDialog(request.method),
      body: message.body,
    })
    for (const { name, label, value } of message.headers) {
      if (!immutable.has(name)) response.append(name, value, label)
    }
    return response
  }

  #reportFinal(
    session: ControlSession,
    ref: string,
    response: SipResponse,
    hop: FlowAddress | undefined,
  ): void {
    const text = response.serialize().toString('latin1')
    session.answer(ref, `OK|${messageMeta('network', text.length, hop)}|||continue\r\n${text}`)
  }
}

/** drachtio-srf knows half of the compact names, and tells some names apart by their case: it gets the usual spelling. */
function forApplication(message: SipRequest): SipRequest {
  if (message.headers.every(({ name, label }) => label === labelFor(name))) return message
  const copy = message.clone()
  copy.headers = copy.headers.map((header) => ({ ...header, label: labelFor(header.name) }))
  return copy
}
