import t from 'tap'
import type { EngineStats } from '../src/engine/engine.js'
import { createMetrics } from '../src/metrics.js'
import { createStats } from '../src/sip/stats.js'

t.test('counts are shown as they are at the scrape', async (t) => {
  const sip = createStats(() => 3)
  const registry = createMetrics({
    sip,
    engine: () => Promise.resolve(undefined),
    bindings: () => Promise.resolve(42),
  })
  sip.challenges = 7
  const text = await registry.metrics()
  t.match(text, /^privateline_challenges_total 7$/m)
  t.match(text, /^privateline_registrar_queue 3$/m)
  t.match(text, /^privateline_bindings 42$/m)
})

t.test('a number that can not be had is left out, and spoils no other', async (t) => {
  let away = false
  const registry = createMetrics({
    sip: createStats(() => 0),
    engine: () => Promise.resolve(undefined),
    bindings: () => (away ? Promise.reject(new Error('connection refused')) : Promise.resolve(42)),
  })
  t.match(await registry.metrics(), /^privateline_bindings 42$/m)
  away = true
  const text = await registry.metrics()
  t.match(text, /^privateline_challenges_total 0$/m)
  t.notMatch(text, /^privateline_bindings /m, 'not the number of the last scrape either')
  away = false
  t.match(await registry.metrics(), /^privateline_bindings 42$/m)
})

t.test('what the engine turned away is shown by reason, its counters and levels by name', async (t) => {
  const transport = {
    connections: 5,
    tcpConnections: 5,
    tlsConnections: 0,
    wsConnections: 0,
    wssConnections: 0,
    received: 0,
    sent: 0,
    rejected: 0,
    dropped: 0,
  }
  const refused = { input: 1, application: 2, waiting: 0, repeated: 0, stale: 0 }
  const registry = createMetrics({
    sip: createStats(() => 0),
    engine: () =>
      Promise.resolve({
        ...({ requests: 9 } as EngineStats),
        transport,
        overload: { refused, inputDelay: 30, applicationDelay: 0, waiting: 4 },
      }),
    bindings: () => Promise.resolve(0),
  })
  const text = await registry.metrics()
  t.match(text, /^privateline_sip_refused_total\{reason="application"\} 2$/m)
  t.match(text, /^privateline_engine\{name="requests"\} 9$/m)
  t.match(text, /^privateline_engine\{name="connections"\} 5$/m)
  t.match(text, /^privateline_engine\{name="inputDelay"\} 30$/m)
})
