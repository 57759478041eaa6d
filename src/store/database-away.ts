/**
 * Tells "the database can not be reached, or does not answer" from a defect of ours, by the errors of node's sockets, of
 * pg and of knex: the one goes away and is told so (503), the other needs somebody (500).
 */

const socketErrors = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
])
/** PostgreSQL: shut down, starting up, out of connections; class 08 is connection exceptions. */
const serverStates = /^(57P0[1-5]|53300|08...)$/
/** pg has no codes for these. */
const messages = new RegExp(
  [
    'connection terminated',
    'connection timeout',
    '^timeout expired$',
    'timeout exceeded when trying to connect',
    'query read timeout',
    'the database did not answer',
    'client has encountered a connection error',
    'client was closed',
    'cannot use a pool after calling end',
    'unable to acquire a connection',
  ].join('|'),
  'i',
)

/** True for an error of the store's after which only the database can help. What was being done may be done, or not. */
export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (error.name === 'KnexTimeoutError' || messages.test(error.message)) return true
  const code = (error as NodeJS.ErrnoException).code
  return typeof code === 'string' && (socketErrors.has(code) || serverStates.test(code))
}
