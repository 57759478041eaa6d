/** What the fields of drachtio's frames say, as drachtio-srf hands them on. The functions are for edge.ts. */
import type { SipTransport } from '../store/types.js'
import { parseNameAddr } from './header-values.js'

export interface ProxyResult {
  /** A target accepted. */
  connected: boolean
  /** Final responses of the targets in the order of arrival; the caller got the last. None: all branches timed out. */
  responses: readonly ProxyResponse[]
  /** When the first target began to ring, milliseconds since the epoch, where the edge tells. */
  rangAt?: number
}

export interface ProxyResponse {
  /** Where it came from; empty: the edge has made it. */
  address: string
  port: number
  transport: SipTransport
  /** As `EdgeRequest.cipher`. */
  cipher: string | undefined
  status: number
  /** The response as it came. */
  message: string
}

/** A BYE that passed between two phones. */
export interface HangUp {
  callId: string
  fromTag: string
  toTag: string
}

export type ProxyCallback = (
  token: string[],
  message: string | undefined,
  meta: { address?: string; port?: string; protocol?: string },
) => void

interface SrfMessage {
  get(name: string): string | undefined
}

/** The embedded engine's extension: docs/decisions/control-extensions.md. */
const CIPHER_FIELD = 10

export function proxyResponse(...[token, message = '', meta]: Parameters<ProxyCallback>): ProxyResponse {
  return {
    address: meta.address ?? '',
    port: Number(meta.port),
    transport: transportOf(meta.protocol, undefined),
    cipher: cipherOf(token[CIPHER_FIELD]),
    status: Number(/^SIP\/2\.0 (\d{3})/.exec(message)?.[1] ?? 0),
    message,
  }
}

/** `tls=TLSv1.3;cipher=…`, as the embedded engine tells it. */
export function cipherOf(text: string | undefined): string | undefined {
  const [, version, cipher] = /^tls=([^;]+);cipher=([^;]+)/.exec(text ?? '') ?? []
  return version === undefined ? undefined : `${version} ${cipher}`
}

/** What an application routes to be told of each BYE that passes: docs/decisions/control-extensions.md. */
export const hangUpEvent = 'cdr:bye'

export function tellHangUp(event: unknown[], onHangUp: (bye: HangUp) => void): void {
  const [source, , reason, message] = event as [string, string, string, SrfMessage]
  if (source !== 'network' || reason !== 'normal-release') return
  const callId = message.get('call-id')
  const [fromTag, toTag] = ['from', 'to'].map((name) =>
    parseNameAddr(message.get(name) ?? '')?.params.get('tag'),
  )
  if (callId !== undefined && fromTag && toTag) onHangUp({ callId, fromTag, toTag })
}

/**
 * drachtio-server reports ws as tcp; the Via tells. What it can't do is make an insecure transport look secure,
 * since phones write the Via.
 */
export function transportOf(protocol: string | undefined, via: string | undefined): SipTransport {
  switch (protocol?.toLowerCase()) {
    case 'tcp':
      return /^SIP\s*\/\s*2\.0\s*\/\s*wss?\s/i.test(via ?? '') ? 'ws' : 'tcp'
    case 'tls':
      return /^SIP\s*\/\s*2\.0\s*\/\s*wss\s/i.test(via ?? '') ? 'wss' : 'tls'
    case 'ws':
      return 'ws'
    case 'wss':
      return 'wss'
    default:
      return 'udp'
  }
}

/** `udp/192.0.2.1:5060,tcp/[2001:db8::1]:5060` */
export function parseHostports(text: string): { host: string; port: number }[] {
  return text.split(',').flatMap((entry) => {
    const match = /^\s*\w+\/\[?([^\]]+?)\]?:(\d+)\s*$/.exec(entry)
    return match?.[1] === undefined ? [] : [{ host: match[1].toLowerCase(), port: Number(match[2]) }]
  })
}
