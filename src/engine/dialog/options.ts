/** Option tags in Supported, Require and their kind (RFC 3261 §19.2). */
import type { SipMessage } from '../message/sip-message.js'

export function hasOption(message: SipMessage, name: 'supported' | 'require', tag: string): boolean {
  return message.values(name).some((value) => value.toLowerCase() === tag)
}

export function withoutOption(message: SipMessage, name: 'supported' | 'require', tag: string): void {
  const rest = message.values(name).filter((value) => value.toLowerCase() !== tag)
  if (rest.length > 0) message.set(name, rest.join(', '))
  else message.remove(name)
}
