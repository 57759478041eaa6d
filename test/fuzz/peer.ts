/** A SIP element of which nothing is certain: answers what it gets in every way, also in broken ones. */
import dgram from 'node:dgram'
import { once } from 'node:events'
import { readSip, request, response, uriOf, type SipText } from '../support/sip-text.js'
import { mutate } from './mutate.js'
import type { Random } from './random.js'

export class Peer {
  /** Calls it has taken: what a BYE needs. */
  readonly #calls = new Map<string, { invite: SipText; answer: SipText }>()
  /** INVITEs that it has left without a final answer. */
  readonly #ringing: SipText[] = []

  private constructor(
    private readonly socket: dgram.Socket,
    private readonly random: Random,
    private readonly server: { host: string; port: number },
  ) {
    socket.on('error', () => {})
    socket.on('message', (bytes) => this.#receive(bytes))
  }

  static async open(random: Random, server: { host: string; port: number }): Promise<Peer> {
    const socket = dgram.createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    return new Peer(socket, random, server)
  }

  get hostport(): string {
    return `127.0.0.1:${this.socket.address().port}`
  }

  send(bytes: Buffer | string): void {
    this.socket.send(bytes, this.server.port, this.server.host)
  }

  /** Ends the calls it has taken, and those it has not. */
  hangUp(): void {
    for (const invite of this.#ringing.splice(0)) this.send(response(invite, 486))
    for (const { invite, answer } of this.#calls.values()) {
      const bye = request({
        method: 'BYE',
        uri: uriOf(invite.header('contact')),
        from: answer.header('to') ?? '',
        to: answer.header('from') ?? '',
        callId: invite.header('call-id') ?? '',
        route: invite.all('record-route'),
        port: this.socket.address().port,
        headers: { From: answer.header('to') ?? '', To: answer.header('from') ?? '' },
      })
      this.send(bye)
    }
    this.#calls.clear()
  }

  close(): void {
    this.socket.close()
  }

  #receive(bytes: Buffer): void {
    let received: SipText
    try {
      received = readSip(bytes)
    } catch {
      // An answer to something that was broken on purpose.
      return
    }
    const { method } = received
    if (method === undefined || method === 'ACK') return
    if (method === 'INVITE' && this.random.chance(0.5))
      this.#answer(received, this.random.pick([100, 180, 183]))
    if (method === 'INVITE' && this.random.chance(0.1)) {
      this.#ringing.push(received)
      return
    }
    // Goodbyes that have to be said again with credentials are not, and would be found as what is left.
    const challenges = method === 'BYE' || method === 'NOTIFY' ? [] : [401, 407]
    const refusals = [302, 422, 481, 486, 503, 603, ...challenges]
    this.#answer(received, this.random.chance(0.6) ? 200 : this.random.pick(refusals))
  }

  #answer(received: SipText, status: number): void {
    const contact = `sip:peer@${this.hostport}`
    const headers = {
      ...(status === 407 && { 'Proxy-Authenticate': 'Digest realm="x", nonce="y"' }),
      ...(status === 503 && { 'Retry-After': '1' }),
      ...(status === 183 && { Require: '100rel', RSeq: '1' }),
    }
    const text = response(received, status, { contact, headers })
    if (status === 200 && received.method === 'INVITE') {
      this.#calls.set(received.header('call-id') ?? '', {
        invite: received,
        answer: readSip(Buffer.from(text)),
      })
    }
    if (this.random.chance(0.7)) return this.send(text)
    this.send(mutate(this.random, Buffer.from(text), received.raw))
    // And the right one after it, so that calls come to an end.
    this.send(text)
  }
}
