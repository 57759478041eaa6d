/**
 * A request of an application that is no INVITE: what its final response does to dialogs and subscriptions
 * (RFC 3261 §12.2.1.2, §15.1.1; RFC 6665 §4.1.2; RFC 3515 §2.4.4).
 */
import type { Outgoing } from '../client/outgoing.js'
import type { SipRequest, SipResponse } from '../message/sip-message.js'
import type { Dialog } from './dialog.js'
import { concludeWithin, dialogOfResponse, type SentRequest } from './uac-dialog.js'
import type { UacRequestOptions, UacUser } from './uac-invite.js'
import { outgoing, type UacEnvironment } from './uac-send.js'
import { beginsUsage, usageOf } from './usages.js'

/** Most NOTIFYs that wait for one response. */
const maxHeld = 8

/** A subscription for which nobody names a time, seconds. */
const defaultExpires = 3600

export class UacRequest {
  readonly #outgoing: Outgoing
  #sent: SentRequest | undefined
  #held: (() => void)[] = []

  constructor(
    private readonly env: UacEnvironment,
    private readonly what: UacRequestOptions,
    private readonly user: UacUser,
  ) {
    this.#outgoing = outgoing(env, what.request, what.way, {
      onSent: (request, flow) => {
        this.#sent = { request, flow, owner: what.owner, direct: what.direct }
        user.onSent(request, flow)
      },
      onResponse: (response) => this.#onResponse(response),
      onFailure: (status) => {
        const { dialog, request } = what
        if (dialog) concludeWithin(env.dialogs, dialog, request, status)
        user.onFailure(status)
        this.#release()
      },
    })
  }

  start(): void {
    this.#outgoing.start()
  }

  /** The application is gone; a BYE that is on its way still ends its dialog. */
  abandon(): void {
    if (this.what.request.method === 'BYE') return
    this.#outgoing.abandon()
    this.#release()
  }

  /**
   * RFC 6665 §4.1.2.4: a NOTIFY may overtake the response to its SUBSCRIBE. It waits for it, since the application knows
   * the dialog only from there. False: it must not wait.
   */
  hold(again: () => void): boolean {
    if (this.#held.length >= maxHeld) return false
    this.#held.push(again)
    return true
  }

  #onResponse(response: SipResponse): void {
    const { status } = response
    if (status === 100) return
    const dialog = status >= 200 ? this.#applyFinal(response) : this.what.dialog
    this.user.onResponse(response, this.#sent?.flow, dialog)
    if (status >= 200) this.#release()
  }

  #applyFinal(response: SipResponse): Dialog | undefined {
    const { env, what } = this
    const { request } = what
    const subscribes = response.status < 300 && beginsUsage(request, response)
    let { dialog } = what
    if (!dialog) {
      if (!subscribes || !this.#sent) return undefined
      dialog = dialogOfResponse(env.dialogs, this.#sent, response)
      if (!dialog) return undefined
    }
    concludeWithin(env.dialogs, dialog, request, response.status, response)
    // The peer has come back over another connection.
    if (!dialog.flow.open && this.#sent) dialog.flow = this.#sent.flow
    if (subscribes) expireLater(env, dialog, request, response)
    if (request.method === 'BYE' && dialog.state !== 'ended') keepForCredentials(env, dialog)
    return dialog
  }

  #release(): void {
    for (const again of this.#held.splice(0)) again()
  }
}

/** When each subscription ends that is not refreshed. Scheduler time, ms. */
const expiries = new WeakMap<Dialog, Map<string, number>>()

/** RFC 6665 §4.1.3: a notifier that says nothing at the end must not leave a dialog here for ever. */
function expireLater(env: UacEnvironment, dialog: Dialog, request: SipRequest, response: SipResponse): void {
  const { scheduler, timing, dialogs } = env
  const usage = usageOf(request)
  const granted = response.get('expires') ?? request.get('expires') ?? ''
  const seconds = /^\d{1,9}$/.test(granted) ? Number(granted) : defaultExpires
  const delay = seconds * 1000 + 64 * timing.t1
  const until = scheduler.now() + delay
  const ofDialog = expiries.get(dialog) ?? new Map<string, number>()
  expiries.set(dialog, ofDialog.set(usage, until))
  scheduler.after(delay, () => {
    if (ofDialog.get(usage) === until && dialog.state !== 'ended') dialogs.endUsage(dialog, usage)
  })
}

/** A challenged BYE leaves the call as it is, for one that comes with credentials; but not for ever. */
function keepForCredentials(env: UacEnvironment, dialog: Dialog): void {
  env.scheduler.after(64 * env.timing.t1, () => {
    if (dialog.usages.has('invite')) env.dialogs.endUsage(dialog, 'invite')
  })
}
