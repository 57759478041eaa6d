/** Who the callee sees (RFC 3325, RFC 3323): the account that authenticated, whatever its phone wrote. Pure. */
import type { SipAccount } from '../store/types.js'
import { parseNameAddr, tokens } from './header-values.js'

/** Headers that the phone sent and that must not reach the callee: they claim an identity, or are for us alone. */
const NOT_PASSED_ON = [
  'P-Asserted-Identity',
  'P-Preferred-Identity',
  'Remote-Party-ID',
  // A signature over another From (RFC 8224), and where the call claims to have been before (RFC 7044, RFC 5806).
  'Identity',
  'History-Info',
  'Diversion',
  'Authorization',
  'Proxy-Authorization',
]

/**
 * Headers of the proxied request: a value replaces what the phone sent, an empty one removes it (the embedded engine
 * does; drachtio's proxy command has no other way to say so).
 */
export function identityHeaders(
  caller: Pick<SipAccount, 'virtualNumber' | 'displayName'>,
  domain: string,
  request: { header(name: string): string | undefined },
): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const name of NOT_PASSED_ON) if (request.header(name) !== undefined) headers[name] = ''
  const tag = fromTag(request.header('from'))
  if (wantsPrivacy(request.header('privacy'))) {
    headers['From'] = `"Anonymous" <sip:anonymous@anonymous.invalid>${tag}`
  } else {
    const host = domain.includes(':') ? `[${domain}]` : domain
    const address = `${quotedName(caller.displayName)}<sip:${caller.virtualNumber}@${host}>`
    headers['From'] = address + tag
    headers['P-Asserted-Identity'] = address
  }
  return headers
}

/** RFC 3323 §4.2, RFC 3325 §9.3: each of these asks for more than `id` does, and no less. */
function wantsPrivacy(privacy: string | undefined): boolean {
  const wanted = tokens(privacy?.replaceAll(';', ','))
  return ['id', 'header', 'user', 'critical'].some((token) => wanted.has(token))
}

/** The tag stays, since it names the dialog. */
function fromTag(from: string | undefined): string {
  const tag = from === undefined ? undefined : parseNameAddr(from)?.params.get('tag')
  return tag !== undefined && tag !== null && /^[\w.!%*+`'~-]+$/.test(tag) ? `;tag=${tag}` : ''
}

/** A quoted-string (§25.1) followed by a space, or nothing. */
function quotedName(name: string | null): string {
  const clean = (name ?? '').replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').trim()
  return clean === '' ? '' : `"${clean.replace(/["\\]/g, '\\$&')}" `
}
