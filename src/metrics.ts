/** What Prometheus sees of the SIP side; the numbers are read where they are counted, at the time of the scrape. */
import { Gauge, Registry } from 'prom-client'
import type { EngineStats } from './engine/engine.js'
import type { SipStats } from './sip/stats.js'

export interface MetricSources {
  sip: SipStats
  /** Undefined while the engine can't be asked. */
  engine: () => Promise<EngineStats | undefined>
  /** Live bindings; rejects while the database is away. */
  bindings: () => Promise<number>
}

/** Builds the registry; `metrics()` of it gives the Prometheus text. */
export function createMetrics({ sip, engine, bindings }: MetricSources): Registry {
  const registry = new Registry()
  // Counted elsewhere since the start, so a gauge that is set at the scrape; the names say `_total` as counters do.
  const add = (
    name: string,
    help: string,
    labelNames: string[],
    collect: (gauge: Gauge) => Promise<void> | void,
  ): void => {
    const gauge: Gauge = new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      collect: () => collect(gauge),
    })
  }
  const labelled = (
    name: string,
    help: string,
    label: string,
    counts: () => Readonly<Record<string, number>>,
  ): void =>
    add(name, help, [label], (gauge) => {
      for (const [key, value] of Object.entries(counts())) gauge.set({ [label]: key }, value)
    })

  labelled('privateline_sip_requests_total', 'Requests by method', 'method', () => sip.requests)
  labelled('privateline_registrations_total', 'REGISTERs by what they did', 'result', () => sip.registrations)
  labelled('privateline_calls_total', 'Calls by outcome', 'outcome', () => sip.calls)
  labelled(
    'privateline_sip_drops_total',
    'Requests dropped without an answer, by reason',
    'reason',
    () => sip.drops,
  )
  add('privateline_challenges_total', 'Digest challenges sent', [], (gauge) => gauge.set(sip.challenges))
  add('privateline_auth_failures_total', 'Failed authentications', [], (gauge) => gauge.set(sip.authFailures))
  add(
    'privateline_auth_blocked_total',
    'Requests refused unseen after too many wrong passwords',
    [],
    (gauge) => gauge.set(sip.authBlocked),
  )
  add('privateline_sip_errors_total', 'Requests answered 500 or 503 for a fault of ours', [], (gauge) =>
    gauge.set(sip.errors),
  )
  add('privateline_registrar_queue', 'REGISTERs waiting for the next transaction', [], (gauge) =>
    gauge.set(sip.registrarQueue),
  )
  add('privateline_bindings', 'Live bindings', [], async (gauge) => {
    // While the database is away the other numbers matter most; no number is more honest than the last one.
    const live = await bindings().catch(() => undefined)
    if (live === undefined) gauge.remove()
    else gauge.set(live)
  })
  add(
    'privateline_sip_refused_total',
    'Requests that the engine turned away with 503, by reason',
    ['reason'],
    async (gauge) => {
      const stats = await engine()
      gauge.reset()
      for (const [reason, count] of Object.entries(stats?.overload.refused ?? {}))
        gauge.set({ reason }, count)
    },
  )
  add('privateline_engine', 'Counters and levels of the embedded SIP engine', ['name'], async (gauge) => {
    const stats = await engine()
    gauge.reset()
    if (!stats) return
    const { transport, overload, ...counts } = stats
    const { refused: _, ...levels } = overload
    for (const [name, value] of Object.entries({ ...counts, ...transport, ...levels }))
      gauge.set({ name }, value)
  })
  return registry
}
