/** Responses made from a request (RFC 3261 §8.2.6), and the reason phrases of the status codes. */
import { canonicalName } from './header-names.js'
import type { HeaderField } from './message.js'
import { oneLine } from './one-line.js'
import { SipResponse, type SipRequest } from './sip-message.js'
import { newTag } from './tokens.js'

export interface ResponseOptions {
  /** Tag to put on To if it has none; a random one without it. Never put on a 100. */
  toTag?: string
  /** Lines to add, in order; latin1 text like everything in a message. */
  headers?: readonly (readonly [label: string, value: string])[]
  body?: Buffer
  /** Copy Record-Route: wanted in the responses to a request that makes a dialog (§12.1.1). */
  recordRoute?: boolean
}

/**
 * Via, From, To, Call-ID and CSeq are copied in the order of the request (§8.2.6.2), Timestamp too into a 100
 * (§8.2.6.1). The To tag is added if there is none and the status is above 100.
 */
export function responseTo(
  request: SipRequest,
  status: number,
  reason: string = reasonPhrase(status),
  options: ResponseOptions = {},
): SipResponse {
  const headers: HeaderField[] = []
  for (const { name, label, value } of request.headers) {
    switch (name) {
      case 'via':
      case 'from':
      case 'call-id':
      case 'cseq':
        headers.push({ name, label, value })
        break
      case 'to': {
        const needsTag = status > 100 && request.toTag === undefined
        headers.push({ name, label, value: needsTag ? `${value};tag=${options.toTag ?? newTag()}` : value })
        break
      }
      case 'timestamp':
        if (status === 100) headers.push({ name, label, value })
        break
      case 'record-route':
        if (options.recordRoute === true && status > 100 && status < 300) headers.push({ name, label, value })
        break
    }
  }
  for (const [label, value] of options.headers ?? [])
    headers.push({ name: canonicalName(label), label, value: oneLine(value) })
  return new SipResponse(status, reason, headers, options.body)
}

const phrases = new Map<number, string>([
  [100, 'Trying'],
  [180, 'Ringing'],
  [181, 'Call Is Being Forwarded'],
  [182, 'Queued'],
  [183, 'Session Progress'],
  [199, 'Early Dialog Terminated'],
  [200, 'OK'],
  [202, 'Accepted'],
  [204, 'No Notification'],
  [300, 'Multiple Choices'],
  [301, 'Moved Permanently'],
  [302, 'Moved Temporarily'],
  [305, 'Use Proxy'],
  [380, 'Alternative Service'],
  [400, 'Bad Request'],
  [401, 'Unauthorized'],
  [402, 'Payment Required'],
  [403, 'Forbidden'],
  [404, 'Not Found'],
  [405, 'Method Not Allowed'],
  [406, 'Not Acceptable'],
  [407, 'Proxy Authentication Required'],
  [408, 'Request Timeout'],
  [410, 'Gone'],
  [412, 'Conditional Request Failed'],
  [413, 'Request Entity Too Large'],
  [414, 'Request-URI Too Long'],
  [415, 'Unsupported Media Type'],
  [416, 'Unsupported URI Scheme'],
  [417, 'Unknown Resource-Priority'],
  [420, 'Bad Extension'],
  [421, 'Extension Required'],
  [422, 'Session Interval Too Small'],
  [423, 'Interval Too Brief'],
  [424, 'Bad Location Information'],
  [425, 'Bad Alert Message'],
  [428, 'Use Identity Header'],
  [429, 'Provide Referrer Identity'],
  [430, 'Flow Failed'],
  [433, 'Anonymity Disallowed'],
  [436, 'Bad Identity Info'],
  [437, 'Unsupported Credential'],
  [438, 'Invalid Identity Header'],
  [439, 'First Hop Lacks Outbound Support'],
  [440, 'Max-Breadth Exceeded'],
  [469, 'Bad Info Package'],
  [470, 'Consent Needed'],
  [480, 'Temporarily Unavailable'],
  [481, 'Call/Transaction Does Not Exist'],
  [482, 'Loop Detected'],
  [483, 'Too Many Hops'],
  [484, 'Address Incomplete'],
  [485, 'Ambiguous'],
  [486, 'Busy Here'],
  [487, 'Request Terminated'],
  [488, 'Not Acceptable Here'],
  [489, 'Bad Event'],
  [491, 'Request Pending'],
  [493, 'Undecipherable'],
  [494, 'Security Agreement Required'],
  [500, 'Server Internal Error'],
  [501, 'Not Implemented'],
  [502, 'Bad Gateway'],
  [503, 'Service Unavailable'],
  [504, 'Server Time-out'],
  [505, 'Version Not Supported'],
  [513, 'Message Too Large'],
  [555, 'Push Notification Service Not Supported'],
  [580, 'Precondition Failure'],
  [600, 'Busy Everywhere'],
  [603, 'Decline'],
  [604, 'Does Not Exist Anywhere'],
  [606, 'Not Acceptable'],
  [607, 'Unwanted'],
  [608, 'Rejected'],
])

/** The registered phrase of a status code, or that of its class (§8.1.3.2: x00). */
export function reasonPhrase(status: number): string {
  return phrases.get(status) ?? phrases.get(Math.floor(status / 100) * 100) ?? 'Unknown'
}
