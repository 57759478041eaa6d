/**
 * What an account's security model asks of the media: the only place that decides it. Offer and answer have to meet
 * the same rules, so it does not matter which of them a body is. Pure. See docs/security-models.md.
 */
import type { SecurityModel } from '../store/types.js'
import { warning, type Reply } from './reply.js'

/** The body of a SIP message, with the headers that say how to read it. */
export interface Body {
  /** Undefined: none is named. */
  contentType: string | undefined
  contentEncoding?: string | undefined
  text: string
}

interface Media {
  kind: string
  protocol: string
  /** The lines of this m= line alone, and after them those of the whole session. */
  lines: readonly string[]
  session: readonly string[]
}

type Protection = 'none' | 'sdes' | 'dtls' | 'zrtp'

/** Keys in the signalling: SDES (RFC 4568), MIKEY (RFC 4567), k= (RFC 4566 §5.12); as capabilities too (RFC 5939). */
const KEY_LINE = /^(a=(acap:\d+\s+)?(crypto|key-mgmt):|k=(?!prompt))/i
const CRYPTO_LINE = /^a=crypto:\d+\s+\S/i
/** Session parameters (RFC 4568 §6.3) and suites that leave the media readable or open to changes. */
const WEAK_CRYPTO = /\b(UNENCRYPTED_SRTCP|UNENCRYPTED_SRTP|UNAUTHENTICATED_SRTP)\b|^a=crypto:\d+\s+\S*NULL/i
const FINGERPRINT_LINE = /^a=fingerprint:\S+\s+\S/i
const ZRTP_LINE = /^a=zrtp-hash:\S/i

const RTP = /^RTP\/S?AVPF?$/i
const SRTP = /^RTP\/SAVPF?$/i
/** RFC 5764 §8, RFC 7850, RFC 8841 (data channels), RFC 7345 (fax). */
const DTLS = /^((UDP|TCP)\/(TLS|DTLS)\/RTP\/SAVPF?|((UDP|TCP)\/)?DTLS\/SCTP|UDP\/TLS\/UDPTL)$/i

/** Bodies in which a session description could hide from us (RFC 3261 §23.2). */
const ENCRYPTED = /^application\/(x-)?pkcs7-mime\b/i
/** Bounds the work on parts within parts. */
const MAX_DEPTH = 4

/**
 * The answer to a body with an offer or answer that this model does not allow: 488 with a sentence for people.
 * Undefined if all is well, and for bodies without a session description.
 */
export function refuseMedia(model: SecurityModel, body: Body): Reply | undefined {
  if (model === 'standard' || body.text === '') return undefined
  const why = objection(model, body, MAX_DEPTH)
  if (why === undefined) return undefined
  const text = `The security model ${model} ${why}`
  return {
    status: 488,
    headers: { ...warning(text), Reason: `SIP;cause=488;text="${text.replace(/["\\]/g, '')}"` },
  }
}

function objection(model: SecurityModel, body: Body, depth: number): string | undefined {
  const type = (body.contentType ?? 'application/sdp').trim()
  const multipart = /^multipart\//i.test(type)
  const described = /^application\/sdp\b/i.test(type)
  if (ENCRYPTED.test(type)) return 'needs a media description that the server can read'
  if (!multipart && !described) return undefined
  if (depth === 0 || !/^(identity|7bit|8bit|binary)?$/i.test(body.contentEncoding?.trim() ?? ''))
    return 'needs a media description that the server can read'
  if (described) return sdpObjection(model, body.text)
  for (const part of parts(type, body.text)) {
    const why = objection(model, part, depth - 1)
    if (why !== undefined) return why
  }
  return undefined
}

function sdpObjection(model: SecurityModel, sdp: string): string | undefined {
  const lines = sdp.split(/\r\n|\n|\r/)
  if (model === 'end-to-end' && lines.some((line) => KEY_LINE.test(line)))
    return 'forbids keys that the server can read (SDES): your phone has to use ZRTP or DTLS-SRTP'
  for (const media of mediaOf(lines)) {
    const protection = protectionOf(media)
    if (protection === 'dtls' || protection === (model === 'end-to-end' ? 'zrtp' : 'sdes')) continue
    const ways = model === 'end-to-end' ? 'ZRTP or DTLS-SRTP' : 'SRTP (SDES or DTLS-SRTP)'
    return `needs encrypted media, ${ways}: the ${media.kind} of this call is not`
  }
  return undefined
}

/** The media lines in use: one with port 0 is declined (RFC 3264 §6), unless it shares the port of another (RFC 9143). */
function mediaOf(lines: readonly string[]): Media[] {
  const starts = lines.flatMap((line, i) => (line.startsWith('m=') ? [i] : []))
  const session = lines.slice(0, starts[0] ?? lines.length)
  return starts.flatMap((start, i) => {
    const [kind = '', port = '', protocol = ''] = lines[start]!.slice(2).trim().split(/\s+/)
    const own = lines.slice(start + 1, starts[i + 1] ?? lines.length)
    const declined = /^0+(\/|$)/.test(port) && !own.some((line) => /^a=bundle-only\b/i.test(line))
    return declined ? [] : [{ kind: kind.replace(/[^\w-]/g, ''), protocol, lines: own, session }]
  })
}

/** What the line promises. Encryption that is used if both sides feel like it (RFC 8643) promises nothing. */
function protectionOf({ protocol, lines, session }: Media): Protection {
  const fingerprint = [...lines, ...session].some((line) => FINGERPRINT_LINE.test(line))
  if (DTLS.test(protocol)) return fingerprint ? 'dtls' : 'none'
  const crypto = lines.filter((line) => CRYPTO_LINE.test(line))
  if (SRTP.test(protocol) && crypto.length > 0)
    return crypto.some((line) => WEAK_CRYPTO.test(line)) ? 'none' : 'sdes'
  // What some phones wrote before RFC 5764 named a protocol of its own.
  if (SRTP.test(protocol) && fingerprint) return 'dtls'
  return RTP.test(protocol) && lines.some((line) => ZRTP_LINE.test(line)) ? 'zrtp' : 'none'
}

/** The parts of a multipart body (RFC 2046 §5.1.1). */
function parts(contentType: string, text: string): Body[] {
  const [, quoted, plain] = /;\s*boundary\s*=\s*(?:"([^"]+)"|([^\s;"]+))/i.exec(contentType) ?? []
  const boundary = quoted ?? plain
  // Without a boundary nobody can tell the parts; read as one description, nothing is overlooked.
  if (boundary === undefined) return [{ contentType: undefined, text }]
  const bodies: Body[] = []
  for (const piece of `\n${text}`.split(`\n--${boundary}`).slice(1)) {
    if (piece.startsWith('--')) break
    const [, head = '', rest = ''] = /^[^\n]*\n((?:[^\n]*\S[^\n]*\n)*)\r?\n?([^]*)$/.exec(piece) ?? []
    const field = (name: string) => new RegExp(`^${name}[ \\t]*:(.*)$`, 'im').exec(head)?.[1]?.trim()
    // Whatever has no type is read as a description, which is stricter than text/plain of RFC 2046 §5.1.
    bodies.push({
      contentType: field('Content-Type'),
      contentEncoding: field('Content-Transfer-Encoding') ?? field('Content-Encoding'),
      text: rest,
    })
  }
  return bodies
}
