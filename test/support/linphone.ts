/**
 * Linphone's console phone. It needs no sound hardware: it plays a file into its calls and writes what it hears into
 * another one. Unlike baresip 1.0 it holds the server's certificate against the trusted ones and against the name it called.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { readWav, toneFile, wavFile, type Recording } from './audio.js'
import type { Account } from './product.js'
import { endWithUs, freePort, until } from './tools.js'

export interface LinphoneOptions {
  account: Account
  /** host:port of the server. */
  server: string
  transport: 'udp' | 'tcp' | 'tls'
  /** TLS: file of the certificates that it trusts. */
  caFile: string
  /** The tone that it plays, in Hz. */
  tone: number
  /** Takes calls by itself. */
  autoAnswer: boolean
}

export class Linphone {
  #log = ''

  private constructor(
    private readonly dir: string,
    private readonly child: ChildProcess,
  ) {
    child.stdout?.on('data', (data: Buffer) => (this.#log += data.toString()))
    child.stderr?.on('data', (data: Buffer) => (this.#log += data.toString()))
    child.stdin?.on('error', () => {})
  }

  /** Starts it and waits until it is registered. */
  static async start(options: LinphoneOptions): Promise<Linphone> {
    const dir = await mkdtemp(path.join(tmpdir(), 'linphone-'))
    // Without this folder for its database it starts, but never registers.
    await mkdir(path.join(dir, '.local/share/linphone'), { recursive: true })
    await writeFile(path.join(dir, 'tone.wav'), toneFile(options.tone, 60))
    await writeFile(path.join(dir, 'linphonerc'), await configuration(options))
    const flags = ['-d', '0', ...(options.autoAnswer ? ['-a'] : [])]
    const child = spawn('linphonec', ['-c', path.join(dir, 'linphonerc'), ...flags], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH, HOME: dir },
    })
    await once(child, 'spawn')
    endWithUs(child, 'SIGKILL')
    const phone = new Linphone(dir, child)
    phone.command(`record ${path.join(dir, 'heard.wav')}`)
    phone.command(`play ${path.join(dir, 'tone.wav')}`)
    await until('linphonec is registered', () => {
      phone.command('status register')
      return phone.log.includes('registered, identity=')
    })
    return phone
  }

  /** What it printed. */
  get log(): string {
    return this.#log
  }

  /** One line of its console, such as `call sip:222@localhost`, `answer`, `terminate`. */
  command(line: string): void {
    this.child.stdin?.write(`${line}\n`)
  }

  /** Waits until it has printed this. */
  async says(pattern: string): Promise<void> {
    await until(`linphonec says ${pattern}`, () => new RegExp(pattern).test(this.#log))
  }

  /** Waits until it has heard `seconds` more, whatever it is; what came from now on. */
  async listen(seconds: number): Promise<Recording> {
    // Its recording begins a little before the sound does.
    const before = Math.max((await this.#heard()).samples.length, 2000)
    return until(`${seconds} s of sound`, async () => {
      const { rate, samples } = await this.#heard()
      return samples.length >= before + seconds * rate && { rate, samples: samples.subarray(before) }
    })
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const exit = once(this.child, 'exit')
      this.child.kill('SIGKILL')
      await exit
    }
    await rm(this.dir, { recursive: true, force: true })
  }

  async #heard(): Promise<Recording> {
    const file = path.join(this.dir, 'heard.wav')
    const data = existsSync(file) ? await readFile(file) : Buffer.alloc(0)
    // It leaves room for the header and fills it in at the end. G.711 has this rate.
    const empty = wavFile({ rate: 8000, samples: new Float64Array(0) })
    return readWav(Buffer.concat([empty, data.subarray(empty.length)]))
  }
}

const configuration = async ({ account, server, transport, caFile }: LinphoneOptions): Promise<string> =>
  [
    // -1 is a port that the system chooses, 0 none.
    ...['[sip]', 'sip_port=-1', 'sip_tcp_port=-1', 'sip_tls_port=-1', 'default_proxy=0'],
    ...[`root_ca=${caFile}`, 'verify_server_certs=1', 'verify_server_cn=1'],
    ...['[rtp]', `audio_rtp_port=${await freePort(2)}`],
    ...['[sound]', 'use_files=1'],
    ...['[proxy_0]', `reg_proxy=<sip:${server};transport=${transport}>`],
    `reg_route=<sip:${server};transport=${transport}>`,
    `reg_identity=sip:${account.username}@localhost`,
    ...['reg_expires=600', 'reg_sendregister=1', 'publish=0'],
    ...['[auth_info_0]', `username=${account.username}`, `passwd=${account.password}`, 'realm=localhost', ''],
  ].join('\n')
