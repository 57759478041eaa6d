/**
 * The keyed token in our Record-Route entries. It proves, without any state and after a restart as well, that a
 * request with a Route through us belongs to a dialog which we let through: nobody can relay by a made-up To tag.
 *
 * The token is bound to Call-ID and the caller's tag; it also carries the flows of both sides where the Contact alone
 * does not lead back (stream connections, NAT), as a flow token of RFC 5626 §5.2 does.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { TransportName } from '../transport/transport.js'

/** Where a peer was seen, to reach it again. */
export interface FlowAddress {
  transport: TransportName
  address: string
  port: number
}

/** How to reach one side of a dialog when its Contact does not lead back. */
export interface DialogFlow extends FlowAddress {
  /** Port at which that address takes connections, for when the stream connection is gone; absent: unknown. */
  listens?: number
}

export interface DialogFlows {
  caller?: DialogFlow
  callee?: DialogFlow
}

export interface VerifiedDialog {
  /** The sender of this request is the one that sent the dialog-forming request. */
  fromCaller: boolean
  flows: DialogFlows
}

/** Half of SHA-256 is plenty against guessing and keeps URIs short (RFC 2104 §5). */
const macBytes = 15
const macLength = 20

export class DialogTokens {
  readonly #key: Buffer

  /** `key`: at least 32 random bytes that outlive restarts. */
  constructor(key: Buffer) {
    if (key.length < 32) throw new RangeError('the Record-Route key must have at least 32 bytes')
    this.#key = key
  }

  issue(callId: string, callerTag: string, flows: DialogFlows): string {
    const payload = encodeFlows(flows)
    return this.#mac(callId, callerTag, payload) + payload
  }

  /** Undefined if the token is not ours, or not for this dialog. */
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
    const flows = decodeFlows(payload)
    return flows && { fromCaller, flows }
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

function encodeFlows(flows: DialogFlows): string {
  if (!flows.caller && !flows.callee) return ''
  return Buffer.from(`${flowText(flows.caller)}|${flowText(flows.callee)}`, 'latin1').toString('base64url')
}

function flowText(flow: DialogFlow | undefined): string {
  return flow ? `${flow.transport} ${flow.address} ${flow.port} ${flow.listens ?? ''}` : ''
}

function decodeFlows(payload: string): DialogFlows | undefined {
  if (payload === '') return {}
  const [caller, callee] = Buffer.from(payload, 'base64url').toString('latin1').split('|')
  if (caller === undefined || callee === undefined) return undefined
  const flows: DialogFlows = {}
  const callerFlow = parseFlow(caller)
  const calleeFlow = parseFlow(callee)
  if (callerFlow) flows.caller = callerFlow
  if (calleeFlow) flows.callee = calleeFlow
  return flows
}

function parseFlow(text: string): DialogFlow | undefined {
  const [transport, address, port, listens] = text.split(' ')
  if (!transport || !address || !port) return undefined
  const flow: DialogFlow = { transport: transport as TransportName, address, port: Number(port) }
  if (listens) flow.listens = Number(listens)
  return flow
}
