/**
 * baresip as a phone: it plays a tone into its calls, records what it hears, and is led over its control port.
 *
 * Debian 12's baresip 1.0 refuses every challenge that offers anything but MD5, also one that offers MD5 beside it
 * (libre answers ENOSYS at the first unknown algorithm); the server knows that (src/sip/legacy-phones.ts).
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { readWav, toneFile, type Recording } from './audio.js'
import type { Account } from './product.js'
import { endWithUs, freePort, until } from './tools.js'

/** Where baresip's modules lie: Debian, others, built by hand. */
const moduleDir = ['/usr/lib', '/usr/lib64', '/usr/local/lib']
  .map((lib) => `${lib}/baresip/modules`)
  .find((dir) => existsSync(`${dir}/g711.so`))

/** What a suite with baresip needs, for skipWithout. */
export const baresipTools = [
  'baresip',
  ...['aufile', 'sndfile', 'ctrl_tcp'].map((name) => `${moduleDir ?? '/usr/lib/baresip/modules'}/${name}.so`),
]

export interface BaresipOptions {
  account: Account
  /** host:port of the server. */
  server: string
  transport: 'udp' | 'tcp' | 'tls'
  /** TLS: file of the certificates that it trusts. */
  caFile?: string | undefined
  /** The tone that it plays, in Hz. */
  tone: number
  /** Takes calls by itself. */
  autoAnswer: boolean
}

/** A line of its event stream. */
export interface BaresipEvent {
  type: string
  peeruri?: string
  param?: string
}

export class Baresip {
  /** All that happened, oldest first. */
  readonly events: BaresipEvent[] = []
  #received = Buffer.alloc(0)
  #log = ''
  #answers: ((data: string) => void)[] = []

  private constructor(
    private readonly dir: string,
    private readonly child: ChildProcess,
    private readonly control: Socket,
  ) {
    control.on('data', (data: Buffer) => this.#read(data))
    control.on('error', () => {})
    child.stdout?.on('data', (data: Buffer) => (this.#log += data.toString()))
    child.stderr?.on('data', (data: Buffer) => (this.#log += data.toString()))
  }

  /** Starts it and waits until it is registered. */
  static async start(options: BaresipOptions): Promise<Baresip> {
    const dir = await mkdtemp(path.join(tmpdir(), 'baresip-'))
    const controlPort = await freePort()
    await mkdir(path.join(dir, 'recordings'))
    await writeFile(path.join(dir, 'tone.wav'), toneFile(options.tone, 60))
    await writeFile(path.join(dir, 'config'), await configuration(dir, controlPort, options.caFile))
    await writeFile(path.join(dir, 'accounts'), accountLine(options))
    const child = spawn('baresip', ['-f', dir, '-p', dir, '-v', '-s'], { stdio: ['ignore', 'pipe', 'pipe'] })
    await once(child, 'spawn')
    endWithUs(child, 'SIGKILL')
    const control = await until('the control port of baresip opens', () => opened(controlPort))
    const phone = new Baresip(dir, child, control)
    await phone.registered()
    return phone
  }

  /** What it printed. */
  get log(): string {
    return this.#log
  }

  /** Waits until the server has taken its registration. */
  async registered(): Promise<void> {
    await until('baresip is registered', async () => (await this.command('reginfo')).includes('OK '))
  }

  /** One command of its menu module; the text that it answers. */
  async command(command: string, params = ''): Promise<string> {
    const text = JSON.stringify({ command, params, token: 't' })
    const answer = new Promise<string>((resolve) => this.#answers.push(resolve))
    this.control.write(`${Buffer.byteLength(text)}:${text},`)
    return answer
  }

  /** The next event of a type, or one that came already. */
  async event(type: string): Promise<BaresipEvent> {
    return until(`${type} in ${this.events.map((event) => event.type).join(' ')}`, () =>
      this.events.find((event) => event.type === type),
    )
  }

  /** What it has heard so far in its one call. */
  async heard(): Promise<Recording> {
    const folder = path.join(this.dir, 'recordings')
    const file = (await readdir(folder)).find((name) => name.endsWith('-dec.wav'))
    if (file === undefined) return { rate: 8000, samples: new Float64Array(0) }
    return readWav(await readFile(path.join(folder, file)))
  }

  /** Waits until it has heard `seconds` more, whatever it is; what came from now on. */
  async listen(seconds: number): Promise<Recording> {
    const before = (await this.heard()).samples.length
    return until(`${seconds} s of sound`, async () => {
      const { rate, samples } = await this.heard()
      return samples.length >= before + seconds * rate && { rate, samples: samples.subarray(before) }
    })
  }

  async stop(): Promise<void> {
    this.control.destroy()
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const exit = once(this.child, 'exit')
      this.child.kill('SIGKILL')
      await exit
    }
    await rm(this.dir, { recursive: true, force: true })
  }

  /** The control port speaks netstrings that hold JSON: answers in the order of commands, events in between. */
  #read(data: Buffer): void {
    this.#received = Buffer.concat([this.#received, data])
    for (;;) {
      const colon = this.#received.indexOf(':')
      const size = Number(this.#received.toString('latin1', 0, Math.max(colon, 0)))
      if (colon < 0 || this.#received.length < colon + size + 2) return
      const text = this.#received.toString('utf8', colon + 1, colon + 1 + size)
      this.#received = this.#received.subarray(colon + size + 2)
      const message = JSON.parse(text) as BaresipEvent & { response?: boolean; data?: string }
      if (message.response === true) this.#answers.shift()?.(message.data ?? '')
      else this.events.push(message)
    }
  }
}

const accountLine = ({ account, server, transport, autoAnswer }: BaresipOptions): string =>
  [
    `<sip:${account.username}@localhost;transport=${transport}>`,
    `auth_user=${account.username}`,
    `auth_pass=${account.password}`,
    `outbound="sip:${server};transport=${transport}"`,
    'regint=60',
    'audio_codecs=PCMU',
    `answermode=${autoAnswer ? 'auto' : 'manual'}\n`,
  ].join(';')

/** No sound hardware: aufile is the microphone, aubridge a loudspeaker that nobody hears, sndfile the recorder. */
const configuration = async (
  dir: string,
  controlPort: number,
  caFile: string | undefined,
): Promise<string> => {
  // Over TLS it would listen on the port after that of UDP and TCP.
  const [sip, rtp] = [await freePort(2), await freePort(100)]
  return [
    `module_path ${moduleDir}`,
    ...['g711', 'aufile', 'aubridge', 'sndfile'].map((name) => `module ${name}.so`),
    ...['uuid', 'account'].map((name) => `module_tmp ${name}.so`),
    ...['menu', 'ctrl_tcp'].map((name) => `module_app ${name}.so`),
    `ctrl_tcp_listen 127.0.0.1:${controlPort}`,
    `sip_listen 127.0.0.1:${sip}`,
    ...(caFile === undefined ? [] : [`sip_cafile ${caFile}`]),
    'net_interface 127.0.0.1',
    `rtp_ports ${rtp}-${rtp + 99}`,
    `audio_source aufile,${path.join(dir, 'tone.wav')}`,
    'audio_player aubridge,nobody',
    'audio_alert aubridge,alert',
    `snd_path ${path.join(dir, 'recordings')}`,
    'call_local_timeout 120\n',
  ].join('\n')
}

const opened = async (port: number): Promise<Socket | undefined> => {
  const socket = connect(port, '127.0.0.1')
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(socket))
    socket.once('error', () => resolve(undefined))
  })
}
