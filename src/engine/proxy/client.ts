/** What a proxy branch needs of the transaction layer. */
import type { SipRequest } from '../message/sip-message.js'
import type { ClientTransactionUser, TransactionEnvironment } from '../transaction/transaction.js'
import type { Flow, TransportLayer } from '../transport/transport.js'
import type { ResolveHost } from './next-hop.js'
import type { RecordRouting } from './record-route.js'

export interface ProxyEnvironment extends TransactionEnvironment {
  readonly transport: TransportLayer
  readonly recordRouting: RecordRouting
  readonly resolve: ResolveHost
  /** Most branches of one request; further targets are left out. */
  readonly maxForks: number
  /** Starts a client transaction for a request whose topmost Via is ours. */
  startClient(request: SipRequest, flow: Flow, user: ClientTransactionUser): { terminate(): void }
  /** Unique within this process and unguessable enough for branches. */
  unique(): string
}
