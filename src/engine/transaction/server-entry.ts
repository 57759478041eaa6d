/** A server transaction as the table keeps it: by the hundred thousand for half a minute each, so it holds little. */
import type { Flow } from '../transport/transport.js'
import type { Incoming } from './incoming.js'
import { InviteServerTransaction } from './invite-server.js'
import { NonInviteServerTransaction } from './non-invite-server.js'
import type { ServerTransactionUser, TransactionEnvironment } from './transaction.js'

export class ServerEntry implements ServerTransactionUser {
  readonly machine: InviteServerTransaction | NonInviteServerTransaction
  /** The request and who deals with it; gone once the final answer was given, since only retransmissions follow. */
  incoming: Incoming | undefined
  /** The application wanted no answer at all, to its CANCEL neither. */
  abandoned = false
  /** What is kept for repetitions since the final answer, bytes: at most that answer and the key. */
  keptBytes = 0

  constructor(
    env: TransactionEnvironment,
    incoming: Incoming,
    back: Flow,
    private readonly key: string,
    private readonly table: {
      keep(entry: ServerEntry, bytes: number): void
      removeServer(key: string): void
    },
    private readonly report: (flow: Flow, error: Error) => void,
  ) {
    this.incoming = incoming
    this.machine =
      incoming.request.method === 'INVITE'
        ? new InviteServerTransaction(env, back, this)
        : new NonInviteServerTransaction(env, back, this)
  }

  /** The final answer was given, so many bytes. */
  answered(bytes: number): void {
    this.incoming = undefined
    if (this.machine.state !== 'terminated') this.table.keep(this, this.key.length + bytes)
  }

  onFailure(error: Error): void {
    this.report(this.machine.flow, error)
    this.incoming?.onCallerLost?.()
  }

  onTerminated(): void {
    this.table.removeServer(this.key)
  }
}
