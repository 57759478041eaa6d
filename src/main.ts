/**
 * The process: arguments, signals, exit code. Nothing else touches `process`.
 *
 * Exit codes: 0 stopped in order; 1 could not start, or was told twice to stop; 2 wrong setting or argument;
 * 70 (EX_SOFTWARE) a fault of the program.
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { Logger } from 'pino'
import { createApp } from './app.js'
import { type Config, ConfigError, describeConfig, loadConfig } from './config.js'
import { createLog } from './log.js'
import { someReadHangs } from './small-file.js'

const exitCode = { stopped: 0, failed: 1, usage: 2, fault: 70 } as const

/** How long a stop may take beyond DRAIN_TIMEOUT, ms. Both together stay below the 10 s that Docker waits. */
const stopMargin = 4000
/** How long a stop may take after a fault of the program, ms: its state is not to be trusted. */
const faultMargin = 3000
/** Within this time after the first, a second SIGINT is the same key press, ms. */
const sameKeyPress = 500

const help = `Usage: privateline [--help | --version | --print-config]

Starts the SIP registrar and proxy with its HTTP API. Settings are environment variables; the README lists them.

  --print-config   show the effective settings, without secrets, and end
  --version        show the version and end
  --help           show this text and end
`

function readCommand(): 'start' | 'help' | 'version' | 'print-config' {
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean', short: 'h' },
      version: { type: 'boolean', short: 'v' },
      'print-config': { type: 'boolean' },
    },
  })
  if (values.help) return 'help'
  if (values.version) return 'version'
  return values['print-config'] ? 'print-config' : 'start'
}

function version(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}

/**
 * Ends the process. Node waits in its exit for all threads that read files, also for one that a share holds up for ever:
 * then a signal ends us, without waiting. SIGTERM is what supervisors take for an end in order, SIGKILL for a failure.
 */
function leave(code: number): never {
  if (someReadHangs()) {
    process.removeAllListeners('SIGTERM')
    process.kill(process.pid, code === exitCode.stopped ? 'SIGTERM' : 'SIGKILL')
  }
  process.exit(code)
}

/** One or more lines for the operator on standard error, then the end. */
function refuse(message: string, code: number): never {
  for (const line of message.split('\n')) process.stderr.write(`privateline: ${line}\n`)
  leave(code)
}

function readConfig(): Config {
  try {
    return loadConfig(process.env)
  } catch (error) {
    if (error instanceof ConfigError) refuse(error.userMessage, exitCode.usage)
    throw error
  }
}

async function serve(config: Config): Promise<void> {
  const onTerminal = process.stdout.isTTY
  const log = createLog(config.logLevel, { pretty: onTerminal })
  const app = createApp(config, log, onTerminal ? printNotice : (lines) => log.info({ lines }, 'first start'))
  log.debug({ config: describeConfig(config) }, 'settings')

  // Takes the errors of start() as well, so that a signal that comes meanwhile can wait for it in any case.
  const started = app.start().then(
    () => undefined,
    (error: unknown) => error ?? new Error('start failed without a reason'),
  )
  const stop = async (): Promise<void> => {
    await started
    await app.stop()
  }
  onFault(log, stop)
  // On a terminal SIGHUP means that it is gone, and with it the reason to run.
  if (!onTerminal) process.on('SIGHUP', () => void app.reload())
  const stopping = onSignal(log, stop, config.drainTimeout * 1000 + stopMargin)

  const failure = await started
  if (failure === undefined || stopping()) return
  await within(stopMargin, app.stop()).catch((error: unknown) => log.error({ err: error }, 'stop failed'))
  const reason = userMessage(failure)
  if (reason !== undefined) refuse(reason, exitCode.failed)
  log.fatal({ err: failure }, 'start failed')
  leave(exitCode.fault)
}

/** The line for the operator that an error carries if it is not a fault of the program (see start-error.ts). */
function userMessage(error: unknown): string | undefined {
  const message = error instanceof Error && 'userMessage' in error ? error.userMessage : undefined
  return typeof message === 'string' ? message : undefined
}

/** What the operator has to read once, on a terminal: apart from the log lines around it. */
function printNotice(lines: readonly string[]): void {
  process.stdout.write(`\n${lines.map((line) => `  ${line}\n`).join('')}\n`)
}

/** SIGTERM and SIGINT stop in order; the second one ends the process at once. Tells whether one has come. */
function onSignal(log: Logger, stop: () => Promise<void>, deadline: number): () => boolean {
  let firstAt: number | undefined
  const handle = (signal: NodeJS.Signals): void => {
    if (firstAt !== undefined) {
      // Under `npm start` Ctrl-C comes twice: from the terminal, and passed on by npm.
      if (signal === 'SIGINT' && Date.now() - firstAt < sameKeyPress) return
      log.warn({ signal }, 'told twice to stop: leaving at once')
      leave(exitCode.failed)
    }
    firstAt = Date.now()
    log.info({ signal }, 'stopping')
    within(deadline, stop()).then(
      () => {
        log.info('stopped')
        leave(exitCode.stopped)
      },
      (error: unknown) => {
        log.fatal({ err: error }, 'stop failed')
        leave(exitCode.failed)
      },
    )
  }
  process.on('SIGTERM', handle)
  process.on('SIGINT', handle)
  return () => firstAt !== undefined
}

/** An error that nobody caught: the state is unknown, so the process ends; whoever runs it starts a new one. */
function onFault(log: Logger, stop: () => Promise<void>): void {
  let faults = 0
  const handle = (error: unknown): void => {
    log.fatal({ err: error }, 'fault of the program')
    if (faults++ > 0) return
    void within(faultMargin, stop())
      .catch(() => undefined)
      .then(() => leave(exitCode.fault))
  }
  process.on('uncaughtException', handle)
  process.on('unhandledRejection', handle)
}

async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not finished after ${ms} ms`)), ms)
  })
  await Promise.race([work, late]).finally(() => clearTimeout(timer))
}

// The real environment is a call into the C library at every look-up, and drachtio-srf makes one for every header it
// reads (a tenth of its time). A plain copy costs nothing.
process.env = { ...process.env }

let command
try {
  command = readCommand()
} catch (error) {
  refuse(`${(error as Error).message.split('. ')[0]}; see --help`, exitCode.usage)
}
if (command === 'help') process.stdout.write(help)
else if (command === 'version') process.stdout.write(`${version()}\n`)
else if (command === 'print-config') {
  process.stdout.write(`${JSON.stringify(describeConfig(readConfig()), null, 2)}\n`)
} else await serve(readConfig())
