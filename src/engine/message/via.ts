/** The Via header (RFC 3261 §20.42, §18.1.1, §18.2.1; RFC 3581). */
import { isBlank, parseNumber, tokenEnd, trimmedSlice } from './chars.js'
import { formatHostPort, parseHostPort } from './host.js'
import { findParam, formatParams, parseParams, withParam, type Param } from './params.js'

/** Branches of RFC 3261 elements begin with it (§8.1.1.7). */
export const magicCookie = 'z9hG4bK'

/** The version of SIP that this is. */
export const ownVersion = '2.0'

/** One Via value. Immutable; changed copies come from `with`. */
export class Via {
  readonly branch: string | undefined
  /** Without brackets. */
  readonly received: string | undefined
  /** The port the request came from, filled in by the server; undefined if absent or still empty. */
  readonly rport: number | undefined
  /** The client asks for the response to come back to its source port (RFC 3581 §3): `;rport` is there. */
  readonly wantsRport: boolean

  constructor(
    /** Upper case: UDP, TCP, TLS, WS, WSS, ... */
    readonly transport: string,
    /** Lower case, IPv6 without brackets. */
    readonly host: string,
    readonly port: number | undefined,
    readonly params: readonly Param[],
    /** Of SIP, as in the start line. Others than 2.0 are read so that their senders can be told. */
    readonly version: string = ownVersion,
  ) {
    this.branch = findParam(params, 'branch')
    const received = findParam(params, 'received')
    this.received = received?.startsWith('[') ? received.slice(1, -1) : received
    const rport = findParam(params, 'rport')
    this.wantsRport = rport !== undefined
    this.rport = rport ? parseNumber(rport, 65535) : undefined
  }

  /** The branch identifies the transaction (§17.2.3). A cookie with nothing behind it does not (RFC 4475 §3.2.1). */
  get hasMagicCookie(): boolean {
    return (
      this.branch !== undefined &&
      this.branch.length > magicCookie.length &&
      this.branch.startsWith(magicCookie)
    )
  }

  /** The same with one parameter (lower case name) replaced or added. */
  with(name: string, value: string | undefined): Via {
    const { transport, host, port, params, version } = this
    return new Via(transport, host, port, withParam(params, name, value), version)
  }
}

/**
 * Reads one Via value; blanks are allowed around every separator (§25.1: SLASH, COLON, SEMI and EQUAL include LWS).
 * Undefined if it is malformed.
 */
export function parseVia(text: string): Via | undefined {
  let version = ownVersion
  let from = 8
  if (!text.startsWith('SIP/2.0/') || isBlank(text.charCodeAt(from))) {
    const protocol = /^[ \t]*sip[ \t]*\/[ \t]*(\d+\.\d+)[ \t]*\/[ \t]*/i.exec(text)
    if (protocol?.[1] === undefined) return undefined
    version = protocol[1]
    from = protocol[0].length
  }
  const end = tokenEnd(text, from)
  if (end === from || !isBlank(text.charCodeAt(end))) return undefined
  const transport = text.slice(from, end)
  const semicolon = text.indexOf(';', end)
  const sentByEnd = semicolon === -1 ? text.length : semicolon
  const sentBy = parseHostPort(trimmedSlice(text, end, sentByEnd))
  const params = parseParams(text, sentByEnd)
  if (sentBy === undefined || params === undefined) return undefined
  return new Via(transport.toUpperCase(), sentBy.host, sentBy.port, params, version)
}

/** `SIP/2.0/UDP host:port;branch=...` */
export function formatVia(via: Via): string {
  return `SIP/${via.version}/${via.transport} ${formatHostPort(via.host, via.port)}${formatParams(via.params)}`
}
