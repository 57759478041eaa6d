/**
 * The keyed token in our Record-Route entries. It proves, without any state and after a restart as well, that a
 * request with a Route through us belongs to a dialog which we let through, and it says between whom: such a request
 * goes to the other side of that dialog and nowhere else, so nobody can relay through us.
 *
 * The token is bound to Call-ID and the caller's tag. It carries the addresses of both sides, as a flow token of
 * RFC 5626 §5.2 does, and the identity that the caller was given.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Peer } from '../transport/peer.js'
import type { TransportName } from '../transport/transport.js'

export interface DialogState {
  caller: Peer
  callee: Peer
  /** From as the callee was shown it, without tag; absent: as the caller wrote it. */
  shownFrom?: string
}

export interface VerifiedDialog extends DialogState {
  /** The sender of this request is the one that sent the dialog-forming request. */
  fromCaller: boolean
}

/** 120 bits of SHA-256 are plenty against guessing and keep URIs short (RFC 2104 §5). */
const macBytes = 15
const macLength = 20

/** How long a token is good for, hours: no call lasts a week, and a stolen token shall not work for ever. */
const maxAgeHours = 7 * 24

const letters: Record<TransportName, string> = { udp: 'u', tcp: 't', tls: 's', ws: 'w', wss: 'x' }
const transports = Object.fromEntries(
  Object.entries(letters).map(([name, letter]) => [letter, name]),
) as Record<string, TransportName | undefined>

export class DialogTokens {
  readonly #key: Buffer
  readonly #now: () => number

  /** `key`: at least 32 random bytes that outlive restarts; `now`: milliseconds since the epoch. */
  constructor(key: Buffer, now: () => number = Date.now) {
    if (key.length < 32) throw new RangeError('the Record-Route key must have at least 32 bytes')
    this.#key = key
    this.#now = now
  }

  issue(callId: string, callerTag: string, state: DialogState): string {
    const payload = encode(state, this.#hours())
    return this.#mac(callId, callerTag, payload) + payload
  }

  /** Undefined if the token is not ours, not for this dialog, or too old. */
  verify(
    token: string,
    callId: string,
    fromTag: string | undefined,
    toTag: string | undefined,
  ): VerifiedDialog | undefined {
    if (token.length < macLength || fromTag === undefined || toTag === undefined) return undefined
    const mac = token.slice(0, macLength)
    const payload = token.slice(macLength)
    const fromCaller = equal(mac, this.#mac(callId, fromTag, payload))
    if (!fromCaller && !equal(mac, this.#mac(callId, toTag, payload))) return undefined
    const decoded = decode(payload)
    if (!decoded || this.#hours() - decoded.issued > maxAgeHours) return undefined
    return { fromCaller, ...decoded.state }
  }

  #hours(): number {
    return Math.floor(this.#now() / 3_600_000)
  }

  #mac(callId: string, callerTag: string, payload: string): string {
    return createHmac('sha256', this.#key)
      .update(`${callId}\0${callerTag}\0${payload}`, 'latin1')
      .digest()
      .subarray(0, macBytes)
      .toString('base64url')
  }
}

function equal(a: string, b: string): boolean {
  const left = Buffer.from(a, 'latin1')
  const right = Buffer.from(b, 'latin1')
  return left.length === right.length && timingSafeEqual(left, right)
}

function encode({ caller, callee, shownFrom }: DialogState, hours: number): string {
  const fields = [hours.toString(36), peerText(caller), peerText(callee), shownFrom ?? '']
  return Buffer.from(fields.join('|'), 'latin1').toString('base64url')
}

function decode(payload: string): { state: DialogState; issued: number } | undefined {
  const [hours = '', caller = '', callee = '', ...shown] = Buffer.from(payload, 'base64url')
    .toString('latin1')
    .split('|')
  const callerPeer = parsePeer(caller)
  const calleePeer = parsePeer(callee)
  if (!callerPeer || !calleePeer) return undefined
  const state: DialogState = { caller: callerPeer, callee: calleePeer }
  const shownFrom = shown.join('|')
  if (shownFrom !== '') state.shownFrom = shownFrom
  return { state, issued: parseInt(hours, 36) }
}

function peerText({ transport, address, port, listens, on, device }: Peer): string {
  const text = `${letters[transport]}${address} ${port}`
  return `${text} ${listens ?? ''} ${on?.host ?? ''} ${on?.port ?? ''} ${device ?? ''}`.trimEnd()
}

function parsePeer(text: string): Peer | undefined {
  const transport = transports[text.charAt(0)]
  const [address, port, listens, onHost, onPort, device] = text.slice(1).split(' ')
  if (!transport || !address || !port) return undefined
  const peer: Peer = { transport, address, port: Number(port) }
  if (listens) peer.listens = Number(listens)
  if (onHost && onPort) peer.on = { host: onHost, port: Number(onPort) }
  if (device) peer.device = device
  return peer
}
