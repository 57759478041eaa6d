/** A call between an application and a raw phone, in either direction, with the dialog of each side. */
import { calleeSide, callerSide, inDialog, invite, sdp, type Dialog as Side } from './call.js'
import { contactOf, takeCall } from './callee.js'
import { deferred } from './deferred.js'
import type { Edge } from './edges.js'
import type { Phone, PhoneTransport, ReceivedMessage } from './phone.js'
import type { RequestOptions } from './sip-text.js'
import type { App, Dialog } from './srf.js'

export type Role = 'uas' | 'uac'

/** What the application offers or answers with. */
export const appSdp = sdp.replace('4000', '6000').replace(/$/, 'a=sendrecv\r\n')
/** What the phone does. */
export const phoneSdp = sdp.replace(/$/, 'a=sendrecv\r\n')

export interface AppCall {
  app: App
  dialog: Dialog
  phone: Phone
  /** The phone's side of the dialog, for `inDialog`. */
  side: Side
  /** Sends a request inside the dialog, with the phone's next CSeq. Returns its text. */
  readonly send: (method: string, more?: Partial<RequestOptions>) => string
  /** Sends it, and gives the final answer. */
  readonly ask: (method: string, more?: Partial<RequestOptions>) => Promise<ReceivedMessage>
  /** Acknowledges the answer to the request that was sent last. */
  readonly acknowledge: (body?: string) => void
}

/** Sets a call up in which the application has this role. */
export async function callWith(
  edge: Edge,
  role: Role,
  transport: PhoneTransport = 'udp',
  onDialog: (dialog: Dialog) => void = () => {},
): Promise<AppCall> {
  const phone = await edge.phone(transport)
  const made = await (role === 'uas' ? called(edge, phone, onDialog) : calling(edge, phone, onDialog))
  let cseq = 1
  const call: AppCall = {
    ...made,
    phone,
    send(method, more = {}) {
      cseq = more.cseq ?? cseq + 1
      const text = inDialog(phone, method, made.side, { contact: contactOf(phone), ...more, cseq })
      phone.send(text)
      return text
    },
    async ask(method, more) {
      call.send(method, more)
      return phone.expect((got) => (got.status ?? 0) >= 200 && got.header('cseq') === `${cseq} ${method}`)
    },
    acknowledge: (body = '') => phone.send(inDialog(phone, 'ACK', made.side, { cseq, body })),
  }
  return call
}

async function called(
  edge: Edge,
  phone: Phone,
  onDialog: (dialog: Dialog) => void,
): Promise<Pick<AppCall, 'app' | 'dialog' | 'side'>> {
  const answered = deferred<Dialog>()
  const app = await edge.application((app) =>
    app.invite((req, res) => {
      app.createUAS(req, res, { localSdp: appSdp }, (error, dialog) => {
        if (error) return answered.reject(error)
        onDialog(dialog)
        answered.resolve(dialog)
      })
    }),
  )
  phone.send(invite(phone, { contact: contactOf(phone), body: phoneSdp }))
  const side = callerSide(await phone.expect(200))
  const dialog = await answered.promise
  const acked = new Promise<unknown>((resolve) => dialog.on('ack', resolve))
  phone.send(inDialog(phone, 'ACK', side))
  await acked
  return { app, dialog, side }
}

async function calling(
  edge: Edge,
  phone: Phone,
  onDialog: (dialog: Dialog) => void,
): Promise<Pick<AppCall, 'app' | 'dialog' | 'side'>> {
  const app = await edge.application()
  const call = app.createUAC(contactOf(phone), { localSdp: appSdp })
  const { invite: received, sent } = await takeCall(phone, { body: phoneSdp })
  const dialog = await call
  onDialog(dialog)
  return { app, dialog, side: calleeSide(received, sent) }
}
