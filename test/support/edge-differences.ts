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
  're-INVITEs that cross': {
    embedded: '491 to the one that comes while ours is open',
    drachtioServer: 'hands it to the application',
    why: 'RFC 3261 §14.2',
  },
  'a CSeq that goes back': {
    embedded: '500',
    drachtioServer: 'hands it to the application',
    why: 'RFC 3261 §12.2.2',
  },
  'credentials within a dialog that the peer began': {
    embedded: 'are sent',
    drachtioServer: 'the header is lost, so that a challenge can not be met',
    why: 'a fault of drachtio-server',
  },
  'a dialog whose application is gone': {
    embedded: '503 with Retry-After: the application may be back soon',
    drachtioServer: '481: the peer ends the call',
    why: 'a restart should not end calls that can go on',
  },
  'a phone that moves': {
    embedded: 'requests follow the contact of its re-INVITE',
    drachtioServer: 'requests go to the address that the dialog began with',
    why: 'RFC 3261 §12.2.2: a target refresh',
  },
  'a subscription after its last NOTIFY': {
    embedded: 'is over: 481 to what the subscriber still sends within it',
    drachtioServer: 'what the subscriber sends goes to the application as a new request',
    why: 'RFC 6665 §4.4.1',
  },
  'the last NOTIFY to a subscriber': {
    embedded: 'is answered by the application',
    drachtioServer: 'is answered 500, whatever the application says',
    why: 'a fault of drachtio-server: it forgets the transaction with the dialog',
  },
  'a NOTIFY that overtakes': {
    embedded: 'waits for the answer to its SUBSCRIBE, then goes to the new dialog',
    drachtioServer: 'is taken for a new request, which nobody may want: 503',
    why: 'RFC 6665 §4.1.2.4',
  },
  'the Request-URI of a proxied request': {
    embedded: 'becomes the target',
    drachtioServer: 'becomes the target only if it names an address or configured domain of the server',
    why: 'RFC 3261 §16.6 step 2; drachtio-server wants its domains configured',
  },
  'a 6xx while another target rings': {
    embedded: 'cancels the others, and is the answer',
    drachtioServer: 'waits for the others',
    why: 'RFC 3261 §16.7 step 5',
  },
  finalTimeout: {
    embedded: 'ends the wait for a target',
    drachtioServer: 'is accepted and ignored',
    why: 'ring time-outs need it',
  },
  'a dead target of the proxy': {
    embedded: 'is noticed at once where its host refuses the connection',
    drachtioServer: 'costs 32 s, and no further target is tried',
    why: 'RFC 3261 §16.9',
  },
  'the record of a cancelled proxied call': {
    embedded: 'call-canceled for both legs',
    drachtioServer: 'call-rejected for the leg of the caller',
    why: 'it was cancelled',
  },
  'commands before authentication': {
    embedded: 'are refused, and the connection is closed',
    drachtioServer: 'are served',
    why: 'a secret that nobody checks is none',
  },
  'commands of more than some 12 kB': {
    embedded: 'are taken up to 1 MB',
    drachtioServer: 'are lost, with all that follow on that connection',
    why: 'a fault of drachtio-server',
  },
  'a challenge while another target rings': {
    embedded: 'is kept until all targets have answered, and merged with other challenges',
    drachtioServer: 'goes to the caller at once, and a 200 may follow it',
    why: 'RFC 3261 §16.7 steps 5 to 7',
  },
  'Record-Route across transports': {
    embedded: 'two entries, one for each side',
    drachtioServer: 'one, with the transport of the callee',
    why: 'RFC 5658',
  },
  'a header of a proxied request with an empty value': {
    embedded: 'is removed',
    drachtioServer: 'stays as the caller wrote it',
    why: 'credentials and claimed identities must not reach the callee (control-extensions.md)',
  },
  'a second device that answers': {
    embedded: 'gets ACK and BYE from the engine',
    drachtioServer: 'is left without',
    why: 'RFC 3261 §13.2.2.4',
  },
  'a dialog whose application has reconnected': {
    embedded: 'goes on: what the peer sends goes to an application that takes its method',
    drachtioServer: '481',
    why: 'a lost connection between two processes should not end calls',
  },
} as const satisfies Record<string, Difference>

export type DifferenceName = keyof typeof differences
