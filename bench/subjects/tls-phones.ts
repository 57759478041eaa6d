/**
 * Phones that connect over TLS, ask once whether the server is there, and then are silent. They come from many
 * addresses of 127.0.0.0/8, as the connections that one address may have are limited.
 */
import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'
import { serveSubject, subjectOptions } from '../subject.js'

export interface TlsPhonesOptions {
  port: number
  count: number
  /** Phones of one source address. */
  perSource: number
  /** Handshakes at a time. */
  parallel: number
}

export interface TlsPhonesReady {
  connected: number
  /** What went wrong, how often. */
  failures: Record<string, number>
}

const { port, count, perSource, parallel } = subjectOptions<TlsPhonesOptions>()
const sockets = new Set<TLSSocket>()
const failures: Record<string, number> = {}

const sourceOf = (index: number): string => {
  const source = 2 + Math.floor(index / perSource)
  return `127.0.${Math.floor(source / 250)}.${(source % 250) + 1}`
}

const request = (index: number): string =>
  [
    'OPTIONS sip:localhost SIP/2.0',
    `Via: SIP/2.0/TLS ${sourceOf(index)};branch=z9hG4bKidle${index};rport`,
    'Max-Forwards: 70',
    `From: <sip:idle${index}@localhost>;tag=${index}`,
    'To: <sip:localhost>',
    `Call-ID: idle-${index}`,
    'CSeq: 1 OPTIONS',
    'Content-Length: 0',
    '\r\n',
  ].join('\r\n')

/** Connects, and gets an answer: a phone that never said anything would be closed. */
const phone = async (index: number): Promise<void> => {
  // The types of tls.connect lack the source address, which it hands on to net.connect.
  const options = { host: '127.0.0.1', port, localAddress: sourceOf(index), rejectUnauthorized: false }
  const socket = connect(options)
  try {
    await once(socket, 'secureConnect')
    socket.write(request(index))
    const [answer] = (await once(socket, 'data')) as [Buffer]
    if (!answer.toString().startsWith('SIP/2.0 200')) throw new Error(answer.toString().split('\r\n', 1)[0])
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    socket.resume()
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    failures[reason] = (failures[reason] ?? 0) + 1
    socket.destroy()
  }
}

let next = 0
const worker = async (): Promise<void> => {
  while (next < count) await phone(next++)
}
await Promise.all(Array.from({ length: parallel }, worker))

const ready: TlsPhonesReady = { connected: sockets.size, failures }
serveSubject(ready, { connected: () => sockets.size }, () => sockets.forEach((socket) => socket.destroy()))
