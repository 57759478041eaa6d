/** The two ends of a call, as a test drives them: INVITE, ringing, answer, ACK, requests inside the dialog, BYE. */
import type Srf from 'drachtio-srf'
import { targetOf, type TestEdge } from './edge.js'
import type { Phone, ReceivedMessage } from './phone.js'
import { param, uriOf, type RequestOptions } from './sip-text.js'

/** What these tests use of drachtio-srf's request and response; its own types leave `proxy` out. */
export interface AppRequest {
  uri: string
  method: string
  protocol: string
  source_address: string
  source_port: number
  get(name: string): string
  proxy(options: object): Promise<Result>
  on(event: 'cancel', listener: (cancel: AppRequest) => void): void
}

export interface AppResponse {
  send(status: number, options?: object, callback?: (error: unknown, sent: AppRequest) => void): void
}

export function onRequest(
  srf: Srf,
  method: string,
  handler: (req: AppRequest, res: AppResponse) => void,
): void {
  const app = srf as unknown as {
    use(method: string, handler: (req: AppRequest, res: AppResponse) => void): void
  }
  app.use(method, handler)
}

export const sdp =
  'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n'

export interface Result {
  connected: boolean
  finalStatus?: number
  responses: { address: string; port: number; msgs: { status: number }[] }[]
}

/** The application: each INVITE goes to these targets with these options; `result()` gives the outcomes in order. */
export function proxyTo(
  srf: Srf,
  targets: () => string[],
  options: object = {},
): { result: () => Promise<Result> } {
  const results: Promise<Result>[] = []
  onRequest(srf, 'invite', (req) => {
    results.push(
      req.proxy({ destination: targets(), recordRoute: true, forking: 'simultaneous', ...options }),
    )
  })
  return {
    result: () => results.shift() ?? Promise.reject(new Error('no INVITE has reached the application yet')),
  }
}

export function invite(phone: Phone, options: Partial<RequestOptions> = {}): string {
  return phone.request({
    method: 'INVITE',
    uri: 'sip:222@localhost',
    from: 'sip:alice@localhost',
    to: 'sip:222@localhost',
    contentType: 'application/sdp',
    body: sdp,
    ...options,
  })
}

/** A request inside the dialog, as a UA makes it from the 2xx (caller) or the INVITE (callee). */
export function inDialog(
  phone: Phone,
  method: string,
  dialog: Dialog,
  more: Partial<RequestOptions> = {},
): string {
  const [fromTag, toTag] = [param(dialog.from, 'tag'), param(dialog.to, 'tag')]
  if (fromTag === undefined || toTag === undefined) throw new Error('a dialog has two tags')
  return phone.request({
    method,
    uri: dialog.target,
    from: untagged(dialog.from),
    fromTag,
    to: untagged(dialog.to),
    toTag,
    callId: dialog.callId,
    route: dialog.routes,
    cseq: method === 'ACK' ? 1 : 2,
    ...more,
  })
}

function untagged(value: string): string {
  return value.replace(/;\s*tag=[^;]*/i, '')
}

export interface Dialog {
  target: string
  /** Header values, tags included. */
  from: string
  to: string
  callId: string
  routes: string[]
}

export function callerSide(answer: ReceivedMessage): Dialog {
  return {
    target: uriOf(answer.header('contact')),
    from: answer.header('from') ?? '',
    to: answer.header('to') ?? '',
    callId: answer.header('call-id') ?? '',
    routes: answer
      .all('record-route')
      .flatMap((line) => line.split(/,\s*/))
      .reverse(),
  }
}

export function calleeSide(received: ReceivedMessage, sentAnswer: string): Dialog {
  return {
    target: uriOf(received.header('contact')),
    from: /^To: (.*)$/im.exec(sentAnswer)?.[1] ?? '',
    to: received.header('from') ?? '',
    callId: received.header('call-id') ?? '',
    routes: received.all('record-route').flatMap((line) => line.split(/,\s*/)),
  }
}

/** Sets a call up and gives both sides of the dialog. `contact`: what the callee answers with. */
export async function connect(
  caller: Phone,
  callee: Phone,
  contact = targetOf(callee, 'callee').replace(/;flow.*/, ''),
): Promise<{ caller: Dialog; callee: Dialog }> {
  caller.send(invite(caller))
  const received = await callee.expect('INVITE')
  callee.reply(received, 180)
  await caller.expect(180)
  const sent = callee.reply(received, 200, { contact, contentType: 'application/sdp', body: sdp })
  const answer = await caller.expect(200)
  const sides = { caller: callerSide(answer), callee: calleeSide(received, sent) }
  caller.send(inDialog(caller, 'ACK', sides.caller))
  await callee.expect('ACK')
  return sides
}

export async function hangUp(from: Phone, side: Dialog, to: Phone): Promise<void> {
  from.send(inDialog(from, 'BYE', side))
  const bye = await to.expect('BYE')
  if (bye.all('route').length > 0) throw new Error('our Route entries are still there')
  to.reply(bye, 200)
  await from.expect((message) => message.status === 200 && /BYE/.test(message.header('cseq') ?? ''))
}

export async function twoPhones(
  edge: TestEdge,
  kinds: readonly ['udp' | 'tcp', 'udp' | 'tcp'],
): Promise<[Phone, Phone]> {
  return [await edge.phone(kinds[0]), await edge.phone(kinds[1])]
}
