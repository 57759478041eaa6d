/** Where the dialogs of the applications are found: by drachtio's name for them, and by what a request carries. */
import type { SipRequest } from '../message/sip-message.js'
import type { Dialog } from './dialog.js'

export class DialogTable {
  /** Several early dialogs of one forked call share their id (§12.1.2). */
  readonly #byId = new Map<string, Dialog[]>()
  readonly #byTags = new Map<string, Dialog>()

  /** `limit`: most dialogs at once. */
  constructor(private readonly limit: number) {}

  get size(): number {
    return this.#byTags.size
  }

  /** No further dialog may be made: new ones are answered with 503. */
  get full(): boolean {
    return this.#byTags.size >= this.limit
  }

  /** Bounded by who asks for `full` before it lets a dialog begin: what has begun is kept. */
  add(dialog: Dialog): void {
    const key = tagsKey(dialog.callId, dialog.localTag, dialog.remoteTag)
    const before = this.#byTags.get(key)
    if (before) this.remove(before)
    this.#byTags.set(key, dialog)
    const sameId = this.#byId.get(dialog.id)
    if (sameId) sameId.push(dialog)
    else this.#byId.set(dialog.id, [dialog])
  }

  /** Idempotent; tells those who wait in `onEnd`. */
  remove(dialog: Dialog): void {
    const key = tagsKey(dialog.callId, dialog.localTag, dialog.remoteTag)
    if (this.#byTags.get(key) !== dialog) return
    this.#byTags.delete(key)
    const rest = (this.#byId.get(dialog.id) ?? []).filter((other) => other !== dialog)
    if (rest.length > 0) this.#byId.set(dialog.id, rest)
    else this.#byId.delete(dialog.id)
    dialog.state = 'ended'
    for (const told of dialog.onEnd.splice(0)) told()
  }

  /** A usage is over; the dialog with it, if it was the last (RFC 5057 §4). */
  endUsage(dialog: Dialog, usage: string): void {
    dialog.usages.delete(usage)
    if (dialog.usages.size === 0) this.remove(dialog)
  }

  /** By drachtio's name: the confirmed one, else the early one that was made last. */
  get(id: string): Dialog | undefined {
    const sameId = this.#byId.get(id)
    return sameId?.find(({ state }) => state === 'confirmed') ?? sameId?.at(-1)
  }

  byTags(callId: string, localTag: string, remoteTag: string): Dialog | undefined {
    return this.#byTags.get(tagsKey(callId, localTag, remoteTag))
  }

  /** The dialog that a request from the network belongs to (§12.2.2). */
  find(request: SipRequest): Dialog | undefined {
    return request.toTag === undefined
      ? undefined
      : this.byTags(request.callId, request.toTag, request.fromTag ?? '')
  }

  /** Ends all, without a word to the peers; for the shutdown. */
  clear(): void {
    for (const dialog of [...this.#byTags.values()]) this.remove(dialog)
  }
}

function tagsKey(callId: string, localTag: string, remoteTag: string): string {
  return `${callId} ${localTag} ${remoteTag}`
}
