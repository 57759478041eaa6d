/**
 * Connections and all else that is open share the descriptors of the process. When there are none left, nobody gets in
 * any more, neither phones nor health probes, and no error is shown: so connections are kept below the limit.
 */
import { readFileSync } from 'node:fs'

/** For the database, the HTTP service, listeners, applications, name look-ups and log files. */
const reserve = 200
const worthTelling = 0.9

/**
 * How many connections may be open: as many as are wanted, or what the limit on descriptors leaves, and then a warning
 * tells what to do. A limit that is no more than twice the reserve is halved.
 */
export function fittingConnections(
  wanted: number,
  log: { warn(fields: object, message: string): void },
  limit: number = readDescriptorLimit(),
): number {
  const room = Math.max(limit - reserve, Math.floor(limit / 2))
  if (wanted <= room) return wanted
  // A few less are not worth a line at each start.
  if (wanted * worthTelling <= room) return room
  log.warn(
    { limit, wanted, allowed: room },
    `too few file descriptors for SIP_MAX_CONNECTIONS: raise their number to ${wanted + reserve} or more ` +
      '(LimitNOFILE of systemd, ulimit -n, --ulimit nofile of Docker), or lower the setting',
  )
  return room
}

/** The soft limit, which node raises to the hard one when it starts. Infinity where the system tells none. */
export function readDescriptorLimit(file = '/proc/self/limits'): number {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    // Only Linux has it.
    return Infinity
  }
  const soft = /^Max open files +(\d+)/m.exec(text)?.[1]
  return soft === undefined ? Infinity : Number(soft)
}
