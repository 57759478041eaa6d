/** What became of a call: the same for calls that are proxied, bridged, or refused by us. */
import type { CallDevice } from '../../store/call.js'
import { hostPort, parseNameAddr } from '../header-values.js'
import type { Reply } from '../reply.js'
import type { ProxyResult } from '../edge-fields.js'
import type { Target } from '../routing.js'

/** Times are milliseconds since the epoch. */
export interface CallReport {
  /** The final answer that the caller got. */
  status: number
  reason: string
  /** A sentence for people that came with it. */
  explanation: string | null
  /** Whose answer it is. */
  by: 'server' | 'callee'
  rangAt: number | null
  /** How many devices were called. */
  devices: number
  /** The device that spoke the last word, or that alone was called; null: there is no such one. */
  device: CallDevice | null
  /** Of the device that answered. */
  calleeTag: string | null
}

/** For answers of ours whose reason is left to the edge. */
const REASONS: Readonly<Record<number, string>> = {
  403: 'Forbidden',
  404: 'Not Found',
  480: 'Temporarily Unavailable',
  487: 'Request Terminated',
  488: 'Not Acceptable Here',
  500: 'Server Internal Error',
  503: 'Service Unavailable',
}

/** Nobody was called: the answer is ours. */
export function reportOfReply({ status, reason, headers }: Reply): CallReport {
  return {
    status,
    reason: reason ?? REASONS[status] ?? '',
    explanation: warningText([headers?.['Warning'] ?? []].flat()[0]),
    by: 'server',
    rangAt: null,
    devices: 0,
    device: null,
    calleeTag: null,
  }
}

/** What the edge has told of a proxied call. */
export function reportOfProxy({ responses, rangAt }: ProxyResult, targets: readonly Target[]): CallReport {
  const last = responses.at(-1)
  // An edge that stops answers for itself, and tells of no response.
  const status = last?.status ?? 503
  const head = last?.message.split('\r\n\r\n', 1)[0] ?? ''
  const spoke = responses.findLast((one) => one.status === status && one.address !== '')
  const alone = targets.length === 1 ? targets[0]?.registration : undefined
  const source = spoke && hostPort(spoke.address, spoke.port)
  const registration = targets.find((target) => target.registration.source === source)?.registration ?? alone
  const device = spoke ?? alone
  return {
    status,
    reason: /^SIP\/2\.0 \d{3} (.*)/.exec(head)?.[1]?.trim() ?? REASONS[status] ?? '',
    explanation: warningText(headerOf(head, 'Warning')),
    by: spoke && !madeByEdge.has(status) ? 'callee' : 'server',
    rangAt: rangAt ?? null,
    devices: targets.length,
    device: device
      ? {
          address: source ?? alone?.source ?? '',
          transport: device.transport,
          cipher: spoke?.cipher ?? null,
          userAgent:
            headerOf(head, 'User-Agent') ?? headerOf(head, 'Server') ?? registration?.userAgent ?? null,
        }
      : null,
    calleeTag: parseNameAddr(headerOf(head, 'To') ?? '')?.params.get('tag') ?? null,
  }
}

/** Silence, a connection that is gone: what edges report in the name of a device. */
const madeByEdge: ReadonlySet<number> = new Set([408, 430, 480, 487])

/** Of a response whose names have the usual spelling, as edges give it. */
function headerOf(head: string, name: string): string | undefined {
  return new RegExp(`^${name}[ \\t]*:(.*)$`, 'im').exec(head)?.[1]?.trim()
}

/** `399 agent "text"` (RFC 3261 §20.43). */
function warningText(value: string | undefined): string | null {
  const text = /^\s*\d{3}\s+\S+\s+"((?:[^"\\]|\\.)*)"/.exec(value ?? '')?.[1]
  return text?.replace(/\\(.)/g, '$1') ?? null
}
