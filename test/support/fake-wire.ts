/** A transaction's view of the network in tests: what was sent stands in a list, failures come when asked for. */
import { defaultTiming } from '../../src/engine/transaction/timers.js'
import type { TransactionEnvironment } from '../../src/engine/transaction/transaction.js'
import type { Flow, SendFailure, TransportName } from '../../src/engine/transport/transport.js'
import { FakeClock } from './fake-clock.js'

export class FakeWire implements TransactionEnvironment {
  readonly scheduler = new FakeClock()
  readonly timing = defaultTiming
  /** Time and text of everything that was sent. */
  readonly sent: { at: number; text: string }[] = []
  /** What a silent UDP peer is known to be. */
  refusal: Error | undefined
  #fail: SendFailure | undefined

  send(_flow: Flow, data: Buffer, onFailure?: SendFailure): void {
    this.sent.push({ at: this.scheduler.now(), text: data.toString('latin1') })
    this.#fail = onFailure
  }

  probe(): Error | undefined {
    return this.refusal
  }

  /** Reports the last send as failed. */
  failLastSend(error = new Error('refused')): void {
    this.#fail?.(error)
  }

  /** Times at which something was sent. */
  get times(): number[] {
    return this.sent.map(({ at }) => at)
  }
}

export function fakeFlow(transport: TransportName): Flow {
  return {
    transport,
    listener: { id: 1, transport, family: 4, host: '127.0.0.1', port: 5060 },
    remoteAddress: '127.0.0.1',
    remotePort: 5070,
    open: true,
  }
}
