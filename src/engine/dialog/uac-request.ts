/**
 * A request of an application that is no INVITE: what its final response does to dialogs and subscriptions
 * (RFC 3261 §12.2.1.2, §15.1.1; RFC 6665 §4.1.2; RFC 3515 §2.4.4).
 */
import type { Outgoing } from '../client/outgoing.js'
import type { SipRequest, SipResponse } from '../message/sip-message.js'
import type { Flow } from '../transport/transport.js'
import type { Dialog } from './dialog.js'
import { expireLater } from './expiry.js'
import { concludeWithin, dialogOfNotify, dialogOfResponse, type SentRequest } from './uac-dialog.js'
import type { UacRequestOptions, UacUser } from './uac-invite.js'
import { outgoing, type UacEnvironment } from './uac-send.js'
import { beginsUsage } from './usages.js'

/** Most NOTIFYs that wait for one response. */
const maxHeld = 8

/** How long the response that they have waited for comes before them. */
const headStartMs = 20

export class UacRequest {
  readonly #outgoing: Outgoing
  #sent: SentRequest | undefined
  #held: (() => void)[] = []
  /** The dialog that a NOTIFY has made. */
  #notified: Dialog | undefined

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
        this.#closeOffer()
        if (dialog) concludeWithin(env.dialogs, dialog, request, status)
        if (this.#notified) env.dialogs.remove(this.#notified)
        user.onFailure(status)
        this.#releaseLater()
      },
    })
  }

  start(): void {
    const { dialog, request } = this.what
    if (dialog && request.method === 'UPDATE' && request.body.length > 0) dialog.ourUpdate = true
    this.#outgoing.start()
  }

  /** The application is gone; a BYE that is on its way still ends its dialog. */
  abandon(): void {
    if (this.what.request.method === 'BYE') return
    this.#closeOffer()
    this.#outgoing.abandon()
    this.#releaseLater()
  }

  /**
   * RFC 6665 §4.1.2.4: a NOTIFY may overtake the response to its SUBSCRIBE. It waits for it a little, since the
   * application knows the dialog only from there; then it makes the dialog itself. False: it must not wait.
   *
   * @param again to be called when there is a dialog, or none will be
   */
  hold(notify: SipRequest, flow: Flow, again: () => void): boolean {
    if (this.#held.length >= maxHeld) return false
    this.#held.push(again)
    if (this.#held.length > 1) return true
    this.env.scheduler.after(this.env.timing.t1, () => {
      if (this.#held[0] !== again || !this.#sent) return
      this.#notified ??= dialogOfNotify(this.env.dialogs, this.#sent, notify, flow)
      this.#release()
    })
    return true
  }

  #onResponse(response: SipResponse): void {
    const { status } = response
    if (status === 100) return
    const dialog = status >= 200 ? this.#applyFinal(response) : this.what.dialog
    this.user.onResponse(response, this.#sent?.flow, dialog)
    if (status >= 200) this.#releaseLater()
  }

  #applyFinal(response: SipResponse): Dialog | undefined {
    const { env, what } = this
    const { request } = what
    this.#closeOffer()
    const subscribes = response.status < 300 && beginsUsage(request, response)
    let { dialog } = what
    if (!dialog) {
      if (!subscribes && this.#notified) env.dialogs.remove(this.#notified)
      if (!subscribes || !this.#sent) return undefined
      dialog = dialogOfResponse(env.dialogs, this.#sent, response)
      if (!dialog) return undefined
    }
    concludeWithin(env.dialogs, dialog, request, response.status, response)
    // The peer has come back over another connection.
    if (!dialog.flow.open && this.#sent) dialog.flow = this.#sent.flow
    expireLater(env, dialog, request, response)
    if (request.method === 'UPDATE' && response.status < 300) env.settle(dialog, request, response, 'uac')
    if (request.method === 'BYE' && dialog.state !== 'ended') keepForCredentials(env, dialog)
    return dialog
  }

  #closeOffer(): void {
    const { dialog, request } = this.what
    if (dialog && request.method === 'UPDATE') dialog.ourUpdate = false
  }

  /** drachtio-srf gives its application the new dialog a turn later than it could give it the NOTIFY. */
  #releaseLater(): void {
    if (this.#held.length > 0) this.env.scheduler.after(headStartMs, () => this.#release())
  }

  #release(): void {
    for (const again of this.#held.splice(0)) again()
  }
}

/** A challenged BYE leaves the call as it is, for one that comes with credentials; but not for ever. */
function keepForCredentials(env: UacEnvironment, dialog: Dialog): void {
  env.scheduler.after(64 * env.timing.t1, () => {
    if (dialog.usages.has('invite')) env.dialogs.endUsage(dialog, 'invite')
  })
}
