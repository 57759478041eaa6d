/**
 * A drachtio-server process (C++, github.com/drachtio/drachtio-server) on free loopback ports: the other edge that
 * drachtio-srf applications know, for the wire suite and for the bench. Its binary is not part of this project.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeSelfSigned } from '../../src/engine/transport/self-signed.js'
import { endWithUs, freePort, until } from './tools.js'

export type DrachtioTransport = 'udp' | 'tcp' | 'tls' | 'ws' | 'wss'

export interface DrachtioServer {
  readonly host: '127.0.0.1'
  /** Where applications connect, with `secret`. */
  readonly control: { host: string; port: number; secret: string }
  /** SIP ports; UDP and TCP share one. */
  readonly ports: Readonly<Record<DrachtioTransport, number>>
  /** To measure it. */
  readonly pid: number
  /** What it has logged so far. */
  log(): Promise<string>
  /** Ends the process and removes its files. */
  stop(): Promise<void>
}

export interface DrachtioServerOptions {
  secret?: string
  /** T1 in ms; T2, T4 and 64*T1 follow in the RFC's ratios. Default 500. */
  t1?: number
  /** Send `cdr:*` events. Default true. */
  cdrs?: boolean
  /** The buffers of the UDP socket, bytes; the kernel may give less. Default: 4 MB, its own. */
  udpBufferBytes?: number
  logLevel?: 'error' | 'warning' | 'notice' | 'info' | 'debug'
  /** Domains taken for its own, beside its addresses. */
  domains?: readonly string[]
}

/** It can't take port 0, and between the choice of a free port and its use somebody else may take it. */
const attempts = 3

/**
 * Starts the server and waits until its control port accepts the secret and all SIP ports are bound.
 *
 * @param binary path of the executable
 * @throws Error with the end of its log if it ends or does not answer within 10 s
 */
export async function startDrachtioServer(
  binary: string,
  options: DrachtioServerOptions = {},
): Promise<DrachtioServer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce(binary, options)
    } catch (error) {
      if (attempt === attempts) throw error
    }
  }
}

async function startOnce(binary: string, options: DrachtioServerOptions): Promise<DrachtioServer> {
  const directory = await mkdtemp(join(tmpdir(), 'drachtio-server-'))
  const plain = await freePort()
  const ports = { udp: plain, tcp: plain, tls: await freePort(), ws: await freePort(), wss: await freePort() }
  const control = { host: '127.0.0.1', port: await freePort(), secret: options.secret ?? 'cymru' }
  const files = {
    config: join(directory, 'drachtio.conf.xml'),
    cert: join(directory, 'cert.pem'),
    key: join(directory, 'key.pem'),
    log: join(directory, 'drachtio.log'),
  }
  const { cert, key } = await makeSelfSigned(['localhost', '127.0.0.1'])
  await Promise.all([
    writeFile(files.cert, cert),
    writeFile(files.key, key),
    writeFile(files.config, configuration(options, control, ports, files)),
  ])
  const server = spawn(binary, ['-f', files.config], { cwd: directory, stdio: 'ignore' })
  endWithUs(server, 'SIGKILL')
  const log = (): Promise<string> => readFile(files.log, 'utf8').catch(() => '')
  const stop = async (): Promise<void> => {
    await end(server)
    await rm(directory, { recursive: true, force: true })
  }
  try {
    await started(server)
    await until('drachtio-server answers', async () => {
      if (server.exitCode !== null) throw new Error(`it ended with ${server.exitCode}`)
      const hostports = (await askHostports(control))?.split(',') ?? []
      return Object.entries(ports).every(([transport, port]) =>
        hostports.includes(`${transport}/127.0.0.1:${port}`),
      )
    })
  } catch (error) {
    const tail = (await log()).slice(-2000)
    await stop()
    throw new Error(`${binary} does not run: ${String(error)}\n${tail}`, { cause: error })
  }
  return { host: '127.0.0.1', control, ports, pid: server.pid ?? 0, log, stop }
}

function configuration(
  options: DrachtioServerOptions,
  control: { port: number; secret: string },
  ports: Readonly<Record<DrachtioTransport, number>>,
  files: { cert: string; key: string; log: string },
): string {
  const { t1 = 500, udpBufferBytes, domains = [] } = options
  const names = domains.length > 0 ? ` dns-names="${domains.join(',')}"` : ''
  const contacts = [
    `sip:127.0.0.1:${ports.udp};transport=udp,tcp`,
    `sips:127.0.0.1:${ports.tls};transport=tls`,
    `sip:127.0.0.1:${ports.ws};transport=ws`,
    `sips:127.0.0.1:${ports.wss};transport=wss`,
  ]
  return `<drachtio>
  <admin port="${control.port}" secret="${control.secret}">127.0.0.1</admin>
  <sip>
    <contacts>${contacts.map((uri) => `<contact${names}>${uri}</contact>`).join('')}</contacts>
    <tls><key-file>${files.key}</key-file><cert-file>${files.cert}</cert-file><chain-file>${files.cert}</chain-file></tls>
    <timers><t1>${t1}</t1><t2>${8 * t1}</t2><t4>${10 * t1}</t4><t1x64>${64 * t1}</t1x64></timers>
    ${udpBufferBytes === undefined ? '' : `<udp-buffer-size>${udpBufferBytes}</udp-buffer-size>`}
  </sip>
  <cdrs>${options.cdrs ?? true}</cdrs>
  <logging>
    <file><name>${files.log}</name><archive>archive</archive></file>
    <sofia-loglevel>1</sofia-loglevel>
    <loglevel>${options.logLevel ?? 'notice'}</loglevel>
  </logging>
</drachtio>
`
}

async function started(server: ChildProcess): Promise<void> {
  await Promise.race([
    once(server, 'spawn'),
    once(server, 'error').then(([error]) => {
      throw error as Error
    }),
  ])
}

/**
 * What the edge at a control port says of its SIP addresses: `udp/127.0.0.1:5060,tcp/…`. Undefined if nobody answers
 * there, or the secret is wrong. A drachtio-server that has just started tells only those that it has bound so far.
 */
export function askHostports(control: {
  host: string
  port: number
  secret: string
}): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(control.port, control.host)
    const message = `hostports|authenticate|${control.secret}|`
    socket.once('connect', () => socket.write(`${message.length}#${message}`))
    socket.once('data', (bytes) => {
      resolve(/\|OK\|([^|]*)/.exec(bytes.toString())?.[1])
      socket.destroy()
    })
    socket.once('error', () => resolve(undefined))
    socket.once('close', () => resolve(undefined))
  })
}

async function end(server: ChildProcess): Promise<void> {
  if (server.pid === undefined || server.exitCode !== null || server.signalCode !== null) return
  const exit = once(server, 'exit')
  server.kill('SIGTERM')
  const patience = setTimeout(() => server.kill('SIGKILL'), 2000)
  await exit
  clearTimeout(patience)
}
