/**
 * The registrar's rules (RFC 3261 §10.3, with RFC 5626 and RFC 3327): which bindings an account has after a
 * REGISTER, and what is answered. Pure, and all or nothing.
 */
import type { Binding } from '../store/types.js'
import { parseSipUri, sameUri } from './sip-uri.js'
import type { RegisterRequest, RequestedContact } from './register-request.js'
import { warning, type Reply, type ReplyHeaders } from './reply.js'

/** Times in seconds. */
export interface RegistrationPolicy {
  minExpires: number
  defaultExpires: number
  maxExpires: number
  maxContacts: number
}

export interface Registered {
  /** Absent: nothing changes. */
  bindings?: readonly Binding[]
  reply: Reply
  added: number
  refreshed: number
  removed: number
}

/** `bindings`: what the account has; `now`: milliseconds since the epoch. */
export function register(
  bindings: readonly Binding[],
  request: RegisterRequest,
  now: number,
  policy: RegistrationPolicy,
): Registered {
  const live = bindings.filter((binding) => binding.expiresAt > now)
  const { contacts } = request
  if (contacts === '*') {
    if (live.some((binding) => isOutOfOrder(binding, request))) return refuse(OUT_OF_ORDER)
    return { bindings: [], reply: accept([], request, now), added: 0, refreshed: 0, removed: live.length }
  }
  if (contacts.length === 0) return refuse(accept(live, request, now))
  if (contacts.some((contact) => isTooBrief(contact, policy)))
    return refuse({ status: 423, headers: { 'Min-Expires': String(policy.minExpires) } })

  let current: readonly Binding[] = live
  let added = 0
  let refreshed = 0
  let removed = 0
  const own = new Set<Binding>()
  for (const contact of contacts) {
    const replaced = current.filter((binding) => isReplacedBy(binding, contact, contacts))
    // A contact that stands twice in one request overwrites itself; that is not out of order.
    if (replaced.some((binding) => !own.has(binding) && isOutOfOrder(binding, request)))
      return refuse(OUT_OF_ORDER)
    current = current.filter((binding) => !replaced.includes(binding))
    const seconds = Math.min(contact.expires ?? policy.defaultExpires, policy.maxExpires)
    if (seconds === 0) {
      removed += replaced.length
      continue
    }
    const binding = toBinding(contact, request, now, seconds, replaced[0]?.createdAt ?? now)
    own.add(binding)
    current = [binding, ...current]
    if (replaced.length > 0) refreshed++
    else added++
  }
  // A refresh is always possible, also when the maximum was lowered since.
  while (added > 0 && current.length > policy.maxContacts) {
    const left = leftBehind(current, request, own)
    if (!left) return refuse(tooMany(policy.maxContacts))
    current = current.filter((binding) => binding !== left)
    removed++
  }
  return { bindings: current, reply: accept(current, request, now), added, refreshed, removed }
}

/** §10.3 step 7: the same Call-ID needs a higher CSeq, else the whole update is aborted. */
function isOutOfOrder(binding: Binding, request: RegisterRequest): boolean {
  return binding.callId === request.callId && request.cseq <= binding.cseq
}

const OUT_OF_ORDER: Reply = { status: 500, reason: 'CSeq Is Out of Order' }

/** §10.3 step 7: an expiry of an hour or more may never be called too brief. */
function isTooBrief({ expires }: RequestedContact, policy: RegistrationPolicy): boolean {
  return expires !== undefined && expires > 0 && expires < policy.minExpires && expires < 3600
}

/**
 * Whether the contact takes the place of the binding: the same URI does; so does another URI of the same device,
 * which its instance tells. With reg-id these are flows, and the other flows of the device are left alone (RFC 5626 §6).
 * Without, it is a phone that has come back from another address. It may still list several contacts in one request,
 * and the late goodbye of an old contact does not take the new one with it.
 */
function isReplacedBy(
  binding: Binding,
  contact: RequestedContact,
  all: readonly RequestedContact[],
): boolean {
  if (hasUriOf(binding, contact)) return true
  if (contact.instance === null || binding.instance !== contact.instance) return false
  if (contact.regId !== null || binding.regId !== null) return binding.regId === contact.regId
  return contact.expires !== 0 && !all.some((other) => hasUriOf(binding, other))
}

function hasUriOf(binding: Binding, contact: RequestedContact): boolean {
  if (binding.contact === contact.contact) return true
  if (binding.regId !== null && contact.regId !== null) return false
  const uri = parseSipUri(binding.contact)
  return uri !== undefined && sameUri(uri, contact.uri)
}

/**
 * The binding that a phone most likely left behind when it lost its connection, and that may make room for its new
 * one: from the same host by the same program, whose time runs out first, since only the living refresh. None over
 * UDP, where a phone keeps its port, and none behind a proxy, whose address is that of all its phones.
 */
function leftBehind(
  bindings: readonly Binding[],
  request: RegisterRequest,
  own: ReadonlySet<Binding>,
): Binding | undefined {
  if (request.transport === 'udp' || request.userAgent === null || request.path.length > 0) return undefined
  return bindings
    .filter(
      (binding) =>
        !own.has(binding) &&
        binding.transport !== 'udp' &&
        binding.path.length === 0 &&
        binding.userAgent === request.userAgent &&
        hostOf(binding.source) === hostOf(request.source),
    )
    .reduce<Binding | undefined>(
      (oldest, binding) => (oldest && oldest.expiresAt < binding.expiresAt ? oldest : binding),
      undefined,
    )
}

/** Of `address:port`. */
function hostOf(source: string): string {
  return source.slice(0, source.lastIndexOf(':'))
}

function toBinding(
  contact: RequestedContact,
  request: RegisterRequest,
  now: number,
  seconds: number,
  createdAt: number,
): Binding {
  return {
    contact: contact.contact,
    instance: contact.instance,
    regId: contact.regId,
    q: contact.q,
    callId: request.callId,
    cseq: request.cseq,
    expiresAt: now + seconds * 1000,
    source: request.source,
    transport: request.transport,
    receivedOn: request.receivedOn,
    path: request.path,
    userAgent: request.userAgent,
    node: request.node,
    createdAt,
  }
}

/**
 * 403 rather than 503: trying again, at once or elsewhere, does not help until a device is removed, and the Warning
 * tells the person in front of the phone why.
 */
function tooMany(maximum: number): Reply {
  return {
    status: 403,
    reason: 'Too Many Devices',
    headers: warning(`No more than ${maximum} devices can be registered for one account`),
  }
}

/** 200 with all live bindings (§10.3 step 8), not only those of the request. */
function accept(bindings: readonly Binding[], request: RegisterRequest, now: number): Reply {
  const headers: ReplyHeaders = { Date: new Date(now).toUTCString(), Supported: 'path, outbound' }
  if (bindings.length > 0) headers['Contact'] = bindings.map((binding) => contactValue(binding, now))
  if (request.path.length > 0) headers['Path'] = request.path
  // RFC 5626 §6: only where outbound was asked for and done.
  if (request.outbound && request.contacts !== '*' && request.contacts.some(({ regId }) => regId !== null))
    headers['Require'] = 'outbound'
  return { status: 200, headers }
}

function contactValue(binding: Binding, now: number): string {
  const seconds = Math.max(1, Math.ceil((binding.expiresAt - now) / 1000))
  let value = `<${binding.contact}>;expires=${seconds}`
  if (binding.q < 1) value += `;q=${binding.q}`
  if (binding.instance !== null) value += `;+sip.instance="${binding.instance.replace(/["\\]/g, '\\$&')}"`
  if (binding.regId !== null) value += `;reg-id=${binding.regId}`
  return value
}

function refuse(reply: Reply): Registered {
  return { reply, added: 0, refreshed: 0, removed: 0 }
}
