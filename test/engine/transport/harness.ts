/** A transport layer with sockets of its own, and a record of what it hands to its user. */
import type { Test } from 'tap'
import type { SipMessage } from '../../../src/engine/message/sip-message.js'
import { SipRequest } from '../../../src/engine/message/sip-message.js'
import { responseTo } from '../../../src/engine/message/response.js'
import { createTransportLayer } from '../../../src/engine/transport/layer.js'
import type { OwnedTransportLayer, TransportOptions } from '../../../src/engine/transport/layer.js'
import type {
  Flow,
  Listener,
  ListenerSpec,
  TransportHandlers,
  TransportLimits,
  TransportName,
} from '../../../src/engine/transport/transport.js'
import { createPhone } from '../../support/phone.js'
import type { Phone, PhoneOptions } from '../../support/phone.js'

export const limits: TransportLimits = {
  maxMessageBytes: 65_536,
  maxHeaders: 100,
  maxConnections: 100,
  maxConnectionsPerSource: 50,
  idleTimeoutMs: 30_000,
  partialMessageTimeoutMs: 10_000,
  connectTimeoutMs: 5_000,
  maxSendQueueBytes: 1_000_000,
}

export interface Harness {
  layer: OwnedTransportLayer
  messages: { message: SipMessage; flow: Flow }[]
  rejected: string[]
  dropped: string[]
  connections: { flow: Flow; state: 'open' | 'closed' }[]
  logged: string[]
  listener(transport: TransportName): Listener
  /** Waits until a condition holds. */
  until(condition: () => boolean): Promise<void>
  phone(transport: PhoneOptions['transport'], options?: Partial<PhoneOptions>): Promise<Phone>
}

export interface HarnessOptions extends Partial<Omit<TransportOptions, 'limits'>> {
  limits?: Partial<TransportLimits>
  /** Default: answers every request with 200 over its flow. */
  onMessage?: TransportHandlers['onMessage']
}

/** Starts a layer; default listener udp and tcp on 127.0.0.1. Stopped at the end of the test. */
export async function startLayer(t: Test, options: HarnessOptions = {}): Promise<Harness> {
  const logged: string[] = []
  const log = (_fields: object, message: string) => void logged.push(message)
  const layer = createTransportLayer({
    specs: on('127.0.0.1', 'udp', 'tcp'),
    log: { debug: log, warn: log, error: log },
    ...options,
    limits: { ...limits, ...options.limits },
  })
  const harness: Harness = {
    layer,
    messages: [],
    rejected: [],
    dropped: [],
    connections: [],
    logged,
    listener: (transport) => layer.listeners.find((one) => one.transport === transport)!,
    async until(condition) {
      const deadline = Date.now() + 5_000
      while (!condition()) {
        if (Date.now() > deadline) throw new Error('the condition was not fulfilled in 5 s')
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
    },
    async phone(transport, more) {
      const { host, port } = harness.listener(transport)
      const phone = await createPhone({ transport, server: { host, port }, ...more })
      t.teardown(() => phone.close())
      return phone
    },
  }
  const answer: TransportHandlers['onMessage'] = (message, flow) => {
    if (message instanceof SipRequest) layer.send(flow, responseTo(message, 200).serialize())
  }
  await layer.start({
    onMessage(message, flow) {
      harness.messages.push({ message, flow })
      ;(options.onMessage ?? answer)(message, flow)
    },
    onRejected(_flow, status, reason) {
      harness.rejected.push(`${status} ${reason}`)
    },
    onDropped(_flow, reason) {
      harness.dropped.push(reason)
    },
    onConnection(flow, state) {
      harness.connections.push({ flow, state })
    },
  })
  t.teardown(() => layer.stop())
  return harness
}

/** Listeners of these transports on one host, port 0. */
export function on(host: string, ...transports: TransportName[]): ListenerSpec[] {
  return transports.map((transport) => ({ transport, host, port: 0 }))
}

/** An OPTIONS request of that phone. */
export function options(phone: Phone, more: Partial<Parameters<Phone['request']>[0]> = {}): string {
  return phone.request({ method: 'OPTIONS', uri: 'sip:localhost', ...more })
}
