/**
 * drachtio's call events (`cdr:attempt`, `cdr:start`, `cdr:stop`). A call that the engine proxies has two legs:
 * `network` is the caller's, `application` the callee's; one that an application answers has the first only. Costs
 * nothing while no application asks for them.
 */
import type { SipMessage, SipResponse } from '../message/sip-message.js'
import { timeOfDay } from './meta.js'
import type { ControlServer } from './server.js'

export type Leg = 'network' | 'application'
export type StopReason =
  'call-rejected' | 'call-canceled' | 'normal-release' | 'session-expired' | 'system-initiated-termination'

const both: readonly Leg[] = ['network', 'application']

export class CallRecords {
  constructor(private readonly server: ControlServer) {}

  attempt(leg: Leg, invite: SipMessage): void {
    this.#emit('attempt', leg, undefined, invite)
  }

  /** The final answer that the caller got, by the proxy or by an application. */
  outcome(answer: SipResponse, proxied: boolean): void {
    const { status } = answer
    if (status >= 300) {
      return this.stop(answer, status === 487 ? 'call-canceled' : 'call-rejected', proxied)
    }
    this.#emit('start', 'network', proxied ? 'proxy-uas' : 'uas', answer)
    if (proxied) this.#emit('start', 'application', 'proxy-uac', answer)
  }

  /** The final answer to a call that an application has placed. */
  placed(answer: SipResponse): void {
    const { status } = answer
    if (status < 300) this.#emit('start', 'network', 'uac', answer)
    else this.ended('network', answer, status === 487 ? 'call-canceled' : 'call-rejected')
  }

  /** One leg has ended, by that message of that side. */
  ended(leg: Leg, message: SipMessage, reason: StopReason): void {
    this.#emit('stop', leg, reason, message)
  }

  stop(message: SipMessage, reason: StopReason, proxied: boolean): void {
    for (const leg of proxied ? both : both.slice(0, 1)) this.#emit('stop', leg, reason, message)
  }

  #emit(event: string, source: Leg, detail: string | undefined, message: SipMessage): void {
    const session = this.server.select(`cdr:${event}`)
    if (!session) return
    const fields = [`cdr:${event}`, source, timeOfDay(), ...(detail === undefined ? [] : [detail])]
    session.send(`${fields.join('|')}\r\n${message.text()}`)
  }
}
