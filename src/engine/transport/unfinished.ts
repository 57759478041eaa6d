/**
 * Bytes of messages that have begun to arrive and are not complete, over all connections. Each is bounded in size and in
 * time; all together they are bounded here: whoever has been unfinished for longest is given up.
 */
interface Holder {
  abort(error: Error): void
}

export class Unfinished {
  /** The longest unfinished first. */
  private readonly held = new Map<Holder, number>()
  private total = 0

  constructor(private readonly mostBytes: number) {}

  /** So many bytes of an unfinished message of this connection are kept; 0: it is finished, or the connection is gone. */
  note(connection: Holder, bytes: number): void {
    const before = this.held.get(connection)
    if (bytes === (before ?? 0)) return
    this.total += bytes - (before ?? 0)
    if (bytes === 0) this.held.delete(connection)
    else this.held.set(connection, bytes)
    while (this.total > this.mostBytes) this.giveUpOne()
  }

  private giveUpOne(): void {
    for (const [connection, bytes] of this.held) {
      this.held.delete(connection)
      this.total -= bytes
      connection.abort(new Error('too many bytes of unfinished messages'))
      return
    }
  }
}
