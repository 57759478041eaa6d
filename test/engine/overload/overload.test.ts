/** The overload control against simulated servers: what it lets through, how long that waits, and who goes first. */
import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import {
  Overload,
  tickMs,
  type Newcomer,
  type OverloadLimits,
  type RefusalReason,
} from '../../../src/engine/overload/overload.js'
import { QueueGauge } from '../../../src/engine/transport/queue-gauge.js'
import { options, startLayer } from '../transport/harness.js'

/** The same chances in every run. */
function chance(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

/**
 * Phones that register in two legs with an application that has a queue for each; time passes in steps of 1 ms. Phones
 * that are refused do not come back here.
 */
class Simulation {
  readonly log: string[] = []
  readonly overload: Overload
  now = 0
  offered = 0
  refused = 0
  /** Both legs were served within 4 s of the first. */
  good = 0
  longest = 0
  #next = 0
  readonly #random = chance(7)
  readonly #queue: { began: number; second: boolean; callId: string; leave: () => void }[] = []
  readonly #thinking: { began: number; due: number; leave: () => void }[] = []
  #credit = 0
  #arrivals = 0

  constructor(limits: Partial<OverloadLimits> = {}) {
    this.overload = new Overload(limits, this.#random, {
      begun: () => this.log.push('begun'),
      over: (seconds, refused) =>
        this.log.push(`over after ${seconds.toFixed(0)} s: ${JSON.stringify(refused)}`),
    })
  }

  /** `legsPerSecond` is what the application can do; `perSecond` phones begin, evenly. */
  run(ms: number, { perSecond, legsPerSecond }: { perSecond: number; legsPerSecond: number }): this {
    for (let step = 0; step < ms; step++) {
      this.now++
      for (this.#arrivals += perSecond / 1000; this.#arrivals >= 1; this.#arrivals--) {
        this.offered++
        this.#ask(false, this.now, `call ${this.#next++}`)
      }
      this.#credit = Math.min(this.#credit + legsPerSecond / 1000, Math.max(1, legsPerSecond / 1000))
      while (this.#credit >= 1 && this.#queue.length > 0) {
        this.#credit--
        const { began, second, callId, leave } = this.#queue.shift()!
        leave()
        if (!second) this.#ask(true, began, callId)
        else {
          this.longest = Math.max(this.longest, this.now - began)
          if (this.now - began <= 4000) this.good++
        }
      }
      if (this.now % tickMs === 0) this.overload.tick(this.now, 0)
    }
    return this
  }

  /** An application that can do anything, but thinks for a while about each request. */
  think(ms: number, perSecond: number, thought: () => number): this {
    for (let step = 0; step < ms; step++) {
      this.now++
      for (this.#arrivals += perSecond / 1000; this.#arrivals >= 1; this.#arrivals--) {
        this.offered++
        const leave = this.#admit('INVITE', false, `call ${this.#next++}`)
        if (leave) this.#thinking.push({ began: this.now, due: this.now + thought(), leave })
      }
      for (let at = this.#thinking.length - 1; at >= 0; at--) {
        if (this.#thinking[at]!.due > this.now) continue
        this.#thinking.splice(at, 1)[0]!.leave()
      }
      if (this.now % tickMs === 0) this.overload.tick(this.now, 0)
    }
    return this
  }

  #ask(second: boolean, began: number, callId: string): void {
    const leave = this.#admit('REGISTER', second, callId)
    if (leave) this.#queue.push({ began, second, callId, leave })
  }

  #admit(method: string, hasCredentials: boolean, callId: string): (() => void) | undefined {
    const newcomer = { method, callId, hasCredentials, emergency: false, address: '192.0.2.1' }
    if (this.overload.refuses(newcomer, `branch ${this.#next++}`, this.now)) {
      this.refused++
      return undefined
    }
    const place = this.overload.enter(method, hasCredentials, this.now)
    return () => place.leave(this.now)
  }
}

for (const times of [1.2, 2, 5, 20]) {
  t.test(
    `at ${times} times the capacity what is let in is served in time, and the server is never idle`,
    async (t) => {
      const capacity = 1000
      const simulation = new Simulation()
      simulation.run(5_000, { perSecond: capacity * 0.5, legsPerSecond: 2 * capacity })
      t.equal(simulation.refused, 0)
      const before = simulation.good
      simulation.run(20_000, { perSecond: capacity * times, legsPerSecond: 2 * capacity })
      const share = (simulation.good - before) / 20 / capacity
      t.ok(share > 0.8, `goodput ${(share * 100).toFixed(0)} % of the capacity`)
      t.ok(simulation.longest < 3_000, `the longest took ${simulation.longest} ms`)
      const refused = simulation.refused
      simulation.run(10_000, { perSecond: capacity * 0.5, legsPerSecond: 2 * capacity })
      t.ok(
        simulation.refused - refused < capacity * times,
        `${simulation.refused - refused} refused after the load`,
      )
      t.equal(simulation.log.length, 2)
      t.match(simulation.log[1], /over after [12]\d s/)
    },
  )
}

t.test('a burst is served, not refused', async (t) => {
  const simulation = new Simulation().run(3_000, { perSecond: 200, legsPerSecond: 2000 })
  simulation
    .run(200, { perSecond: 2000, legsPerSecond: 2000 })
    .run(3_000, { perSecond: 200, legsPerSecond: 2000 })
  t.equal(simulation.refused, 0)
})

t.test('just below the capacity next to nothing is refused', async (t) => {
  const simulation = new Simulation().run(20_000, { perSecond: 950, legsPerSecond: 2000 })
  t.equal(simulation.refused, 0)
})

t.test('an application that thinks for seconds has many under way, and is not overloaded', async (t) => {
  const random = chance(1)
  const simulation = new Simulation().think(20_000, 200, () => 500 + 3000 * random())
  t.ok(simulation.overload.stats.waiting > 300)
  simulation.think(20_000, 300, () => 500 + 3000 * random())
  t.equal(simulation.refused, 0)
})

t.test('one that begins to take longer is found out, and not refused for ever', async (t) => {
  const simulation = new Simulation().think(10_000, 400, () => 5).think(30_000, 400, () => 600)
  const { refused } = simulation
  t.ok(refused > 0, 'this looks like an overload at first')
  simulation.think(30_000, 400, () => 600)
  t.equal(simulation.refused, refused)
})

t.test(
  'an application that stops to react gets no more than it can take up again, and then goes on',
  async (t) => {
    const simulation = new Simulation().run(3_000, { perSecond: 500, legsPerSecond: 2000 })
    simulation.run(20_000, { perSecond: 500, legsPerSecond: 0 })
    const { waiting } = simulation.overload.stats
    t.ok(waiting < 1_500, `${waiting} wait`)
    simulation.run(3_000, { perSecond: 500, legsPerSecond: 2000 })
    const refused = simulation.refused
    simulation.run(5_000, { perSecond: 500, legsPerSecond: 2000 })
    t.equal(simulation.refused, refused)
  },
)

/** A control that has been told for a while that input waits, at 1000 new requests a second. */
function waitingInput(ms: number, limits: Partial<OverloadLimits> = {}) {
  const overload = new Overload({ delayMs: 150, ...limits }, chance(3), { begun: () => {}, over: () => {} })
  let now = 0
  let id = 0
  const ask = (what: Partial<Newcomer>, key = `branch ${id++}`): RefusalReason | undefined =>
    overload.refuses(
      {
        method: 'REGISTER',
        callId: `call ${id}`,
        hasCredentials: false,
        emergency: false,
        address: '192.0.2.1',
        ...what,
      },
      key,
      now,
    )
  for (let step = 0; step < 40; step++) {
    now += tickMs
    for (let n = 0; n < 50; n++) ask({ method: 'OPTIONS' })
    overload.tick(now, ms)
  }
  const share = (what: Partial<Newcomer>): number => {
    let refused = 0
    for (let n = 0; n < 1000; n++) if (ask(what)) refused++
    return refused / 1000
  }
  return { overload, ask, share, later: (by: number) => (now += by) }
}

t.test('the more important goes first: who sends little, has credentials, or is in distress', async (t) => {
  const { share } = waitingInput(220)
  t.ok(share({}) > 0.8)
  t.equal(share({ hasCredentials: true }), 0)
  const spread = waitingInput(220)
  let refused = 0
  for (let n = 0; n < 1000; n++) if (spread.ask({ address: `192.0.${n % 250}.${n}` })) refused++
  t.ok(refused < 200, 'from many addresses')
  t.ok(waitingInput(330).share({ hasCredentials: true }) > 0.8)
  t.equal(waitingInput(330).share({ emergency: true, method: 'INVITE' }), 0)
  t.equal(waitingInput(10_000).share({ method: 'OPTIONS' }), 0, 'a check whether the server is there')
  t.equal(waitingInput(149).share({}), 0)
})

t.test('the second leg of what was let in is let in, whatever has happened meanwhile', async (t) => {
  const { ask, overload, later } = waitingInput(0)
  for (let n = 0; n < 100; n++) t.notOk(ask({ callId: `begun ${n}` }))
  for (let n = 0; n < 8; n++) overload.tick(later(tickMs), 600)
  let refused = 0
  for (let n = 0; n < 100; n++) if (ask({ callId: `begun ${n}`, hasCredentials: true })) refused++
  t.equal(refused, 0)
  t.ok(ask({ hasCredentials: true }))
  for (let n = 0; n < 100; n++) if (ask({ callId: `begun ${n}`, hasCredentials: true })) refused++
  t.equal(refused, 100, 'once, whatever is invented')
})

t.test('copies of what was refused are refused, even when there is room again', async (t) => {
  const { ask, overload, later } = waitingInput(10_000)
  t.equal(ask({}, 'the branch'), 'input')
  t.equal(ask({}, 'the branch'), 'stale', 'it waited here while the answer was written')
  overload.tick(later(tickMs), 0)
  for (let n = 0; n < 10; n++) overload.tick(later(tickMs), 0)
  t.notOk(ask({}, 'another branch'))
  t.equal(ask({}, 'the branch'), 'repeated')
  later(40_000)
  t.notOk(ask({}, 'the branch'))
})

t.test('a pause of the machine refuses nobody', async (t) => {
  const { ask, share, overload, later } = waitingInput(0)
  overload.tick(later(700), 400)
  t.equal(share({}), 0, 'all that has come meanwhile')
  for (let n = 0; n < 5; n++) overload.tick(later(tickMs), 400)
  t.notOk(ask({}))
  for (let n = 0; n < 2; n++) overload.tick(later(tickMs), 400)
  t.equal(ask({}), 'input', 'it lasts')
})

t.test('a slow machine that has nothing to do refuses nobody', async (t) => {
  const overload = new Overload({}, () => 0, { begun: () => t.fail(), over: () => t.fail() })
  for (let now = 0; now < 5_000; now += 500) {
    const newcomer = { method: 'INVITE', callId: 'c', hasCredentials: false, emergency: false, address: 'a' }
    t.notOk(overload.refuses(newcomer, `branch ${now}`, now))
    overload.tick(now, 5_000)
  }
})

t.test('no more than a number wait for the applications, whatever they ask', async (t) => {
  const { overload, ask } = waitingInput(0, { maxWaiting: 100 })
  const places = Array.from({ length: 100 }, () => overload.enter('OPTIONS', false, 0))
  t.equal(ask({ method: 'OPTIONS' }), 'waiting')
  places[0]!.leave(1)
  places[0]!.leave(2)
  t.notOk(ask({ method: 'OPTIONS' }))
  t.equal(overload.stats.waiting, 99)
})

t.test(
  'marks tell how long datagrams wait; one that is lost counts as the wait for a repetition',
  async (t) => {
    const gauge = new QueueGauge()
    t.equal(gauge.delay(0), 0, 'nothing is known')
    for (let now = 0; now < 1_000; now += 50) gauge.receive(gauge.mark(now), now + 30)
    t.ok(gauge.delay(1_000) > 25 && gauge.delay(1_000) <= 30)
    gauge.mark(1_000)
    t.equal(gauge.delay(1_200), 200, 'one is under way for so long')
    const next = gauge.mark(1_050)
    t.equal(gauge.receive(next, 1_250), true)
    t.ok(gauge.delay(1_250) > 150)
    t.equal(gauge.delay(10_000), 0, 'silence means that marks do not get through')
    t.equal(gauge.receive(Buffer.from('OPTIONS sip:a SIP/2.0'), 0), false)
    t.equal(gauge.receive(Buffer.alloc(20, 0xff), 0), false, 'not ours')
  },
)

t.test('datagrams that wait in the socket while the engine is busy are noticed', async (t) => {
  const harness = await startLayer(t)
  const { layer } = harness
  const phone = await harness.phone('udp')
  const round = async (busyMs: number): Promise<number> => {
    phone.send(options(phone))
    await phone.expect(200)
    const delay = layer.measureQueues()
    for (const end = performance.now() + busyMs; performance.now() < end;);
    await pause(1)
    return delay
  }
  for (let n = 0; n < 4; n++) await round(100)
  t.ok((await round(0)) > 40)
  t.equal(layer.measureQueues(), 0, 'nothing has come since')
})
