/**
 * Tells "the database can not be reached" from a defect of ours, by the errors of node's sockets, of pg and of knex: the
 * one is answered with 503 and goes away, the other is a 500 and needs somebody.
 */

const SOCKET_ERRORS = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
])
/** PostgreSQL: shut down, starting up, out of connections; class 08 is connection exceptions. */
const SERVER_STATES = /^(57P0[1-5]|53300|08...)$/
/** pg has no codes for these. */
const MESSAGES =
  /connection terminated|connection timeout|timeout exceeded when trying to connect|client has encountered a connection error|client was closed|cannot use a pool after calling end|unable to acquire a connection/i

export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (error.name === 'KnexTimeoutError' || MESSAGES.test(error.message)) return true
  const code = (error as NodeJS.ErrnoException).code
  return typeof code === 'string' && (SOCKET_ERRORS.has(code) || SERVER_STATES.test(code))
}
