/** An answer of our own to a request, as a value. */
export interface Reply {
  status: number
  /** Absent: the standard reason phrase of the status. */
  reason?: string
  headers?: ReplyHeaders
}

/** Several values become several header lines. */
export type ReplyHeaders = Record<string, string | readonly string[]>

/** A Warning header (RFC 3261 §20.43) for people: phones show its text or write it into their log. */
export function warning(text: string, code = 399): ReplyHeaders {
  return { Warning: `${code} privateline "${text.replace(/["\\]/g, '')}"` }
}
