/**
 * The message model of the engine.
 *
 * Text is kept as latin1 ("binary") strings: one character is one byte, so header values that are UTF-8 on the
 * wire pass through unchanged, and length in characters is length in bytes.
 */

/** One header line: values are unfolded and trimmed, never split at commas. */
export interface HeaderField {
  /** Canonical name: lower case, long form (`v` -> `via`). */
  readonly name: string
  /** The name as it stood on the wire or as it shall be written (`Via`). */
  readonly label: string
  value: string
}

export interface CSeq {
  seq: number
  method: string
}
