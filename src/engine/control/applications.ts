/**
 * Between the network and the applications: hands requests up, takes responses and proxy commands down, and sees to it
 * that no request is left without an answer whatever an application does.
 */
import type { Dialog, DialogOwner } from '../dialog/dialog.js'
import type { DialogEvent } from '../dialog/environment.js'
import type { DialogTable } from '../dialog/table.js'
import { sessionExpired } from '../dialog/goodbye.js'
import { tooBrief } from '../dialog/session.js'
import { SessionTimers } from '../dialog/session-timers.js'
import { Uas } from '../dialog/uas.js'
import { dialogMaking } from '../dialog/usages.js'
import type { UacEnvironment } from '../dialog/uac-send.js'
import type { SipMessage, SipRequest, SipResponse } from '../message/sip-message.js'
import type { ProxyEnvironment } from '../proxy/client.js'
import type { Incoming } from '../transaction/incoming.js'
import type { Flow } from '../transport/transport.js'
import { CallRecords } from './call-records.js'
import { connectionEvent, connectionNews } from './connection-news.js'
import { sipEvent } from './events.js'
import { PendingRequests, refuse, type Pending } from './pending.js'
import { proxyRequest } from './proxying.js'
import { RegisteredFlows } from './registered-flows.js'
import { Requests } from './requests.js'
import { readResponse, sentResponse } from './responses.js'
import { ControlServer } from './server.js'
import type { CommandHandler, ControlSession, SessionOptions } from './session.js'

export interface ApplicationOptions extends SessionOptions {
  /** How long an application may take for its first reaction to a request, ms. */
  timeoutMs: number
}

/** Most requests of one application that wait for their final response. */
const maxOutstanding = 10_000

const unknownTransaction = 'NOK|Response not sent due to unknown transaction'

export class Applications implements CommandHandler {
  readonly server: ControlServer
  readonly records: CallRecords
  readonly #env: ProxyEnvironment
  readonly #pending: PendingRequests
  readonly #dialogs: DialogTable
  readonly #uas: Uas
  readonly #sessions: SessionTimers
  readonly #requests: Requests
  readonly #registered: RegisteredFlows

  constructor(env: ProxyEnvironment, dialogs: DialogTable, options: ApplicationOptions) {
    this.#env = env
    this.#dialogs = dialogs
    this.#registered = new RegisteredFlows(() => env.scheduler.now())
    this.server = new ControlServer(options, this)
    this.records = new CallRecords(this.server)
    this.#pending = new PendingRequests(env, options.timeoutMs)
    const dialogEnvironment: UacEnvironment = {
      ...env,
      dialogs,
      registered: (uri) => this.#registered.find(uri),
      afterAck: (dialog, run) => this.#uas.afterAck(dialog, run),
      tell: (dialog, message, event) => this.#tell(dialog, message, event),
      cancelled: (incoming, cancel, dialogId) => this.#tellCancelled(incoming, cancel, dialogId),
      settle: (dialog, request, response, side) => this.#sessions.settle(dialog, request, response, side),
    }
    this.#sessions = new SessionTimers(dialogEnvironment)
    this.#uas = new Uas(dialogEnvironment)
    this.#requests = new Requests(dialogEnvironment, this.records, maxOutstanding)
  }

  // From the network

  /** A new request, or an honest answer why nobody takes it. */
  deliver(incoming: Incoming): void {
    const { request } = incoming
    if (request.get('contact') === undefined && dialogMaking.has(request.method)) {
      return incoming.reply(400, 'Missing Contact')
    }
    const tooShort = request.method === 'INVITE' ? tooBrief(request) : undefined
    if (tooShort) return incoming.reply(422, undefined, tooShort)
    const session = this.server.select(request.method)
    if (!session) return this.#refuse(incoming)
    this.#give(incoming, session)
    if (request.method === 'INVITE') this.records.attempt('network', request)
  }

  /** A request within a dialog of an application. */
  deliverWithin(incoming: Incoming, dialog: Dialog): void {
    this.#uas.receive(incoming, dialog, () => {
      const { method } = incoming.request
      const owner = this.#ownerOf(dialog, method)
      if (owner && (owner.keepsUp || method === 'BYE')) return this.#give(incoming, owner, dialog)
      incoming.onAnswered = (response) =>
        this.#uas.answered({ incoming, owner: dialog.owner, dialog }, response)
      // A peer that hangs up has nothing to come back for.
      if (method === 'BYE') incoming.reply(481)
      else refuse(incoming)
    })
  }

  /** A NOTIFY whose dialog does not exist yet, since it has overtaken the response that makes it; false if none does. */
  deliverLater(incoming: Incoming): boolean {
    const { request, flow } = incoming
    return this.#requests.holdNotify(request, flow, () => {
      const dialog = this.#dialogs.find(request)
      if (dialog) this.deliverWithin(incoming, dialog)
      else incoming.reply(481)
    })
  }

  /** Calls that applications have placed are ringing. */
  get ringing(): boolean {
    return this.#requests.ringing
  }

  /** Gives those up, since the server stops. */
  abort(): void {
    this.#requests.abort()
  }

  /** News for whoever asks for them. */
  connectionChanged(flow: Flow, state: 'open' | 'closed', reason: string | undefined): void {
    const takers = this.server.all(connectionEvent)
    if (takers.length === 0) return
    const news = connectionNews(flow, state, reason)
    for (const session of takers) session.send(news)
  }

  connectionClosed(flow: Flow): void {
    this.#registered.closed(flow)
    this.#env.devices.closed(flow)
  }

  /** False if nobody waits for it. */
  deliverAck(ack: SipRequest, flow: Flow): boolean {
    return this.#uas.receiveAck(ack, flow)
  }

  /** The caller has given up while the application was thinking: 487, and the application is told. */
  cancel(incoming: Incoming, cancel: SipRequest): void {
    const dialogId = this.#pending.get(incoming.id)?.dialog?.id
    this.#tellCancelled(incoming, cancel, dialogId)
    incoming.reply(487)
  }

  // CommandHandler

  respond(session: ControlSession, ref: string, transactionId: string, text: string): void {
    const pending = this.#pending.of(session, transactionId)
    if (!pending) return session.answer(ref, unknownTransaction)
    const { incoming } = pending
    const response = readResponse(incoming, text)
    if (!response) return session.answer(ref, 'NOK|Unknown server error sending response')
    if (!this.#uas.concerns(pending)) {
      const sent = incoming.respond(response)
      if (incoming.request.method === 'REGISTER') {
        this.#registered.learn(incoming.request, response, incoming.flow)
        this.#env.devices.learn(incoming.request, response, incoming.flow)
      }
      this.#pending.reacted(pending)
      return session.answer(ref, sent ? sentResponse(incoming, sent) : unknownTransaction)
    }
    this.#pending.reacted(pending)
    this.#uas.respond(pending, response, (outcome) =>
      session.answer(
        ref,
        'sent' in outcome
          ? sentResponse(incoming, outcome.sent, pending.dialog?.id)
          : `NOK|${outcome.refused}`,
      ),
    )
  }

  request(session: ControlSession, ref: string, fields: readonly string[], text: string): void {
    this.#requests.command(session, ref, fields, text)
  }

  proxy(session: ControlSession, ref: string, fields: readonly string[], text: string): void {
    const [transactionId = ''] = fields
    const pending = this.#pending.of(session, transactionId)
    if (!pending) return session.answer(ref, `NOK|Unknown transaction id: ${transactionId}`)
    const { incoming } = pending
    const onStart = (): void => {
      this.#pending.remove(transactionId)
      pending.proxied = true
      this.#uas.release(pending)
      if (incoming.request.method === 'INVITE') this.records.attempt('application', incoming.request)
    }
    proxyRequest(this.#env, incoming, fields, text, onStart, (answer) => session.answer(ref, answer))
  }

  drop(session: ControlSession, ref: string, transactionId: string): void {
    const pending = this.#pending.of(session, transactionId)
    if (!pending) return session.answer(ref, `NOK|Unknown transaction id: ${transactionId}`)
    pending.incoming.abandon()
    session.answer(ref, 'OK')
  }

  closed(session: ControlSession): void {
    this.#pending.leave(session)
    this.#requests.closed(session)
  }

  #refuse(incoming: Incoming): void {
    const { methods } = this.server
    if (methods.length === 0 || methods.includes(incoming.request.method)) return refuse(incoming)
    // §8.2.1.
    incoming.reply(405, undefined, [['Allow', methods.join(', ')]])
  }

  #give(incoming: Incoming, owner: DialogOwner, dialog?: Dialog): void {
    const { request, flow, id } = incoming
    const pending = this.#pending.add(incoming, owner, dialog)
    incoming.onAnswered = (response) => {
      this.#pending.remove(id)
      this.#record(pending, response)
      this.#uas.answered(pending, response)
    }
    if (request.method === 'INVITE') {
      incoming.onAbort = () => this.#uas.terminate(incoming, pending.dialog, 503, 'server stops')
    }
    owner.send(
      sipEvent(dialog ? addressedTo(dialog, request) : request, {
        source: 'network',
        flow,
        transactionId: id,
        ...(dialog ? { dialogId: dialog.id } : { receivedOn: this.#env.transport.localAddress(flow) }),
      }),
    )
  }

  #record({ incoming, proxied }: Pending, response: SipResponse | undefined): void {
    const { request } = incoming
    if (!response) return
    if (request.method === 'INVITE' && request.toTag === undefined) this.records.outcome(response, proxied)
    if (request.method === 'BYE' && response.status < 300) this.records.stop(request, 'normal-release', false)
  }

  /**
   * The application of a dialog. Once that is gone, one that takes the method or what the dialog was made for:
   * drachtio-srf keeps its dialogs over a reconnect.
   */
  #ownerOf(dialog: Dialog, method: string): DialogOwner | undefined {
    if (dialog.owner.authenticated) return dialog.owner
    const made = dialog.usages.has('invite') ? 'INVITE' : 'SUBSCRIBE'
    const heir = this.server.select(method) ?? this.server.select(made)
    if (heir) dialog.owner = heir
    return heir
  }

  #tell(dialog: Dialog, message: SipMessage, { why, ...event }: DialogEvent): void {
    if (why !== undefined) {
      const reason = why === sessionExpired ? 'session-expired' : 'system-initiated-termination'
      this.records.ended('application', message, reason)
    }
    const owner = this.#ownerOf(dialog, message.cseq.method)
    owner?.send(sipEvent(message, { ...event, dialogId: dialog.id }))
  }

  #tellCancelled({ id, flow }: Incoming, cancel: SipRequest, dialogId: string | undefined): void {
    const owner = this.#pending.get(id)?.owner
    owner?.send(sipEvent(cancel, { source: 'network', flow, transactionId: id, dialogId }))
  }
}

/**
 * The request with the To value that is ours in this dialog. A peer may write any URI there, since only the tags count;
 * one that drachtio-srf can't read would end the application that is subscribed to something.
 */
function addressedTo(dialog: Dialog, request: SipRequest): SipRequest {
  if (request.get('to') === dialog.local) return request
  const copy = request.clone()
  copy.set('to', dialog.local)
  return copy
}
