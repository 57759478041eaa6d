/** A raw phone as the callee of an application's own call. */
import { sdp } from './call.js'
import type { Phone, ReceivedMessage } from './phone.js'
import type { ResponseOptions } from './sip-text.js'

/**
 * Where this phone is, as it would say in a Contact. Each has a user of its own: drachtio-server remembers the
 * connection of a registered contact by user and host alone.
 */
export function contactOf(phone: Phone, user = `bob${phone.localPort}`): string {
  const transport = phone.transport === 'udp' ? '' : `;transport=${phone.transport}`
  return `sip:${user}@${phone.localHost}:${phone.localPort}${transport}`
}

/** Answers an INVITE with 200, a Contact and SDP; gives the text that was sent. */
export function answer(phone: Phone, invite: ReceivedMessage, more: ResponseOptions = {}): string {
  return phone.reply(invite, 200, {
    contact: contactOf(phone),
    contentType: 'application/sdp',
    body: sdp,
    ...more,
  })
}

/** Takes the next call: rings, answers, waits for the ACK. */
export async function takeCall(
  phone: Phone,
  more: ResponseOptions = {},
): Promise<{ invite: ReceivedMessage; sent: string; ack: ReceivedMessage }> {
  const invite = await phone.expect('INVITE')
  phone.reply(invite, 180)
  const sent = answer(phone, invite, more)
  return { invite, sent, ack: await phone.expect('ACK') }
}

/** Answers the next request of that method with 200. */
export async function accept(phone: Phone, method: string, more?: ResponseOptions): Promise<ReceivedMessage> {
  const request = await phone.expect(method)
  phone.reply(request, 200, more)
  return request
}

/** The branch of the topmost Via. */
export function branchOf(message: ReceivedMessage): string | undefined {
  return /;\s*branch=([^;,\s]+)/.exec(message.header('via') ?? '')?.[1]
}
