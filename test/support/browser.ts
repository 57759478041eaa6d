/**
 * A WebSocket as a browser opens it: Chromium, without a window, led over its debugging pipe. What a browser does of its own
 * accord is what matters here: its handshake (Origin, offered extensions), its TLS, its frames.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { readSip, type SipText } from './sip-text.js'
import { endWithUs, until } from './tools.js'

interface Message {
  id?: number
  method?: string
  params?: { name?: string; payload?: string }
  result?: Record<string, unknown>
  error?: { message: string }
}

/** As root there is no sandbox; the rest keeps it from calling home. */
const flags = [
  ...['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-quic'],
  '--remote-debugging-pipe',
]

/** Chromium trusts a certificate by the hash of its public key: no need for a place in the system's store. */
const trusting = (certificate: string): string => {
  const key = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' })
  return `--ignore-certificate-errors-spki-list=${createHash('sha256').update(key).digest('base64')}`
}

export class BrowserSocket {
  /** The messages that came, oldest first. */
  readonly received: SipText[] = []
  #answers = new Map<number, (message: Message) => void>()
  #buffered = ''
  #session = ''
  #nextId = 0
  /** What every call gets that is not answered before the browser ends. */
  readonly #over: Promise<Message>

  private constructor(
    private readonly dir: string,
    private readonly child: ChildProcess,
  ) {
    this.#over = once(child, 'exit').then(
      () => ({ error: { message: 'the browser ended' } }),
      (error: unknown) => ({ error: { message: String(error) } }),
    )
    ;(child.stdio[4] as Readable).setEncoding('utf8').on('data', (text: string) => this.#read(text))
    child.stdio[3]?.on('error', () => {})
  }

  /**
   * Starts the browser and connects; resolves when the handshake is done.
   * @param certificate PEM; the only one that is trusted beside those of the system
   * @throws Error when the browser refuses the certificate or the handshake
   */
  static async open(url: string, certificate: string): Promise<BrowserSocket> {
    const dir = await mkdtemp(path.join(tmpdir(), 'chromium-'))
    const args = [...flags, trusting(certificate), `--user-data-dir=${dir}`, 'about:blank']
    const child = spawn('chromium', args, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] })
    endWithUs(child, 'SIGKILL')
    const browser = new BrowserSocket(dir, child)
    try {
      await once(child, 'spawn')
      await browser.#connect(url)
    } catch (error) {
      await browser.close()
      throw error
    }
    return browser
  }

  async send(text: string): Promise<void> {
    await this.#evaluate(`socket.send(${JSON.stringify(text)})`)
  }

  /** The oldest message that fits and that no earlier call has taken. */
  async expect(what: string, fits: (message: SipText) => boolean): Promise<SipText> {
    return until(`${what}; came: ${this.received.map(({ startLine }) => startLine).join(' | ')}`, () => {
      const index = this.received.findIndex(fits)
      return index >= 0 && this.received.splice(index, 1)[0]
    })
  }

  async close(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const exit = once(this.child, 'exit')
      this.child.kill('SIGKILL')
      await exit
    }
    // Its helper processes write a moment longer than it lives.
    await rm(this.dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
  }

  async #connect(url: string): Promise<void> {
    const { targetId } = await this.#call('Target.createTarget', { url: 'about:blank' })
    const { sessionId } = await this.#call('Target.attachToTarget', { targetId, flatten: true })
    this.#session = String(sessionId)
    await this.#call('Runtime.enable')
    await this.#call('Runtime.addBinding', { name: 'arrived' })
    await this.#evaluate(`new Promise((resolve, reject) => {
      globalThis.socket = new WebSocket(${JSON.stringify(url)}, 'sip')
      socket.onopen = resolve
      socket.onclose = ({ code }) => reject(new Error('closed with ' + code))
      socket.onmessage = async ({ data }) => arrived(typeof data === 'string' ? data : await data.text())
    })`)
  }

  async #evaluate(expression: string): Promise<void> {
    const answer = await this.#call('Runtime.evaluate', { expression, awaitPromise: true })
    const failure = answer.exceptionDetails as { exception?: { description?: string } } | undefined
    if (failure) throw new Error(`in the browser: ${failure.exception?.description ?? 'it failed'}`)
  }

  async #call(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = ++this.#nextId
    const answer = new Promise<Message>((resolve) => this.#answers.set(id, resolve))
    const session = this.#session === '' ? {} : { sessionId: this.#session }
    ;(this.child.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, ...session })}\0`)
    const { result = {}, error } = await Promise.race([answer, this.#over])
    if (error) throw new Error(`${method}: ${error.message}`)
    return result
  }

  /** The pipe carries JSON texts that end with a zero byte. */
  #read(text: string): void {
    const parts = (this.#buffered + text).split('\0')
    this.#buffered = parts.pop() ?? ''
    for (const part of parts) {
      const { id, ...message } = JSON.parse(part) as Message
      if (id !== undefined) this.#answers.get(id)?.(message)
      else if (message.method === 'Runtime.bindingCalled' && message.params?.name === 'arrived')
        this.received.push(readSip(Buffer.from(message.params.payload ?? '')))
    }
  }
}
