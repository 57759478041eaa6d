/** An application that sends requests on a net that only notes what is sent, with a clock of its own. */
import { CallRecords } from '../../src/engine/control/call-records.js'
import { Requests, type Application } from '../../src/engine/control/requests.js'
import type { ControlServer } from '../../src/engine/control/server.js'
import { DialogTable } from '../../src/engine/dialog/table.js'
import type { UacEnvironment } from '../../src/engine/dialog/uac-send.js'
import { parseMessage } from '../../src/engine/message/parse.js'
import { SipRequest, SipResponse } from '../../src/engine/message/sip-message.js'
import type { TransportName } from '../../src/engine/transport/transport.js'
import { FakeNet } from './fake-net.js'
import { readSip, response, type ResponseOptions, type SipText } from './sip-text.js'

/** Our own address on that net. */
export const us = '192.0.2.99'

export interface SentText extends SipText {
  /** `udp 192.0.2.1:5060` */
  to: string
}

export interface Options {
  limit?: number
  maxDialogs?: number
  listeners?: TransportName[]
  /** The contact of a phone that has registered over a TCP connection from 192.0.2.50:40000. */
  registered?: string
}

const limits = { maxMessageBytes: 65_536, maxHeaders: 256 }

export class FakeApplication {
  readonly net: FakeNet
  readonly requests: Requests
  readonly dialogs: DialogTable
  /** Answers to commands, without the id. */
  readonly answers: string[] = []
  /** Messages that came up: status and dialog id of responses, method of requests of the engine's own. */
  readonly events: string[] = []
  readonly owner: Application = {
    authenticated: true,
    keepsUp: true,
    answer: (_, text) => this.answers.push(text),
    send: (text) => this.events.push(summary(text)),
  }

  constructor(options: Options = {}) {
    const { registered } = options
    const net = (this.net = new FakeNet(undefined, options.listeners))
    Object.assign(net.transport, {
      isLocal: (host: string, port?: number) => host === us && (port ?? 5060) === 5060,
    })
    this.dialogs = new DialogTable(options.maxDialogs ?? 100)
    const env: UacEnvironment = {
      scheduler: net.scheduler,
      timing: net.timing,
      transport: net.transport,
      servers: net.servers,
      dialogs: this.dialogs,
      send: (flow, data, onFailure) => net.send(flow, data, onFailure),
      startClient: (request, flow, user) => net.startClient(request, flow, user),
      unique: () => net.unique(),
      registered: (uri) =>
        uri === registered ? { transport: 'tcp', address: '192.0.2.50', port: 40_000 } : undefined,
      afterAck: (_, run) => run(),
      tell: (dialog, message) => this.events.push(`${message.cseq.method} ${dialog.id}`),
      settle: () => {},
      cancelled: () => {},
    }
    const records = new CallRecords({ select: () => undefined } as unknown as ControlServer)
    this.requests = new Requests(env, records, options.limit ?? 100)
  }

  /** Gives a command outside dialogs; what was sent for it, undefined if nothing was. */
  command(
    startLine: string,
    headers: readonly string[] = [],
    body = '',
    proxy?: string,
  ): SentText | undefined {
    return this.give(['', '', ...(proxy === undefined ? [] : [proxy])], startLine, headers, body)
  }

  /** Gives a command with these fields (transaction, dialog, proxy). */
  give(
    fields: readonly string[],
    startLine: string,
    headers: readonly string[] = [],
    body = '',
  ): SentText | undefined {
    const before = this.net.sent.length
    const text = [`${startLine} SIP/2.0`, ...headers, '', Buffer.from(body).toString('latin1')].join('\r\n')
    this.requests.command(this.owner, 'ref', fields, text)
    return this.since(before)[0]
  }

  /** As `command`, for what has to be sent. */
  sent(...args: Parameters<FakeApplication['command']>): SentText {
    const request = this.command(...args)
    if (!request) throw new Error(`not sent: ${this.answers.at(-1)}`)
    return request
  }

  /** The handle of the last request that was sent. */
  get transactionId(): string {
    return this.answers.at(-1)?.split('|')[7] ?? ''
  }

  /** What was sent from that place on. */
  since(place: number): SentText[] {
    return this.net.sent.slice(place).map(({ text, to }) => ({ ...readSip(Buffer.from(text, 'latin1')), to }))
  }

  /** The peer answers; gives what is sent at once for it. */
  reply(request: SipText, status: number, options: ResponseOptions = {}): SentText[] {
    const before = this.net.sent.length
    const parsed = parseMessage(Buffer.from(response(request, status, options)), limits, 'datagram')
    if (parsed.kind !== 'message' || !(parsed.message instanceof SipResponse)) throw new Error('no response')
    this.net.table.receiveResponse(parsed.message)
    return this.since(before)
  }

  /** A request as the engine has it when it comes from the network. */
  static received(text: string): SipRequest {
    const parsed = parseMessage(Buffer.from(text), limits, 'datagram')
    if (parsed.kind !== 'message' || !(parsed.message instanceof SipRequest)) throw new Error('no request')
    return parsed.message
  }
}

function summary(event: string): string {
  const [meta = '', startLine = ''] = event.split('\r\n')
  const [, , , , , , , , dialogId = ''] = meta.split('|')
  const [first, status] = startLine.split(' ')
  return `${first === 'SIP/2.0' ? status : first} ${dialogId}`.trim()
}
