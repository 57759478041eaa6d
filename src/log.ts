/** The log: JSON lines for machines, readable lines on a terminal, secrets in neither. */
import { pino, type DestinationStream, type Logger } from 'pino'
import { prettyFactory } from 'pino-pretty'

/** Fields whose value never reaches the log, wherever in the first three levels of a logged object they stand. */
const secretFields = [
  'authorization',
  'proxy-authorization',
  'proxyAuthorization',
  'cookie',
  'set-cookie',
  'x-csrf-token',
  'password',
  'passwordHash',
  'adminPassword',
  'token',
  'tokenHash',
  'csrfToken',
  'csrfHash',
  'adminApiToken',
  'secret',
  'ha1',
  'ha1Md5',
  'ha1Sha256',
  'ha1_md5',
  'ha1_sha256',
  'databaseUrl',
]

const redactedPaths = secretFields.flatMap((field) =>
  ['', '*', '*.*'].map((parents) => (parents === '' ? `["${field}"]` : `${parents}["${field}"]`)),
)

/**
 * Makes the process's logger.
 * @param level least serious level that is written (LOG_LEVEL)
 * @param options.pretty lines for people in place of JSON
 * @param options.destination where the lines go; standard output if absent. Lines are written at once, so none is
 *   lost when the process ends.
 */
export function createLog(
  level: string,
  options: { pretty: boolean; destination?: DestinationStream },
): Logger {
  const out = options.destination ?? pino.destination({ dest: 1, sync: true })
  return pino(
    // Process id and host name are left out: whoever collects the lines adds better ones.
    { level, base: null, redact: { paths: redactedPaths, censor: '[hidden]' } },
    options.pretty ? prettyStream(out) : out,
  )
}

function prettyStream(out: DestinationStream): DestinationStream {
  const format = prettyFactory({ colorize: true, singleLine: true, translateTime: 'SYS:HH:MM:ss.l' })
  return { write: (line) => out.write(format(line)) }
}
