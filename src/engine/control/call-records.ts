/**
 * drachtio's call events (`cdr:attempt`, `cdr:start`, `cdr:stop`) for calls that the engine proxies: two legs a call,
 * `network` is the caller's, `application` the callee's. Costs nothing while no application asks for them.
 */
import type { SipMessage, SipResponse } from '../message/sip-message.js'
import { timeOfDay } from './meta.js'
import type { ControlServer } from './server.js'

export type StopReason = 'call-rejected' | 'call-canceled' | 'normal-release'

export class CallRecords {
  constructor(private readonly server: ControlServer) {}

  attempt(invite: SipMessage): void {
    this.#emit('attempt', 'network', undefined, invite)
    this.#emit('attempt', 'application', undefined, invite)
  }

  /** The final answer that the caller got. */
  outcome(answer: SipResponse): void {
    const { status } = answer
    if (status >= 300) return this.stop(answer, status === 487 ? 'call-canceled' : 'call-rejected')
    this.#emit('start', 'network', 'proxy-uas', answer)
    this.#emit('start', 'application', 'proxy-uac', answer)
  }

  stop(message: SipMessage, reason: StopReason): void {
    this.#emit('stop', 'network', reason, message)
    this.#emit('stop', 'application', reason, message)
  }

  #emit(event: string, source: string, detail: string | undefined, message: SipMessage): void {
    const session = this.server.select(`cdr:${event}`)
    if (!session) return
    const fields = [`cdr:${event}`, source, timeOfDay(), ...(detail === undefined ? [] : [detail])]
    session.send(`${fields.join('|')}\r\n${message.serialize().toString('latin1')}`)
  }
}
