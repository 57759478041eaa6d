/** Rounds of broken messages against the parser and against a running engine, until time is up or something is found. */
import { seedMessage, type Values } from './corpus.js'
import { EngineTarget, type Input } from './engine-target.js'
import { asError, Find } from './find.js'
import { describe, minimised, parserError, save, watchProcess, type Reproducer } from './finds.js'
import { Memory } from './memory.js'
import { mutate } from './mutate.js'
import { Random } from './random.js'

export interface FuzzOptions {
  seconds: number
  seed: number
  /** Progress and finds, line by line. */
  log: (line: string) => void
}

const messagesForParser = 3000
const inputsForEngine = 500
/** How often progress is told, ms. */
const progressMs = 30_000

/** True if nothing was found. */
export async function fuzz({ seconds, seed, log }: FuzzOptions): Promise<boolean> {
  log(`seed ${seed}, ${seconds} s`)
  const deadline = Date.now() + seconds * 1000
  const memory = new Memory()
  const target = await EngineTarget.start(new Random(seed))
  const stopWatching = watchProcess(target)
  let find: Reproducer | undefined
  let rounds = 0
  let told = Date.now()
  for (; !find && (rounds === 0 || Date.now() < deadline); rounds++) {
    // Each round can be repeated without those before it.
    const roundSeed = (Math.imul(seed, 1_000_003) + rounds) >>> 0
    find = parserRound(roundSeed) ?? (await engineRound(target, roundSeed))
    memory.sample()
    if (Date.now() - told < progressMs) continue
    told = Date.now()
    log(`${rounds} rounds, ${Math.round((deadline - told) / 1000)} s to go`)
  }
  stopWatching()
  await target.stop()
  const { growth } = memory
  const megabytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1)
  const grown = growth ? `; heap grew ${megabytes(growth.heap)} MB, rss ${megabytes(growth.rss)} MB` : ''
  log(`${rounds * messagesForParser} messages parsed, ${rounds * inputsForEngine} sent to the engine${grown}`)
  if (memory.leaks) log('FOUND: memory grows')
  if (!find) return !memory.leaks
  log(`FOUND: ${find.error}`)
  log(`saved as ${await save(find)}; making it smaller`)
  log(`saved as ${await save(await minimised(find))}`)
  return false
}

function parserRound(seed: number): Reproducer | undefined {
  const random = new Random(seed)
  for (let left = messagesForParser; left > 0; left--) {
    const bytes = mutate(
      random,
      seedMessage(random, valuesFor(random)),
      seedMessage(random, valuesFor(random)),
    )
    const error = parserError(bytes)
    if (error) return { error: describe(error), seed, bytes }
  }
  return undefined
}

async function engineRound(target: EngineTarget, seed: number): Promise<Reproducer | undefined> {
  const random = new Random(seed)
  const inputs: Input[] = []
  try {
    await target.makeCall()
    for (let left = inputsForEngine; left > 0; left--) {
      const input = target.makeInput(random)
      inputs.push(input)
      await target.send(input)
    }
    await target.check()
    return undefined
  } catch (thrown) {
    const error = asError(thrown)
    const { surroundings } = target
    return { error: error instanceof Find ? error.message : describe(error), seed, inputs, surroundings }
  }
}

function valuesFor(random: Random): Values {
  return {
    callId: `${random.word()}@fuzz`,
    fromTag: random.word(),
    toTag: random.word(),
    target: 'sip:app@127.0.0.1',
    route: 'Route: <sip:127.0.0.1;lr>, <sip:[::1]:5070;lr>\n',
    transport: random.pick(['UDP', 'TCP', 'WS']),
    sentBy: '127.0.0.1:5070',
    branch: random.word(),
    cseq: '2',
  }
}
