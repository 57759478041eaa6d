import t from 'tap'
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
