/** Requests and responses: header lines in order, a body, and typed access to what the engine itself needs. */
import { trimmedSlice } from './chars.js'
import { splitList, valueEnd } from './comma-list.js'
import { parseCSeq } from './cseq.js'
import { labelFor } from './header-names.js'
import type { CSeq, HeaderField } from './message.js'
import { headerParam } from './name-addr.js'
import { oneLine } from './one-line.js'
import { parseVia, type Via } from './via.js'

const noBody = Buffer.alloc(0)

/**
 * What requests and responses have in common. Header names are canonical everywhere (lower case, long form: `via`).
 * Parsed views (`via`, `cseq`, tags) are cached by the text they were read from, so they are exact whatever was
 * changed in between, and by whom.
 */
export abstract class SipMessage {
  abstract readonly kind: 'request' | 'response'
  private viaLine: string | undefined
  private viaValue: Via | undefined
  private cseqLine: string | undefined
  private cseqValue: CSeq | undefined
  private fromLine: string | undefined
  private fromTagValue: string | undefined
  private toLine: string | undefined
  private toTagValue: string | undefined

  constructor(
    public headers: HeaderField[],
    public body: Buffer,
  ) {}

  /** Own header lines, shared body. */
  abstract clone(): SipMessage

  protected abstract startLine(): string

  /** Value of the first line of that name. */
  get(name: string): string | undefined {
    for (const header of this.headers) if (header.name === name) return header.value
    return undefined
  }

  /** Value of each line of that name. */
  lines(name: string): string[] {
    const lines: string[] = []
    for (const header of this.headers) if (header.name === name) lines.push(header.value)
    return lines
  }

  /** The values of all lines of a list header, split at commas; empty ones are left out. */
  values(name: string): string[] {
    const values: string[] = []
    for (const header of this.headers) {
      if (header.name !== name) continue
      for (const value of splitList(header.value)) if (value !== '') values.push(value)
    }
    return values
  }

  /** Replaces all lines of that name by one, at the place of the first; appends it if there is none. */
  set(name: string, value: string, label?: string): void {
    const at = this.headers.findIndex((header) => header.name === name)
    if (at === -1) {
      this.headers.push(field(name, value, label))
      return
    }
    const first = this.headers[at]
    this.headers = this.headers.filter((header, index) => index <= at || header.name !== name)
    this.headers[at] = field(name, value, label ?? first?.label)
  }

  /** Adds a line after the last one of that name, or at the end. */
  append(name: string, value: string, label?: string): void {
    const last = this.headers.findLastIndex((header) => header.name === name)
    if (last === -1) this.headers.push(field(name, value, label))
    else this.headers.splice(last + 1, 0, field(name, value, label))
  }

  /** Adds a line before the first one of that name, or at the top. */
  prepend(name: string, value: string, label?: string): void {
    const first = this.headers.findIndex((header) => header.name === name)
    this.headers.splice(Math.max(first, 0), 0, field(name, value, label))
  }

  /** Removes all lines of that name; false if there was none. */
  remove(name: string): boolean {
    const before = this.headers.length
    this.headers = this.headers.filter((header) => header.name !== name)
    return this.headers.length < before
  }

  /** Takes away and returns the topmost value of a list header (Via, Route). */
  shiftValue(name: string): string | undefined {
    const at = this.headers.findIndex((header) => header.name === name)
    const line = this.headers[at]
    if (line === undefined) return undefined
    const end = valueEnd(line.value, 0)
    const value = trimmedSlice(line.value, 0, end)
    const rest = trimmedSlice(line.value, end + 1, line.value.length)
    if (rest === '') this.headers.splice(at, 1)
    else line.value = rest
    return value
  }

  /** Puts another text in the place of the topmost value of a list header; appends a line if there is none. */
  replaceFirstValue(name: string, value: string): void {
    const line = this.headers.find((header) => header.name === name)
    if (line === undefined) {
      this.append(name, value)
      return
    }
    const end = valueEnd(line.value, 0)
    line.value = end === line.value.length ? oneLine(value) : oneLine(value) + line.value.slice(end)
  }

  /** '' if there is none (parsed messages always have one). */
  get callId(): string {
    return this.get('call-id') ?? ''
  }

  /** @throws Error if a message of our own making has none; parsed messages always have one. */
  get cseq(): CSeq {
    return this.peekCSeq() ?? fail('CSeq')
  }

  /** CSeq, undefined if it is missing or malformed. */
  peekCSeq(): CSeq | undefined {
    const line = this.get('cseq')
    if (line !== this.cseqLine) {
      this.cseqValue = line === undefined ? undefined : parseCSeq(line)
      this.cseqLine = line
    }
    return this.cseqValue
  }

  /**
   * The topmost Via.
   * @throws Error if there is none (left): use `peekVia` where it may have been taken away.
   */
  get via(): Via {
    return this.peekVia() ?? fail('Via')
  }

  /** The topmost Via, undefined if it is missing or malformed. */
  peekVia(): Via | undefined {
    const line = this.get('via')
    if (line !== this.viaLine) {
      this.viaValue = line === undefined ? undefined : parseVia(line.slice(0, valueEnd(line, 0)))
      this.viaLine = line
    }
    return this.viaValue
  }

  get fromTag(): string | undefined {
    const line = this.get('from')
    if (line !== this.fromLine) {
      this.fromTagValue = line === undefined ? undefined : headerParam(line, 'tag')
      this.fromLine = line
    }
    return this.fromTagValue
  }

  get toTag(): string | undefined {
    const line = this.get('to')
    if (line !== this.toLine) {
      this.toTagValue = line === undefined ? undefined : headerParam(line, 'tag')
      this.toLine = line
    }
    return this.toTagValue
  }

  /** The bytes to send. Content-Length is recomputed, at its place if there is one; labels as they are. */
  serialize(): Buffer {
    const text = this.head()
    const { length } = this.body
    if (length === 0) return Buffer.from(text, 'latin1')
    const bytes = Buffer.allocUnsafe(text.length + length)
    bytes.write(text, 'latin1')
    this.body.copy(bytes, text.length)
    return bytes
  }

  /** The same as latin1 text, for frames: no buffer is made in between. */
  text(): string {
    return this.body.length === 0 ? this.head() : this.head() + this.body.toString('latin1')
  }

  /** All up to the body. */
  private head(): string {
    const length = this.body.length
    let text = this.startLine() + '\r\n'
    let hasLength = false
    for (const { name, label, value } of this.headers) {
      if (name !== 'content-length') text += label + ': ' + value + '\r\n'
      else if (!hasLength) {
        text += label + ': ' + length + '\r\n'
        hasLength = true
      }
    }
    return text + (hasLength ? '\r\n' : 'Content-Length: ' + length + '\r\n\r\n')
  }
}

export class SipRequest extends SipMessage {
  readonly kind = 'request'

  constructor(
    public method: string,
    public uri: string,
    headers: HeaderField[] = [],
    body: Buffer = noBody,
  ) {
    super(headers, body)
  }

  clone(): SipRequest {
    return new SipRequest(this.method, this.uri, copy(this.headers), this.body)
  }

  protected startLine(): string {
    return oneLine(`${this.method} ${this.uri} SIP/2.0`)
  }
}

export class SipResponse extends SipMessage {
  readonly kind = 'response'

  constructor(
    public status: number,
    public reason: string,
    headers: HeaderField[] = [],
    body: Buffer = noBody,
  ) {
    super(headers, body)
  }

  clone(): SipResponse {
    return new SipResponse(this.status, this.reason, copy(this.headers), this.body)
  }

  protected startLine(): string {
    return oneLine(`SIP/2.0 ${this.status} ${this.reason}`)
  }
}

function field(name: string, value: string, label?: string): HeaderField {
  return { name, label: label ?? labelFor(name), value: oneLine(value) }
}

function fail(header: string): never {
  throw new Error(`message without a valid ${header}`)
}

function copy(headers: readonly HeaderField[]): HeaderField[] {
  return headers.map(({ name, label, value }) => ({ name, label, value }))
}
