/** What a client side needs of the rest of the engine. */
import type { SipRequest } from '../message/sip-message.js'
import type { Servers } from '../resolve/servers.js'
import type { ClientTransactionUser, TransactionEnvironment } from '../transaction/transaction.js'
import type { Flow, TransportLayer } from '../transport/transport.js'

export interface ClientEnvironment extends TransactionEnvironment {
  readonly transport: TransportLayer
  readonly servers: Servers
  /** Starts a client transaction for a request whose topmost Via is ours. */
  startClient(request: SipRequest, flow: Flow, user: ClientTransactionUser): { terminate(): void }
  /** Unique within this process and unguessable enough for branches, tags and Call-IDs. */
  unique(): string
}
