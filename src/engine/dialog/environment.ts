/** What the dialog layer needs of the rest of the engine. */
import type { ClientEnvironment } from '../client/environment.js'
import type { SipMessage, SipRequest, SipResponse } from '../message/sip-message.js'
import type { Incoming } from '../transaction/incoming.js'
import type { Flow } from '../transport/transport.js'
import type { Dialog } from './dialog.js'
import type { DialogTable } from './table.js'

export interface DialogEnvironment extends ClientEnvironment {
  readonly dialogs: DialogTable
  /** Gives the application of the dialog a message that it has to know of and can't answer: an ACK, a BYE of ours. */
  tell(dialog: Dialog, message: SipMessage, event: DialogEvent): void
  /** A 2xx to an INVITE or UPDATE has gone out (`uas`) or come in (`uac`): the session begins or goes on (RFC 4028). */
  settle(dialog: Dialog, request: SipRequest, response: SipResponse, side: 'uac' | 'uas'): void
  /** Tells the application that an INVITE with it has ended without it, as by a CANCEL of the caller. */
  cancelled(incoming: Incoming, cancel: SipRequest, dialogId: string | undefined): void
}

export interface DialogEvent {
  source: 'network' | 'application'
  flow: Flow | undefined
  transactionId: string
  /** Of a BYE of ours: what for. */
  why?: string
}
