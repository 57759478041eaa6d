/** The step of the chain that registers phones: whose address, which contacts, and what came of it. */
import type { Step } from './context.js'
import { hostPort, parseNameAddr } from './header-values.js'
import type { LocalNames } from './local-names.js'
import { readRegister, type RegisterRequest } from './register-request.js'
import type { Registrar } from './registrar.js'
import { warning, type Reply } from './reply.js'
import { parseSipUri, unescape, type SipUri } from './sip-uri.js'
import type { SessionLog } from './session-log.js'
import type { SipStats } from './stats.js'

export function registerPhone(
  registrar: Registrar,
  names: LocalNames,
  node: string,
  stats: SipStats,
  sessionLog: SessionLog | undefined,
): Step {
  return async (context) => {
    const { request, account } = context
    if (request.method !== 'REGISTER') return 'continue'
    if (!account) throw new Error('nobody was authenticated')
    // §10.3 step 4: the address of record may be the account's username or its number.
    const to = parseSipUri(parseNameAddr(request.header('to') ?? '')?.uri ?? '')
    const user = unescape(to?.user ?? '')
    if (
      !to ||
      !names.isLocal(to.host, to.port) ||
      (user !== account.username && user !== account.virtualNumber)
    ) {
      context.log.info(
        { username: account.username, to: request.header('to') },
        'registration of another address',
      )
      return { status: 403, reason: 'Not Your Address' }
    }
    const { address, port, transport } = request.source
    const { receivedOn: listener } = request
    const receivedOn = listener ? hostPort(listener.host, listener.port) : null
    const read = readRegister(request, { source: hostPort(address, port), transport, receivedOn, node })
    if ('reply' in read) return read.reply
    const loop = refuseLoop(read.request, address, names)
    if (loop) {
      stats.registrations.refused++
      context.log.info({ username: account.username }, 'registration of a contact that is this server')
      return loop
    }

    const { reply, added, refreshed, removed } = await registrar.register(account.id, read.request)
    const facts = { username: account.username, number: account.virtualNumber, added, refreshed, removed }
    stats.registrations.added += added
    stats.registrations.refreshed += refreshed
    stats.registrations.removed += removed
    if (reply.status !== 200) stats.registrations.refused++
    else sessionLog?.registered(request, account, { added, removed })
    if (added > 0) context.log.info(facts, 'registered')
    else if (removed > 0) context.log.info(facts, 'unregistered')
    else context.debug({ ...facts, status: reply.status }, 'registration')
    if (reply.status !== 200 || context.nextNonce === undefined) return reply
    const headers = { ...reply.headers, 'Authentication-Info': `nextnonce="${context.nextNonce}"` }
    return { ...reply, headers }
  }
}

/**
 * The answer to a contact, or a proxy in the Path, that is one of our own listeners; undefined if all is well. Calls to
 * it would come back to us until Max-Forwards is used up. That needs a phone on this machine: for any other, calls go to
 * the address that its REGISTER came from, and behind a NAT its own address may well be the same as ours.
 */
function refuseLoop(request: RegisterRequest, source: string, names: LocalNames): Reply | undefined {
  const contacts = request.contacts === '*' ? [] : request.contacts.filter(({ expires }) => expires !== 0)
  const uris = contacts.map(({ uri }) => uri)
  for (const path of request.path) {
    const uri = parseSipUri(parseNameAddr(path)?.uri ?? '')
    if (uri) uris.push(uri)
  }
  const loops = uris.some((uri) => {
    const port = uri.port ?? defaultPort(uri)
    return names.isListener(uri.host, port) && names.isListener(source, port)
  })
  if (!loops) return undefined
  return {
    status: 403,
    reason: 'Contact Is This Server',
    headers: warning('The Contact of your phone names this server: calls to it would never arrive'),
  }
}

/** §19.1.2, RFC 7118 §5.4. */
function defaultPort({ scheme, params }: SipUri): number {
  const transport = params.get('transport')?.toLowerCase()
  if (transport === 'ws' || transport === 'wss') return scheme === 'sips' || transport === 'wss' ? 443 : 80
  return scheme === 'sips' || transport === 'tls' ? 5061 : 5060
}
