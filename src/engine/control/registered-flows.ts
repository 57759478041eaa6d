/**
 * Over which connection a registered phone is reached, by the Contact that it registered: for applications that send to
 * that Contact alone, as they may on drachtio-server. Phones behind NAT and browsers take no connections themselves.
 */
import { isPrivate } from '../dialog/reach.js'
import { parseNameAddr } from '../message/name-addr.js'
import { findParam } from '../message/params.js'
import type { SipRequest, SipResponse } from '../message/sip-message.js'
import { parseUri, uriParam, type SipUri } from '../message/uri.js'
import type { Peer } from '../transport/peer.js'
import { isReliable, type Flow } from '../transport/transport.js'

interface Registered {
  /** The Contact's URI as the phone wrote it. */
  text: string
  uri: SipUri
  /** Whose it is: the address of record, user@host. */
  account: string
  flow: Flow
  /** Milliseconds, of `now`. */
  until: number
}

/** RFC 3261 §10.3 step 7: what a registrar grants that names no time, seconds. */
const defaultExpires = 3600

export class RegisteredFlows {
  /** By user@host; the newest stands last. */
  readonly #byAddress = new Map<string, Registered[]>()
  readonly #byFlow = new Map<Flow, Set<string>>()

  constructor(private readonly now: () => number) {}

  /** Contacts that are known, for tests and figures. */
  get size(): number {
    let size = 0
    for (const registered of this.#byAddress.values()) size += registered.length
    return size
  }

  /** An application has answered a REGISTER that came over `flow`. */
  learn(register: SipRequest, response: SipResponse, flow: Flow): void {
    if (response.status < 200 || response.status > 299 || !isReliable(flow.transport) || !flow.open) return
    this.#sweep()
    const account = accountOf(register)
    const granted = new Map<string, number>()
    for (const value of response.values('contact')) {
      const address = parseNameAddr(value)
      const expires = address && findParam(address.params, 'expires')
      if (address)
        granted.set(address.uri, seconds(expires) ?? seconds(response.get('expires')) ?? defaultExpires)
    }
    for (const value of register.values('contact')) {
      const address = parseNameAddr(value)
      const uri = address && parseUri(address.uri)
      if (!address || !uri || !mayBe(uri, flow)) continue
      const asked = seconds(findParam(address.params, 'expires')) ?? seconds(register.get('expires'))
      // A 200 lists all contacts that are registered (§10.3 step 8). Applications that list none meant this one.
      const expires =
        granted.size > 0
          ? (granted.get(address.uri) ?? 0)
          : (seconds(response.get('expires')) ?? asked ?? defaultExpires)
      const { uri: text } = address
      this.#forget(addressOf(uri), (other) => other.text === text && other.account === account)
      if (expires > 0) this.#add({ text, uri, account, flow, until: this.now() + expires * 1000 })
    }
  }

  /**
   * The phone that a Request-URI names: by its very Contact, else by user, host, port, and transport if the URI has one;
   * with nothing but user and host, by these. Of several the one that registered last; none if they belong to different
   * accounts, since any phone may register the Contact of another one.
   */
  find(text: string): Peer | undefined {
    if (this.#byAddress.size === 0) return undefined
    const uri = parseUri(text)
    const known = uri && this.#byAddress.get(addressOf(uri))
    if (!known) return undefined
    const now = this.now()
    const live = known.filter(({ flow, until }) => flow.open && until > now)
    const exact = live.filter((one) => one.text === text)
    const meant = exact.length > 0 ? exact : live.filter((one) => isMeant(uri, one))
    const last = meant.at(-1)
    if (meant.some(({ account, flow }) => account !== last?.account && flow !== last?.flow)) return undefined
    const flow = last?.flow
    return flow && { transport: flow.transport, address: flow.remoteAddress, port: flow.remotePort }
  }

  /** The connection is gone, and with it the way to all who registered over it. */
  closed(flow: Flow): void {
    for (const address of this.#byFlow.get(flow) ?? []) this.#forget(address, (one) => one.flow === flow)
    this.#byFlow.delete(flow)
  }

  #add(registered: Registered): void {
    const address = addressOf(registered.uri)
    this.#byAddress.set(address, [...(this.#byAddress.get(address) ?? []), registered])
    const addresses = this.#byFlow.get(registered.flow)
    if (addresses) addresses.add(address)
    else this.#byFlow.set(registered.flow, new Set([address]))
  }

  #forget(address: string, which: (one: Registered) => boolean): void {
    const known = this.#byAddress.get(address)
    if (!known) return
    const rest = known.filter((one) => !which(one))
    // Deleted first: what is put back stands last, which is what the sweep goes by.
    this.#byAddress.delete(address)
    if (rest.length > 0) this.#byAddress.set(address, rest)
    for (const { flow } of known) {
      if (rest.some((one) => one.flow === flow)) continue
      const addresses = this.#byFlow.get(flow)
      if (addresses?.delete(address) && addresses.size === 0) this.#byFlow.delete(flow)
    }
  }

  /** Two looks for each new contact keep the number of expired ones below that of the living, without a timer. */
  #sweep(): void {
    const now = this.now()
    for (const address of [...firstKeys(this.#byAddress, 2)]) this.#forget(address, (one) => one.until <= now)
  }
}

function* firstKeys(map: ReadonlyMap<string, unknown>, count: number): Generator<string> {
  for (const key of map.keys()) {
    if (count-- === 0) return
    yield key
  }
}

function addressOf({ user, host }: SipUri): string {
  return `${user ?? ''}@${host}`
}

function accountOf(register: SipRequest): string {
  const uri = parseUri(parseNameAddr(register.get('to') ?? '')?.uri ?? '')
  return uri ? addressOf(uri) : ''
}

/**
 * Whether the phone behind that flow can be what its Contact says. A Contact may hold anything: by the address of a
 * gateway a phone would get the calls that an application sends there. So it is the phone's own address, or one that
 * leads nowhere from here: made up (RFC 7118 §5), of a private network, or of the test network of RFC 5737, which
 * SIP.js uses.
 */
function mayBe({ host }: SipUri, { remoteAddress }: Flow): boolean {
  return (
    host === remoteAddress || host.endsWith('.invalid') || isPrivate(host) || /^192\.0\.2\.\d+$/.test(host)
  )
}

function isMeant(wanted: SipUri, { uri, flow }: Registered): boolean {
  // RFC 3261 §26.2.2.
  if (wanted.scheme === 'sips' && flow.transport !== 'tls' && flow.transport !== 'wss') return false
  if (wanted.port === undefined && wanted.params.length === 0) return true
  if (wanted.port !== uri.port) return false
  const transport = uriParam(wanted, 'transport')?.toLowerCase()
  const registered = uriParam(uri, 'transport')?.toLowerCase()
  return transport === undefined || transport === registered || transport === flow.transport
}

function seconds(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined
}
