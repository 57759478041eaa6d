/** What the files of this folder know of each other's flows, and of the surroundings they live in. */
import { formatHostPort } from '../message/host.js'
import type { Flow, SendFailure } from './transport.js'

/** A flow that can send: all flows given out by this layer are of this kind. */
export interface SendingFlow extends Flow {
  /** As TransportLayer.send. */
  send(data: Buffer, onFailure?: SendFailure): void
}

/** Where the layer reports what it can't tell anybody else. */
export interface TransportLog {
  debug(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export const silentLog: TransportLog = {
  debug: () => undefined,
  warn: () => undefined,
  error: () => undefined,
}

/** The address of a flow for log lines. */
export function describe(flow: Flow): { transport: string; remote: string } {
  return { transport: flow.transport, remote: formatHostPort(flow.remoteAddress, flow.remotePort) }
}

/** Tells a sender of a failure: asynchronously, and safe against a callback that throws. */
export function reportFailure(onFailure: SendFailure | undefined, error: Error, log: TransportLog): void {
  if (!onFailure) return
  queueMicrotask(() => {
    try {
      onFailure(error)
    } catch (thrown) {
      log.error({ err: thrown }, 'a failure handler threw')
    }
  })
}
