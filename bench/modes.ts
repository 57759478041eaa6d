/**
 * The loads that a server can be driven with: each is a SIPp scenario of its name, and here how an operation looks in
 * SIPp's log.
 */

/**
 * `register`, `refresh`, `call`: as phones do it, with a challenge. `bare-register`, `plain-call`: nobody challenges.
 */
export type Mode = 'register' | 'refresh' | 'call' | 'bare-register' | 'plain-call'

interface Shape {
  /** CSeq of the request that opens an operation, and of the 200 that closes it. */
  opens: RegExp
  closes: RegExp
  /** One SIPp call holds many operations. */
  many: boolean
}

const once = (opens: RegExp, closes: RegExp): Shape => ({ opens, closes, many: false })
const refresh = /^CSeq:\s*(?!1 |2 )\d+ REGISTER/

export const shapes: Record<Mode, Shape> = {
  register: once(/^CSeq:\s*1 REGISTER/, /^CSeq:\s*2 REGISTER/),
  refresh: { opens: refresh, closes: refresh, many: true },
  // Until the answer: what the caller waits for. A BYE that fails is counted as a failure by SIPp.
  call: once(/^CSeq:\s*1 INVITE/, /^CSeq:\s*2 INVITE/),
  'bare-register': once(/^CSeq:\s*1 REGISTER/, /^CSeq:\s*1 REGISTER/),
  'plain-call': once(/^CSeq:\s*1 INVITE/, /^CSeq:\s*1 INVITE/),
}
