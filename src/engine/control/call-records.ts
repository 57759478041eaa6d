/**
 * drachtio's call events (`cdr:attempt`, `cdr:start`, `cdr:stop`). Each names who sent the message that it is about:
 * the `network`, or the `application`. A call that the engine proxies has two of each, since its messages come in from
 * the network and leave again. Costs nothing while no application asks for them.
 */
import type { SipMessage, SipResponse } from '../message/sip-message.js'
import { timeOfDay } from './meta.js'
import type { ControlServer } from './server.js'

export type Sender = 'network' | 'application'
export type StopReason =
  'call-rejected' | 'call-canceled' | 'normal-release' | 'session-expired' | 'system-initiated-termination'

/**
 * Right after a restart phones repeat what they could not say meanwhile, BYE above all, and the application may not be
 * there yet: the ends of calls wait for it this long, ms, and so many of them.
 */
const patienceMs = 30_000
const maxWaiting = 1000
const askAgainMs = 200

/** For applications that route it; it comes as a `cdr:stop`, since drachtio-srf passes on no events but drachtio's own. */
const hangUpEvent = 'cdr:bye'

const both: readonly Sender[] = ['network', 'application']

export class CallRecords {
  #waiting: { until: number; frame: string }[] = []
  constructor(private readonly server: ControlServer) {}

  attempt(sender: Sender, invite: SipMessage): void {
    this.#emit('attempt', sender, undefined, invite)
  }

  /** The final answer that the caller got, by the proxy or by an application. */
  outcome(answer: SipResponse, proxied: boolean): void {
    const { status } = answer
    if (status < 300) {
      if (proxied) this.#emit('start', 'network', 'proxy-uac', answer)
      return this.#emit('start', 'application', proxied ? 'proxy-uas' : 'uas', answer)
    }
    const reason = status === 487 ? 'call-canceled' : 'call-rejected'
    if (proxied) return this.stop(answer, reason, true)
    // It was the caller's CANCEL that ended it, or the answer.
    this.ended(status === 487 ? 'network' : 'application', answer, reason)
  }

  /** The final answer to a call that an application has placed. */
  placed(answer: SipResponse): void {
    const { status } = answer
    if (status < 300) this.#emit('start', 'network', 'uac', answer)
    else this.ended('network', answer, status === 487 ? 'call-canceled' : 'call-rejected')
  }

  /** A call, or one leg of a proxied one, has ended by that message of that side. */
  ended(sender: Sender, message: SipMessage, reason: StopReason): void {
    this.#emit('stop', sender, reason, message)
  }

  stop(message: SipMessage, reason: StopReason, proxied: boolean): void {
    if (proxied && reason === 'normal-release') this.#tellHangUp(message)
    for (const sender of proxied ? both : both.slice(0, 1)) this.#emit('stop', sender, reason, message)
  }

  #emit(event: string, source: Sender, detail: string | undefined, message: SipMessage): void {
    const session = this.server.select(`cdr:${event}`)
    if (!session) return
    const fields = [`cdr:${event}`, source, timeOfDay(), ...(detail === undefined ? [] : [detail])]
    session.send(`${fields.join('|')}\r\n${message.text()}`)
  }

  /** Once per BYE, for an application that cares for nothing else: the other events come three times as often. */
  #tellHangUp(bye: SipMessage): void {
    const session = this.server.select(hangUpEvent)
    if (!session && this.#waiting.length >= maxWaiting) return
    const frame = `cdr:stop|network|${timeOfDay()}|normal-release\r\n${bye.text()}`
    if (session) session.send(frame)
    else this.#wait(frame)
  }

  #wait(frame: string): void {
    if (this.#waiting.push({ until: Date.now() + patienceMs, frame }) === 1) this.#askAgain()
  }

  #askAgain(): void {
    setTimeout(() => {
      const session = this.server.select(hangUpEvent)
      if (session) for (const { frame } of this.#waiting) session.send(frame)
      const now = Date.now()
      this.#waiting = session ? [] : this.#waiting.filter(({ until }) => until > now)
      if (this.#waiting.length > 0) this.#askAgain()
    }, askAgainMs).unref()
  }
}
