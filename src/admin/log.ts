import type { FastifyBaseLogger } from 'fastify'
import type { Logger } from 'pino'

const SECRETS = [
  'authorization',
  'cookie',
  'set-cookie',
  'password',
  'passwordHash',
  'hashes',
  'ha1Md5',
  'ha1Sha256',
  'token',
  'csrfToken',
  'x-csrf-token',
]

/** Secrets wherever an object that is logged may have them: at its top, or one or two levels down. */
const redact = SECRETS.flatMap((name) => [`["${name}"]`, `*["${name}"]`, `*.*["${name}"]`])

/** The logger of the HTTP service: the program's own, with secrets blacked out whoever logs them. */
export function loggerOf(log: Logger): FastifyBaseLogger {
  return log.child({ part: 'http' }, { redact })
}
