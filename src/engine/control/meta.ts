/** The fields that drachtio's frames carry beside a SIP message. */
import type { FlowAddress } from '../proxy/dialog-token.js'

/** `HH:MM:SS.uuuuuu`, UTC. */
export function timeOfDay(): string {
  return `${new Date().toISOString().slice(11, 23)}000`
}

/** `<source>|<bytes>|<protocol>|<address>|<port>|<time>`: how every frame with a message begins. */
export function messageMeta(
  source: 'network' | 'application',
  bytes: number,
  hop: FlowAddress | undefined,
): string {
  return `${source}|${bytes}|${hop?.transport ?? ''}|${hop?.address ?? ''}|${hop?.port ?? ''}|${timeOfDay()}`
}
