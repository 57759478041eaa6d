/** A 2xx to an INVITE of ours until its ACK, and the ACK again for each repetition: RFC 3261 §13.2.2.4. */
import type { SipRequest } from '../message/sip-message.js'
import type { Flow } from '../transport/transport.js'
import { requestWithin, type Dialog } from './dialog.js'
import { sendAck, wayWithin, type UacEnvironment } from './uac-send.js'

/** §22.1: "the ACK MUST contain the same credentials as the INVITE". */
const credentials = ['authorization', 'proxy-authorization'] as const

export class Answer {
  /** An ACK has been made; it may still wait for the name of its next hop. */
  acknowledged = false
  /** Why the call is to end as soon as it is acknowledged. */
  doom: string | undefined
  #sent: { ack: Buffer; flow: Flow } | undefined

  constructor(
    private readonly env: UacEnvironment,
    readonly dialog: Dialog,
    private readonly invite: SipRequest,
  ) {}

  /** The sequence number that the ACK must have. */
  get seq(): number {
    return this.invite.cseq.seq
  }

  /** `ack` is a request of the dialog with that number; absent: an empty one. */
  acknowledge(
    ack = requestWithin(this.dialog, 'ACK', this.seq),
    onSent?: (ack: SipRequest, flow: Flow) => void,
  ): void {
    this.acknowledged = true
    if (ack.body.length > 0) this.dialog.localSdp = ack.body
    for (const name of credentials) {
      if (ack.get(name) !== undefined) continue
      for (const line of this.invite.lines(name)) ack.append(name, line)
    }
    sendAck(this.env, ack, wayWithin(this.env, this.dialog), (sent, flow) => {
      this.#sent = { ack: sent.serialize(), flow }
      onSent?.(sent, flow)
    })
  }

  /** The peer has not got it, or not yet. */
  repeat(): void {
    if (this.#sent) this.env.send(this.#sent.flow, this.#sent.ack)
  }
}
