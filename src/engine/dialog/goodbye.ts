/** Dialogs that the engine itself ends. */
import { Outgoing } from '../client/outgoing.js'
import { magicCookie } from '../message/via.js'
import { requestWithin, type Dialog } from './dialog.js'
import type { DialogEnvironment } from './environment.js'
import { nextHopOf } from './reach.js'

/**
 * Ends a call in the name of its application, with a BYE to the peer, and tells the application why. Nobody waits for
 * the answer: the dialog is over at once.
 */
export function endByUs(env: DialogEnvironment, dialog: Dialog, why: string): void {
  const bye = requestWithin(dialog, 'BYE')
  bye.append('reason', `SIP;cause=200;text="${why}"`)
  const { uri, flow } = nextHopOf(dialog)
  new Outgoing(
    env,
    {
      request: bye,
      nextHop: uri,
      ...(flow ? { flow } : {}),
      preferred: dialog.flow.listener,
      branch: () => magicCookie + env.unique(),
    },
    { onResponse: () => {}, onFailure: () => {} },
  ).start()
  env.tell(dialog, bye, { source: 'application', flow: dialog.flow, transactionId: 'unsolicited' })
  env.dialogs.remove(dialog)
}
