/**
 * SIPp as a phone that follows a script.
 *
 * SIPp 3.6 (Debian 12) knows MD5 only and reads the first challenge of a response: a server that it talks to has to
 * offer MD5 first (`sippSettings`).
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { endWithUs, freePort, root, until } from './tools.js'

/** Settings of the product under which SIPp can authenticate; SHA-256 stays on offer. */
export const sippSettings = { SIP_AUTH_ALGORITHMS: 'MD5,SHA-256' }

/** One phone of a scenario. */
export interface SippUser {
  username: string
  password: string
  virtualNumber: string
  /** The number that it calls. */
  dials?: string
  /** Tells the devices of one account apart; "1" by default. */
  device?: string
}

const nobody: SippUser = { username: '', password: '', virtualNumber: '' }

/**
 * [field0] username, [field1] the Authorization header, [field2] own number, [field3] dialled number,
 * [field4] device.
 * The keyword [authentication] can't take a field as its parameter, but a field can hold the whole keyword.
 */
const injectionLine = ({ username, password, virtualNumber, dials = '', device = '1' }: SippUser): string =>
  `${username};[authentication username=${username} password=${password}];${virtualNumber};${dials};${device};\n`

export interface SippRun {
  /** Name of a scenario in test/interop/scenarios without .xml, or an absolute path. */
  scenario: string
  /** host:port to talk to; absent for one that waits for calls. */
  remote?: string
  transport?: 'udp' | 'tcp'
  /** Own address, 127.0.0.1 by default. */
  host?: '127.0.0.1' | '::1'
  /** Own port; a free one by default. */
  port?: number
  /** Lines of the injection file; one phone each. */
  users?: readonly SippUser[]
  /** Scenario runs after which it ends; 1 by default, 0: none, it goes on until it is stopped. */
  calls?: number
  /** Seconds after which it is ended as failed; 10 by default. */
  timeout?: number
  /** Logs every message for the report of a failure; on unless told otherwise. A load does without. */
  trace?: boolean
  /** Keywords of the scenario beside [domain]. */
  keys?: Record<string, string>
  /** Further options of sipp. */
  options?: readonly string[]
}

export interface SippResult {
  /** Exit code: 0 all well, 1 a call failed, others: SIPp's own. */
  code: number | null
  successful: number
  failed: number
  retransmissions: number
  /** What was unexpected, then what was said on the wire (`trace`). */
  errors: string
}

/** A running sipp. */
export class Sipp {
  /** Settles when it has ended; never rejects. */
  readonly done: Promise<SippResult>
  #over = false

  private constructor(
    readonly port: number,
    /** Its working directory: its log files, until `done` has settled. */
    readonly dir: string,
    private readonly child: ReturnType<typeof spawn>,
    timeout: number,
    beforeCleanUp: (dir: string) => Promise<void>,
  ) {
    this.done = this.#finish(timeout, beforeCleanUp)
  }

  /** @param beforeCleanUp reads what it needs of the log files, before they are removed */
  static async start(run: SippRun, beforeCleanUp = async (_dir: string): Promise<void> => {}): Promise<Sipp> {
    const dir = await mkdtemp(path.join(tmpdir(), 'sipp-'))
    const port = run.port ?? (await freePort())
    const host = run.host ?? '127.0.0.1'
    const timeout = run.timeout ?? 10
    const users = path.join(dir, 'users.csv')
    await writeFile(users, `SEQUENTIAL\n${(run.users ?? [nobody]).map(injectionLine).join('')}`)
    const scenario = path.isAbsolute(run.scenario)
      ? run.scenario
      : path.join(root, 'test/interop/scenarios', `${run.scenario}.xml`)
    const keys = { domain: 'localhost', contact_port: String(port), ...run.keys }
    const args = [
      ...(run.remote === undefined ? [] : [run.remote]),
      ...['-sf', scenario, '-inf', users, '-i', host, '-mi', host, '-p', String(port)],
      ...[
        '-t',
        run.transport === 'tcp' ? 't1' : 'u1',
        ...(run.calls === 0 ? [] : ['-m', String(run.calls ?? 1)]),
      ],
      ...['-timeout', `${timeout}s`, '-timeout_error', '-nostdin', '-auth_uri', keys.domain],
      ...['-trace_err', '-error_file', 'errors.log', '-trace_stat', '-stf', 'stat.csv', '-fd', '1'],
      ...(run.trace === false ? [] : ['-trace_msg', '-message_file', 'messages.log']),
      ...Object.entries(keys).flatMap(([key, value]) => ['-key', key, value]),
      ...(run.options ?? []),
    ]
    const child = spawn('sipp', args, { cwd: dir, stdio: 'ignore' })
    await once(child, 'spawn')
    endWithUs(child, 'SIGKILL')
    return new Sipp(port, dir, child, timeout, beforeCleanUp)
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  /** Resolves when its port takes messages: a caller has to wait for that. */
  async listening(transport: 'udp' | 'tcp' = 'udp'): Promise<this> {
    const entry = `:${this.port.toString(16).toUpperCase().padStart(4, '0')} 00000000`
    await until(`sipp listens on ${this.port}`, async () => {
      if (this.#over) return true
      const tables = [`/proc/net/${transport}`, `/proc/net/${transport}6`]
      const texts = await Promise.all(tables.map((file) => readFile(file, 'latin1').catch(() => '')))
      return texts.some((text) => text.includes(entry))
    })
    return this
  }

  /** Ends it at once; for one that waits for calls that do not come any more. */
  stop(): void {
    if (!this.#over) this.child.kill('SIGKILL')
  }

  async #finish(timeout: number, beforeCleanUp: (dir: string) => Promise<void>): Promise<SippResult> {
    // -timeout is SIPp's own watch; this one is for a SIPp that hangs.
    const watch = setTimeout(() => this.stop(), (timeout + 10) * 1000)
    const [code] = (await once(this.child, 'exit')) as [number | null]
    clearTimeout(watch)
    this.#over = true
    const read = async (file: string): Promise<string> => {
      const full = path.join(this.dir, file)
      return existsSync(full) ? readFile(full, 'latin1') : ''
    }
    const counters = lastLine(await read('stat.csv'))
    const errors = `${await read('errors.log')}\n${await read('messages.log')}`
    await beforeCleanUp(this.dir)
    await rm(this.dir, { recursive: true, force: true })
    return {
      code,
      successful: counters.get('SuccessfulCall(C)') ?? 0,
      failed: counters.get('FailedCall(C)') ?? 0,
      retransmissions: counters.get('Retransmissions(C)') ?? 0,
      errors,
    }
  }
}

/** The newest values of a statistics file by column name. */
const lastLine = (csv: string): Map<string, number> => {
  const lines = csv.trimEnd().split('\n')
  const names = lines[0]?.split(';') ?? []
  const values = lines.length > 1 ? (lines.at(-1)?.split(';') ?? []) : []
  return new Map(names.map((name, index) => [name, Number(values[index])]))
}

/** Runs a scenario to its end. */
export const runSipp = async (run: SippRun): Promise<SippResult> => (await Sipp.start(run)).done
