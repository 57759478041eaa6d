/**
 * Takes up a renewed certificate while the server runs. The files are read again and again rather than watched: that
 * works however they are replaced (written over, renamed, a symbolic link on their way turned, as certbot and
 * Kubernetes do), and costs nothing worth mentioning.
 */
import { certificateFacts } from './certificate.js'
import type { TlsMaterial } from './engine/transport/transport.js'

/** Pause between two looks, ms. */
const pauseMs = 10_000
/** A certificate that nobody has renewed is worth a warning this long before its end, ms, … */
const warnBeforeMs = 14 * 86_400_000
/** … once in so long, ms. */
const warnEveryMs = 86_400_000

export interface CertificateWatch {
  /** Looks at once. Never rejects. */
  check(): Promise<void>
  stop(): void
}

interface WatchLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

/**
 * @param load what is on disk; may reject, for files that are being written
 * @param apply puts a pair to use; may reject, and is then tried again
 */
export function watchCertificate(options: {
  current: TlsMaterial
  load: () => Promise<TlsMaterial | undefined>
  apply: (material: TlsMaterial) => Promise<void>
  log: WatchLog
  now?: () => number
  pauseMs?: number
}): CertificateWatch {
  const { load, apply, log, now = Date.now } = options
  let { current } = options
  let running: Promise<void> | undefined
  let complaint = ''
  let lastWarning = -Infinity

  async function look(): Promise<void> {
    try {
      const found = await load()
      if (found && !same(found, current)) {
        const facts = certificateFacts(found)
        await apply(found)
        current = found
        lastWarning = -Infinity
        log.info(facts, 'certificate renewed')
      }
      complaint = ''
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      // The same every few seconds would only hide the rest of the log.
      if (reason !== complaint) log.warn({ reason }, 'the certificate was not renewed; the old one stays')
      complaint = reason
    }
    warnOfEnd()
  }

  function warnOfEnd(): void {
    const facts = certificateFacts(current)
    if (Date.parse(facts.expires) - now() > warnBeforeMs || now() - lastWarning < warnEveryMs) return
    lastWarning = now()
    log.warn(facts, 'the certificate expires soon, or has expired')
  }

  function check(): Promise<void> {
    return (running ??= look().finally(() => (running = undefined)))
  }

  log.info(certificateFacts(current), 'certificate in use')
  warnOfEnd()
  const timer = setInterval(() => void check(), options.pauseMs ?? pauseMs)
  timer.unref()
  return { check, stop: () => clearInterval(timer) }
}

function same(a: TlsMaterial, b: TlsMaterial): boolean {
  return a.cert === b.cert && a.key === b.key && a.clientCa === b.clientCa
}
