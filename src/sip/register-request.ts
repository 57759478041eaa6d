/** What a REGISTER asks for, read from its headers and checked. Pure. */
import type { SipTransport } from '../store/types.js'
import { hasControlCharacter, parseNameAddr, tokens } from './header-values.js'
import { MAX_URI_LENGTH, parseSipUri, type SipUri } from './sip-uri.js'
import type { Reply } from './reply.js'

export interface RegisterRequest {
  /** `*` stands for all bindings, with Expires: 0; empty: only a question. */
  contacts: '*' | readonly RequestedContact[]
  callId: string
  cseq: number
  path: readonly string[]
  /** The phone listed `outbound` in Supported (RFC 5626). */
  outbound: boolean
  /** `address:port`, IPv6 in brackets. */
  source: string
  transport: SipTransport
  /** `host:port` of the listener that it came to, where the edge tells it. */
  receivedOn: string | null
  userAgent: string | null
  node: string
}

export interface RequestedContact {
  contact: string
  uri: SipUri
  /** Seconds, from its parameter or from the Expires header; undefined: the registrar's default. */
  expires: number | undefined
  q: number
  instance: string | null
  regId: number | null
}

/** The part of a request that this file reads. */
export interface RegisterHeaders {
  header(name: string): string | undefined
  headerValues(name: string): string[]
}

export type Origin = Pick<RegisterRequest, 'source' | 'transport' | 'receivedOn' | 'node'>

const MAX_TEXT = 512
const MAX_PATHS = 10
const MAX_CONTACTS = 50

/** The request, or the answer to a bad one. */
export function readRegister(
  headers: RegisterHeaders,
  origin: Origin,
): { request: RegisterRequest } | { reply: Reply } {
  const callId = headers.header('call-id') ?? ''
  const cseq = Number(/^\s*(\d{1,10})\s/.exec(headers.header('cseq') ?? '')?.[1] ?? NaN)
  if (callId === '' || callId.length > MAX_TEXT || hasControlCharacter(callId)) return bad('Bad Call-ID')
  // 2**31 is excluded (§8.1.1.5).
  if (!(cseq < 2 ** 31)) return bad('Bad CSeq')

  const supported = tokens(headers.header('supported'))
  const path = headers.headerValues('path')
  if (path.length > MAX_PATHS || !path.every(isPath)) return bad('Bad Path')
  // The phone would not understand the Path in our answer (RFC 3327 §5.3).
  if (path.length > 0 && !supported.has('path'))
    return {
      reply: { status: 420, reason: 'Path Not Supported by the Phone', headers: { Unsupported: 'path' } },
    }

  const expires = readExpires(headers.header('expires'))
  const contacts = readContacts(headers.headerValues('contact'), expires)
  if (typeof contacts === 'object' && 'status' in contacts) return { reply: contacts }
  const userAgent = headers.header('user-agent')
  return {
    request: {
      contacts,
      callId,
      cseq,
      path,
      outbound: supported.has('outbound'),
      userAgent: userAgent?.replace(/[\u0000-\u001f\u007f]/g, '').slice(0, 255) ?? null,
      ...origin,
    },
  }
}

/** Calls to the phone will have it as a Route (RFC 3327 §4, RFC 3261 §20.34), so it has to be a good one. */
function isPath(value: string): boolean {
  if (value.length > MAX_TEXT || hasControlCharacter(value) || !value.includes('<')) return false
  return parseSipUri(parseNameAddr(value)?.uri ?? '') !== undefined
}

function readContacts(values: string[], expires: number | undefined): RegisterRequest['contacts'] | Reply {
  if (values.includes('*')) {
    // §10.3 step 6: alone, and with Expires: 0.
    return values.length === 1 && expires === 0
      ? '*'
      : badReply('Contact * Needs Expires: 0 and No Other Contact')
  }
  if (values.length > MAX_CONTACTS) return badReply('Too Many Contacts')
  const contacts: RequestedContact[] = []
  for (const value of values) {
    const contact = readContact(value, expires)
    if ('status' in contact) return contact
    contacts.push(contact)
  }
  return contacts
}

function readContact(value: string, headerExpires: number | undefined): RequestedContact | Reply {
  const address = parseNameAddr(value)
  if (address && address.uri.length > MAX_URI_LENGTH)
    return badReply(`Bad Contact: Longer Than ${MAX_URI_LENGTH} Characters`)
  const uri = address && parseSipUri(address.uri)
  if (!uri) return badReply('Bad Contact: Only SIP and SIPS URIs Can Be Registered')
  const q = readQ(address.params.get('q'))
  if (q === undefined) return badReply('Bad Contact: q Must Be Between 0 and 1')
  const instance = address.params.get('+sip.instance') ?? null
  if (instance !== null && (instance.length > MAX_TEXT || hasControlCharacter(instance)))
    return badReply('Bad Contact: +sip.instance')
  return {
    contact: address.uri,
    uri,
    expires: readExpires(address.params.get('expires') ?? undefined) ?? headerExpires,
    q,
    instance,
    // A reg-id without an instance is to be ignored (RFC 5626 §6).
    regId: instance === null ? null : readRegId(address.params.get('reg-id')),
  }
}

function readExpires(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  // Malformed values count as 3600 (§20.10, §20.19).
  return /^\s*\d{1,10}\s*$/.test(text) ? Math.min(Number(text), 2 ** 32 - 1) : 3600
}

function readQ(text: string | null | undefined): number | undefined {
  if (text === undefined || text === null) return 1
  return /^(0(\.\d{0,3})?|1(\.0{0,3})?)$/.test(text) ? Number(text) : undefined
}

function readRegId(text: string | null | undefined): number | null {
  const id = /^\d{1,10}$/.test(text ?? '') ? Number(text) : 0
  return id > 0 && id < 2 ** 31 ? id : null
}

function badReply(reason: string): Reply {
  return { status: 400, reason }
}

function bad(reason: string): { reply: Reply } {
  return { reply: badReply(reason) }
}
