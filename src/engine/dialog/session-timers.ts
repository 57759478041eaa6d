/** Keeps calls with a session timer alive, or ends those whose peer does not (RFC 4028 §10). */
import type { SipRequest, SipResponse } from '../message/sip-message.js'
import type { Timer } from '../transaction/timers.js'
import { requestWithin, type Dialog } from './dialog.js'
import { endByUs, sessionExpired } from './goodbye.js'
import { offerSession, settledSession } from './session.js'
import { UacInvite, type UacUser } from './uac-invite.js'
import { UacRequest } from './uac-request.js'
import { wayWithin, type UacEnvironment } from './uac-send.js'

export class SessionTimers {
  readonly #timers = new Map<Dialog, Timer[]>()

  constructor(private readonly env: UacEnvironment) {}

  /** A 2xx to an INVITE or UPDATE has gone out (`uas`) or come in (`uac`). */
  settle(dialog: Dialog, request: SipRequest, response: SipResponse, side: 'uac' | 'uas'): void {
    const ours = side === 'uac' ? request : response
    const peers = side === 'uac' ? response : request
    if (ours.body.length > 0) dialog.localSdp = ours.body
    if (!dialog.session && response.get('session-expires') === undefined) return
    this.#stop(dialog)
    dialog.session = settledSession(response, side, peers, dialog.session)
    if (dialog.session && dialog.state !== 'ended') this.#start(dialog, dialog.session.seconds * 1000)
  }

  #start(dialog: Dialog, duration: number): void {
    const { scheduler } = this.env
    // §10: a little before it expires, so that the BYE gets to the peer while it knows the call.
    const timers = [
      scheduler.after(duration - Math.min(32_000, duration / 3), () =>
        endByUs(this.env, dialog, sessionExpired),
      ),
    ]
    if (dialog.session?.weRefresh === true)
      timers.push(scheduler.after(duration / 2, () => this.#refresh(dialog)))
    if (!this.#timers.has(dialog)) {
      dialog.onEnd.push(() => {
        this.#stop(dialog)
        this.#timers.delete(dialog)
      })
    }
    this.#timers.set(dialog, timers)
  }

  #stop(dialog: Dialog): void {
    for (const timer of this.#timers.get(dialog)?.splice(0) ?? []) timer.cancel()
  }

  /** By UPDATE where the peer takes it: it leaves the media alone (§7.4). */
  #refresh(dialog: Dialog): void {
    const { env } = this
    if (dialog.leaving) return
    // A re-INVITE under way refreshes as well; if it fails there is time for another try.
    if (dialog.ourInvite || dialog.peerInvite) return this.#tryAgain(dialog)
    const update = dialog.session?.canUpdate === true || !dialog.localSdp
    const request = requestWithin(dialog, update ? 'UPDATE' : 'INVITE')
    request.append('contact', dialog.localContact ?? '<sip:localhost>')
    offerSession(request, dialog.session)
    if (!update && dialog.localSdp) {
      request.append('content-type', 'application/sdp')
      request.body = dialog.localSdp
    }
    const options = { request, way: wayWithin(env, dialog), direct: false, owner: dialog.owner, dialog }
    const user: UacUser = {
      onSent: () => {},
      onResponse: ({ status }) => {
        if (status >= 300) this.#onFailure(dialog, status)
        else if (status >= 200 && invite) invite.acknowledge()
      },
      onFailure: (status) => this.#onFailure(dialog, status),
    }
    const invite = update ? undefined : new UacInvite(env, options, { ...user, onSettled: () => {} })
    ;(invite ?? new UacRequest(env, options, user)).start()
  }

  #onFailure(dialog: Dialog, status: number): void {
    // §10: the peer is gone, or knows the call no longer.
    if (status === 408 || status === 481) endByUs(this.env, dialog, sessionExpired)
    else if (status === 491) this.#tryAgain(dialog)
  }

  /** RFC 3261 §14.1. */
  #tryAgain(dialog: Dialog): void {
    const delay = 2100 + Math.random() * 1900
    this.#timers.get(dialog)?.push(this.env.scheduler.after(delay, () => this.#refresh(dialog)))
  }
}
