/** Dialogs that the engine itself ends. */
import type { Dialog } from './dialog.js'
import { hangUp, type UacEnvironment } from './uac-send.js'

/** The reason for which a call ends that nobody has refreshed (RFC 4028 §10). */
export const sessionExpired = 'Session timer expired'

/**
 * Ends a call in the name of its application, with a BYE to the peer; the application is told, and why. Where it has
 * hung up itself, its own BYE is on its way.
 */
export function endByUs(env: UacEnvironment, dialog: Dialog, why: string): void {
  if (dialog.leaving) return env.dialogs.endUsage(dialog, 'invite')
  const { bye, flow } = hangUp(env, dialog, why)
  env.tell(dialog, bye, { source: 'application', flow, transactionId: 'unsolicited', why })
}
