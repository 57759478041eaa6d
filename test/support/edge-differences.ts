/**
 * What the two edges are known to do differently. Each entry is asserted by a test through `edge.differs` and listed
 * in docs/decisions/two-edges.md; a difference that is not here is a fault of one of them.
 */
export type EdgeName = 'embedded engine' | 'drachtio-server'

export interface Difference {
  readonly embedded: string
  readonly drachtioServer: string
  readonly why: string
}

export const differences = {
  '503 tells when to come again': {
    embedded: '503 with Retry-After where no application is connected',
    drachtioServer: '503 without Retry-After',
    why: 'phones shall not hammer a server that restarts (RFC 3261 §21.5.4)',
  },
  'a method without a taker': {
    embedded: '405 with Allow while an application is connected',
    drachtioServer: '503',
    why: '503 makes a phone leave the server; RFC 3261 §8.2.1 wants 405',
  },
  'giving up one method': {
    embedded: 'takes that method only',
    drachtioServer: 'takes all methods of that application',
    why: 'a fault of drachtio-server',
  },
  'an INVITE whose application has died': {
    embedded: '503 with Retry-After at once',
    drachtioServer: 'no final answer; the caller runs into its own time-out',
    why: 'a transaction is never left unanswered',
  },
  'the transport of a WebSocket phone': {
    embedded: '`req.protocol` is ws or wss',
    drachtioServer: '`req.protocol` is tcp for both',
    why: 'drachtio-server tells the transport below; the Via of the request tells more',
  },
  'REFER outside a dialog': {
    embedded: 'goes to the application',
    drachtioServer: 'dropped without an answer',
    why: 'a fault of drachtio-server',
  },
  'the host `localhost` in From and To of a response': {
    embedded: 'stays as the caller wrote it',
    drachtioServer: 'becomes the address of the listener',
    why: 'RFC 3261 §8.2.6.2: they equal those of the request; `localhost` stands for "your address" only in what an application begins',
  },
} as const satisfies Record<string, Difference>

export type DifferenceName = keyof typeof differences
