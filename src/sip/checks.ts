/** The steps of the chain that look at the request alone, before anybody is asked who sent it. */
import type { Step } from './context.js'
import type { LocalNames } from './local-names.js'
import { hasControlCharacter, parseNameAddr, tokens } from './header-values.js'
import { parseSipUri, uriScheme } from './sip-uri.js'

/** What this application lets through; ACK and CANCEL are the edge's business (RFC 3261 §20.5). */
export const METHODS = [
  'REGISTER',
  'INVITE',
  'MESSAGE',
  'OPTIONS',
  'SUBSCRIBE',
  'NOTIFY',
  'PUBLISH',
  'REFER',
  'INFO',
  'UPDATE',
  'BYE',
  'PRACK',
] as const

const ALLOW = ['ACK', 'CANCEL', ...METHODS].join(', ')
/** Extensions of the registrar; those of calls are between the phones. */
const REGISTRAR_EXTENSIONS = ['path', 'outbound']
const ONLY_WITHIN_DIALOGS = ['BYE', 'PRACK', 'UPDATE', 'INFO']

/** User agents of programs that look for servers to abuse: an answer of any kind would encourage them. */
const SCANNERS =
  /friendly-(scanner|request)|sipvicious|sipcli|sundayddr|sip-?scan|pplsip|iwar|vaxsipuseragent|siparmyknife|sipptk/i

/** Every request has these (§8.1.1); the rest is checked where it is used. */
export const sanity: Step = ({ request }) => {
  const callId = request.header('call-id')
  if (!callId || hasControlCharacter(callId)) return { status: 400, reason: 'Bad Call-ID' }
  const cseq = /^(\d{1,10})\s+(\S+)$/.exec(request.header('cseq') ?? '')
  if (!cseq || cseq[2] !== request.method || Number(cseq[1]) >= 2 ** 31)
    return { status: 400, reason: 'Bad CSeq' }
  for (const name of ['From', 'To'])
    if (!parseNameAddr(request.header(name) ?? '')) return { status: 400, reason: `Bad ${name}` }
  const scheme = uriScheme(request.uri)
  if (scheme !== 'sip' && scheme !== 'sips' && scheme !== 'tel') return { status: 416 }
  if (scheme !== 'tel' && !parseSipUri(request.uri)) return { status: 400, reason: 'Bad Request-URI' }
  return 'continue'
}

export const scanners: Step = ({ request }) => {
  const userAgent = request.header('user-agent')
  return userAgent !== undefined && SCANNERS.test(userAgent) ? { drop: 'scanner' } : 'continue'
}

export const knownMethod: Step = ({ request }) =>
  (METHODS as readonly string[]).includes(request.method)
    ? 'continue'
    : { status: 405, headers: { Allow: ALLOW } }

/** What is for us ends here, so it has no further hop to count (§16.3 step 3). */
export function maxForwards(names: LocalNames): Step {
  return ({ request }) => {
    const value = request.header('max-forwards')
    if (value === undefined) return 'continue'
    if (!/^\d{1,3}$/.test(value)) return { status: 400, reason: 'Bad Max-Forwards' }
    if (Number(value) > 0 || request.method === 'REGISTER' || isPing(request, names)) return 'continue'
    return { status: 483 }
  }
}

/** OPTIONS to the server itself (§11.2): how phones and monitors ask whether it is there. */
export function ping(names: LocalNames): Step {
  return ({ request }) => {
    if (!isPing(request, names)) return 'continue'
    const headers = { Accept: 'application/sdp', Allow: ALLOW, Supported: REGISTRAR_EXTENSIONS.join(', ') }
    return { status: 200, headers }
  }
}

function isPing(request: { method: string; uri: string }, names: LocalNames): boolean {
  if (request.method !== 'OPTIONS') return false
  const uri = parseSipUri(request.uri)
  return uri !== undefined && uri.user === null && names.isLocal(uri.host, uri.port)
}

/** The edge passes requests of dialogs it knows by their Route. What arrives here belongs to none (§12.2.2). */
export const withinDialog: Step = ({ request }) => {
  if (request.method === 'REGISTER') return 'continue'
  const tagged = parseNameAddr(request.header('to') ?? '')?.params.has('tag')
  return tagged || ONLY_WITHIN_DIALOGS.includes(request.method) ? { status: 481 } : 'continue'
}

/** Nobody relays through us, authenticated or not. */
export function localDomain(names: LocalNames): Step {
  return ({ request }) => {
    // A telephone number names no domain: it is looked for among ours.
    if (request.method !== 'REGISTER' && uriScheme(request.uri) === 'tel') return 'continue'
    const uri = parseSipUri(request.uri)
    return uri && names.isLocal(uri.host, uri.port)
      ? 'continue'
      : { status: 403, reason: 'Domain Not Served Here' }
  }
}

/** §8.2.2.3 for the registrar, §16.3 step 5 for the proxy, which has no extensions of its own. */
export const extensions: Step = ({ request }) => {
  const registering = request.method === 'REGISTER'
  const required = tokens(request.header(registering ? 'require' : 'proxy-require'))
  if (registering) for (const tag of REGISTRAR_EXTENSIONS) required.delete(tag)
  return required.size === 0
    ? 'continue'
    : { status: 420, headers: { Unsupported: [...required].join(', ') } }
}
