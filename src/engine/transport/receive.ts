/** What happens to received bytes, whatever transport they came by. */
import { parseMessage } from '../message/parse.js'
import type { ParseResult } from '../message/parse.js'
import { responseTo } from '../message/response.js'
import { SipRequest } from '../message/sip-message.js'
import { formatVia } from '../message/via.js'
import { canonicalHost } from './address.js'
import { describe } from './flow.js'
import type { TransportLog } from './flow.js'
import { replyFlow } from './reply-flow.js'
import type { Flow, TransportHandlers, TransportLayer, TransportLimits } from './transport.js'

export class Receiver {
  /** `received` counts valid messages, `sent` everything handed to a socket. */
  readonly stats = { received: 0, sent: 0, rejected: 0, dropped: 0 }

  constructor(
    private readonly handlers: TransportHandlers,
    private readonly limits: TransportLimits,
    private readonly log: TransportLog,
    private readonly layer: TransportLayer,
  ) {}

  /** One whole message: a UDP datagram or a WebSocket message. True if it was a valid one. */
  datagram(bytes: Buffer, flow: Flow): boolean {
    const result = parseMessage(bytes, this.limits, 'datagram')
    this.deliver(result, flow)
    return result.kind === 'message'
  }

  /** A parsed message, or what became of it. Never throws, whatever the handlers do. */
  deliver(result: ParseResult, flow: Flow): void {
    try {
      switch (result.kind) {
        case 'message':
          this.stats.received++
          if (result.message instanceof SipRequest) stampSource(result.message, flow)
          this.handlers.onMessage(result.message, flow)
          break
        case 'reject':
          this.stats.rejected++
          stampSource(result.request, flow)
          this.layer.send(
            replyFlow(result.request, flow, this.layer),
            responseTo(result.request, result.status, result.reason).serialize(),
          )
          this.handlers.onRejected(flow, result.status, result.reason)
          break
        case 'drop':
          this.stats.dropped++
          this.handlers.onDropped(flow, result.reason)
          break
      }
    } catch (error) {
      this.log.error({ err: error, ...describe(flow) }, 'a handler of the transport layer threw')
    }
  }

  /** Tells the handlers of a connection; never throws. */
  connectionChanged(flow: Flow, state: 'open' | 'closed', reason?: string): void {
    try {
      this.handlers.onConnection?.(flow, state, reason)
    } catch (error) {
      this.log.error({ err: error, ...describe(flow) }, 'a handler of the transport layer threw')
    }
  }
}

/**
 * Writes down in the topmost Via where the request really came from (RFC 3261 §18.2.1, RFC 3581 §4): `received` if
 * the sender calls itself otherwise, `rport` and `received` if it asks. What a sender has put there itself is
 * overwritten, or it could direct our answers at others.
 */
function stampSource(request: SipRequest, flow: Flow): void {
  const { via } = request
  const source = canonicalHost(flow.remoteAddress)
  const claimed = via.host === source || canonicalHost(via.host) === source
  if (claimed && !via.wantsRport && via.received === undefined) return
  let stamped = via.with('received', source)
  if (via.wantsRport) stamped = stamped.with('rport', String(flow.remotePort))
  request.replaceFirstValue('via', formatVia(stamped))
}
