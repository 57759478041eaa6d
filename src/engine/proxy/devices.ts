/**
 * Which connection leads to a registered device now. A call outlives the connection that it was made over: a phone that
 * has lost its own comes back from another port, registers anew, and shall hear what the other side of the call says.
 *
 * The dialog token carries a name for the device of either side, and here is where a device of that name was last seen.
 * Nothing of it is stored: after a restart the REGISTERs fill it again. A name has the account in it, as the registrar
 * has let it through with its 200, so whoever copies the Contact and instance of somebody else's phone gets another name.
 */
import { createHmac } from 'node:crypto'
import { parseNameAddr, type NameAddr } from '../message/name-addr.js'
import { findParam } from '../message/params.js'
import type { SipRequest, SipResponse } from '../message/sip-message.js'
import { parseUri } from '../message/uri.js'
import type { Peer } from '../transport/peer.js'
import { isReliable, type Flow, type TransportName } from '../transport/transport.js'

/** Characters of a name, 6 bits each: too many for finding a second account and Contact with the same one. */
const nameLength = 16

/** Devices that are remembered of one connection (a gateway has many); beyond, the oldest are forgotten. */
const maxPerFlow = 1000

export class Devices {
  readonly #key: Buffer
  /** The connections of a device, the newest last. */
  readonly #flows = new Map<string, Flow[]>()
  /** Names of the devices that registered over a connection, by the user and host of their Contacts. */
  readonly #named = new Map<Flow, Map<string, string>>()

  /** `key`: secret, and the same after a restart. */
  constructor(key: Buffer) {
    // Of its own, so that no name is ever the code of a token; keyed, since a name must not give an account away.
    this.#key = createHmac('sha256', key).update('device').digest()
  }

  /** Devices that are known, for tests and figures. */
  get size(): number {
    return this.#flows.size
  }

  /**
   * A registrar has answered a REGISTER that came over `flow`. That a registration ends, with the connection still
   * there, changes nothing: its calls go on.
   */
  learn(register: SipRequest, response: SipResponse, flow: Flow): void {
    if (response.status < 200 || response.status > 299 || !isReliable(flow.transport) || !flow.open) return
    const record = userAtHost(parseNameAddr(register.get('to') ?? '')?.uri)
    if (record === undefined) return
    // Two accounts may share an address of record: the username of one can be the number of another.
    const account = [record, ...usernames(register)].join('\0')
    for (const value of register.values('contact')) {
      const contact = parseNameAddr(value)
      const address = userAtHost(contact?.uri)
      if (contact && address !== undefined) this.#add(address, flow, account, instanceOf(contact))
    }
  }

  /** The name of the device that sends or is reached over `flow` with this Contact; undefined if none registered there. */
  nameOf(uri: string | undefined, flow: Flow): string | undefined {
    const named = this.#named.get(flow)
    if (!named) return undefined
    const address = userAtHost(uri)
    const exact = address === undefined ? undefined : named.get(address)
    if (exact !== undefined) return exact
    // Some phones register one Contact and call with another; a connection with one device leaves no doubt.
    const names = new Set(named.values())
    return names.size === 1 ? [...names][0] : undefined
  }

  /** The peer where it is now: as it was, if nothing newer is known of its device. */
  now(peer: Peer): Peer {
    const flows = (peer.device === undefined ? undefined : this.#flows.get(peer.device)) ?? []
    const usable = flows.filter(
      (flow) => flow.open && (isSecure(flow.transport) || !isSecure(peer.transport)),
    )
    const isSame = ({ transport, remoteAddress, remotePort }: Flow): boolean =>
      transport === peer.transport && remoteAddress === peer.address && remotePort === peer.port
    const newest = usable.at(-1)
    if (!newest || usable.some(isSame)) return peer
    return {
      transport: newest.transport,
      address: newest.remoteAddress,
      port: newest.remotePort,
      ...(peer.device === undefined ? {} : { device: peer.device }),
    }
  }

  closed(flow: Flow): void {
    for (const name of new Set(this.#named.get(flow)?.values())) this.#leave(name, flow)
    this.#named.delete(flow)
  }

  #add(address: string, flow: Flow, account: string, instance: string | undefined): void {
    const name = createHmac('sha256', this.#key)
      .update(`${account}\0${instance === undefined ? address : `\0${instance}`}`, 'latin1')
      .digest('base64url')
      .slice(0, nameLength)
    const named = this.#named.get(flow) ?? new Map<string, string>()
    this.#named.set(flow, named)
    this.#forget(named, address, flow)
    named.set(address, name)
    // With an instance it is certain that this is the same device, so its older connections are dead or spare ones
    // (RFC 5626 §4.2). Without, two phones of an account may have the same private address, in two places.
    const others = instance === undefined ? (this.#flows.get(name) ?? []) : []
    this.#flows.set(name, [...others.filter((other) => other !== flow), flow])
    const oldest = named.size > maxPerFlow ? named.keys().next().value : undefined
    if (oldest !== undefined) this.#forget(named, oldest, flow)
  }

  #forget(named: Map<string, string>, address: string, flow: Flow): void {
    const name = named.get(address)
    if (name === undefined) return
    named.delete(address)
    if (![...named.values()].includes(name)) this.#leave(name, flow)
  }

  #leave(name: string, flow: Flow): void {
    const rest = this.#flows.get(name)?.filter((other) => other !== flow) ?? []
    if (rest.length > 0) this.#flows.set(name, rest)
    else this.#flows.delete(name)
  }
}

/** Every name that stands in the credentials: whichever of them the registrar has gone by, it is among them. */
function usernames(register: SipRequest): string[] {
  const credentials = register.lines('authorization').join()
  return [...credentials.matchAll(/\busername\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,]*)/gi)].map(
    (match) => match[1] ?? '',
  )
}

function instanceOf({ params }: NameAddr): string | undefined {
  return findParam(params, '+sip.instance')
}

function userAtHost(text: string | undefined): string | undefined {
  const uri = text === undefined ? undefined : parseUri(text)
  return uri && `${uri.user ?? ''}@${uri.host}`
}

/** A call over TLS does not go on in the clear. */
function isSecure(transport: TransportName): boolean {
  return transport === 'tls' || transport === 'wss'
}
