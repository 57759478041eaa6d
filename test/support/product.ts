/** Privateline as its operator runs it: the built program as a process of its own, on ports and in a directory of its own. */
import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { scratch } from './scratch.js'
import { endWithUs, until } from './tools.js'

/** <outDir>/src/main.js beside <outDir>/test/support/product.js. */
export const mainFile = path.resolve(import.meta.dirname, '../../src/main.js')

export interface Account {
  id: number
  username: string
  password: string
  virtualNumber: string
}

export interface NewAccount {
  username?: string
  password?: string
  virtualNumber: string
  displayName?: string
  enabled?: boolean
}

type Settings = Record<string, string>

const sipTransports = ['udp', 'tcp', 'tls', 'ws', 'wss'] as const
export type SipTransport = (typeof sipTransports)[number]

interface ReadyLine {
  msg: 'ready'
  http: string
  sip: string[]
}

const readyLine = (line: string): ReadyLine | undefined => {
  if (!line.includes('"ready"')) return undefined
  try {
    const value = JSON.parse(line) as Partial<ReadyLine>
    return value.msg === 'ready' && value.http !== undefined && value.sip !== undefined
      ? (value as ReadyLine)
      : undefined
  } catch {
    return undefined
  }
}

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

export class Product {
  readonly token = randomBytes(16).toString('hex')
  #child: ChildProcess | undefined
  #log = ''
  #ready: ReadyLine | undefined
  #passwords = 0

  private constructor(
    readonly dataDir: string,
    private readonly settings: Settings,
  ) {}

  /**
   * Starts the program on loopback ports that the system chooses and waits for its `ready` line.
   * @param settings environment on top of that
   * @throws Error with the log when it ends or is not ready within 30 s
   */
  static async start(settings: Settings = {}): Promise<Product> {
    const product = new Product(await mkdtemp(path.join(scratch, 'privateline-')), settings)
    try {
      await product.#launch()
    } catch (error) {
      await product.dispose()
      throw error
    }
    return product
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error('the product is not running')
    return this.#child.pid
  }

  /** host:port of the HTTP service. */
  get http(): string {
    return this.#readyLine.http
  }

  /** All that it wrote to stdout and stderr, over restarts. */
  get log(): string {
    return this.#log
  }

  /** host:port of a SIP listener, of IPv4 unless told otherwise. */
  sip(transport: SipTransport, family: 4 | 6 = 4): string {
    const listener = this.#listeners(transport).find((address) => address.startsWith('[') === (family === 6))
    if (listener === undefined)
      throw new Error(`no ${transport} listener of IPv${family} in ${this.#readyLine.sip.join(' ')}`)
    return listener
  }

  /** One call of the HTTP API; `path` is relative to /api/v1. */
  async api(method: string, apiPath: string, body?: unknown): Promise<{ status: number; body: unknown }> {
    const headers: Record<string, string> = { authorization: `Bearer ${this.token}` }
    if (body !== undefined) headers['content-type'] = 'application/json'
    const init = body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) }
    const answer = await fetch(`http://${this.http}/api/v1${apiPath}`, init)
    const text = await answer.text()
    return { status: answer.status, body: text === '' ? undefined : JSON.parse(text) }
  }

  /** The id of a new group. */
  async createGroup(name: string): Promise<number> {
    const { id } = (await this.#created('/groups', { name })) as { id: number }
    return id
  }

  async createAccount(group: number, account: NewAccount): Promise<Account> {
    const password = account.password ?? `pw-${randomBytes(9).toString('base64url')}${++this.#passwords}`
    const made = await this.#created(`/groups/${group}/accounts`, { ...account, password })
    return { ...(made as Account), password }
  }

  /** kill -9, as the out-of-memory killer does it. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** SIGTERM; the exit code. */
  async stop(): Promise<number | null> {
    return this.#end('SIGTERM')
  }

  /** Starts it again on the same ports and data. */
  async restart(): Promise<void> {
    const listeners = sipTransports.map((name) => [
      `SIP_${name.toUpperCase()}`,
      this.#listeners(name).join(','),
    ])
    const given = Object.fromEntries(listeners.filter(([, addresses]) => addresses !== '')) as Settings
    await this.#launch({ ...given, HTTP_LISTEN: this.http })
  }

  /** Ends everything that the product started and removes its data. */
  async dispose(): Promise<void> {
    await this.#end('SIGTERM')
    for (const postmaster of await this.databasePids()) {
      // The embedded database outlives a kill -9 by design; SIGQUIT is its immediate shutdown.
      process.kill(postmaster, 'SIGQUIT')
      await until(`database ${postmaster} ends`, () => !alive(postmaster))
    }
    await rm(this.dataDir, { recursive: true, force: true })
  }

  /** The postmaster of the embedded database; none with DATABASE_URL. */
  async databasePids(): Promise<number[]> {
    const files = await readdir(this.dataDir, { recursive: true })
    const pidFiles = files.filter((file) => path.basename(file) === 'postmaster.pid')
    const pids = await Promise.all(
      pidFiles.map(async (file) => Number.parseInt(await readFile(path.join(this.dataDir, file), 'utf8'))),
    )
    return pids.filter((pid) => pid > 0 && alive(pid))
  }

  get #readyLine(): ReadyLine {
    if (this.#ready === undefined) throw new Error('the product was never ready')
    return this.#ready
  }

  #listeners(transport: SipTransport): string[] {
    const prefix = `${transport}:`
    return this.#readyLine.sip
      .filter((name) => name.startsWith(prefix))
      .map((name) => name.slice(prefix.length))
  }

  async #created(apiPath: string, body: unknown): Promise<unknown> {
    const answer = await this.api('POST', apiPath, body)
    if (answer.status !== 201)
      throw new Error(`POST ${apiPath}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer.body
  }

  /** @param ports of the start before; without them the system chooses */
  async #launch(ports: Settings = {}): Promise<void> {
    if (!existsSync(mainFile)) throw new Error(`${mainFile} is not built: npm run build`)
    const child = spawn(process.execPath, [mainFile], {
      cwd: this.dataDir,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env.PATH,
        DATA_DIR: this.dataDir,
        HTTP_LISTEN: '127.0.0.1:0',
        SIP_UDP: '127.0.0.1:0',
        SIP_TCP: '127.0.0.1:0',
        SIP_TLS: 'off',
        SIP_WS: 'off',
        SIP_WSS: 'off',
        ADMIN_API_TOKEN: this.token,
        LOG_LEVEL: 'info',
        ...this.settings,
        ...ports,
      },
    })
    endWithUs(child, 'SIGTERM')
    this.#child = child
    this.#ready = undefined
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#log += text))
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.#log += `${line}\n`
      this.#ready ??= readyLine(line)
    })
    const over = (): boolean => child.exitCode !== null || child.signalCode !== null
    await until('the product is ready', () => this.#ready !== undefined || over(), 30_000).catch(
      (error: unknown) => {
        throw new Error(`${String(error)}\n${this.#log}`)
      },
    )
    if (over())
      throw new Error(`the product ended (${child.exitCode ?? child.signalCode}) at start:\n${this.#log}`)
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    const child = this.#child
    if (child === undefined) return null
    this.#child = undefined
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
    const exit = once(child, 'exit') as Promise<[number | null]>
    child.kill(signal)
    const patience = setTimeout(() => child.kill('SIGKILL'), 20_000)
    const [code] = await exit
    clearTimeout(patience)
    return code
  }
}

/** What a tap test gives: its teardown and its remarks. */
export interface TestScope {
  teardown: (fn: () => Promise<void> | void) => void
  passing: () => boolean
  comment: (text: string) => void
}

/** A product for one test file: gone when the test ends, and its log is shown if the test failed. */
export const productFor = async (t: TestScope, settings: Settings = {}): Promise<Product> => {
  const product = await Product.start(settings)
  t.teardown(async () => {
    if (!t.passing()) t.comment(`log of the product:\n${product.log}`)
    await product.dispose()
  })
  return product
}
