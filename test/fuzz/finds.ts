/** Finds as files: what was sent, made as small as time allows, to be sent again with `--replay`. */
import { readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EngineTarget, type Input, type Surroundings } from './engine-target.js'
import { asError } from './find.js'
import { minimise } from './minimise.js'
import { checkParser } from './parser-target.js'
import { Random } from './random.js'

export interface Reproducer {
  readonly error: string
  /** Of the round, for what is left to chance in a replay. */
  readonly seed: number
  /** For the parser. */
  readonly bytes?: Buffer
  /** For the engine. */
  readonly inputs?: readonly Input[]
  readonly surroundings?: Surroundings
}

/** Longest time spent on making a find smaller, ms. */
const minimiseMs = 120_000

export function parserError(bytes: Buffer): Error | undefined {
  try {
    checkParser(bytes)
    return undefined
  } catch (error) {
    return asError(error)
  }
}

/** Sends the inputs to a new engine, with what they refer to in the place of what they referred to when they were made. */
export async function engineError(
  inputs: readonly Input[],
  seed: number,
  surroundings: Surroundings = {},
): Promise<Error | undefined> {
  const target = await EngineTarget.start(new Random(seed))
  const stopWatching = watchProcess(target)
  try {
    await target.makeCall()
    const now = target.surroundings
    for (const input of inputs) await target.send({ ...input, bytes: moved(input.bytes, surroundings, now) })
    await target.check()
    return undefined
  } catch (error) {
    return asError(error)
  } finally {
    stopWatching()
    await target.stop()
  }
}

function moved(bytes: Buffer, before: Surroundings, now: Surroundings): Buffer {
  let text = bytes.toString('latin1')
  for (const [name, value] of Object.entries(before))
    if (value !== '') text = text.replaceAll(value, now[name] ?? '')
  return Buffer.from(text, 'latin1')
}

/** What nobody has caught is a failure of the target. */
export function watchProcess(target: EngineTarget): () => void {
  const uncaught = (error: unknown): void =>
    void target.failures.push(`uncaught: ${describe(asError(error))}`)
  process.on('uncaughtException', uncaught)
  process.on('unhandledRejection', uncaught)
  return () => {
    process.off('uncaughtException', uncaught)
    process.off('unhandledRejection', uncaught)
  }
}

/** A smaller one that fails too. What does not fail again stays as it is. */
export async function minimised(find: Reproducer): Promise<Reproducer> {
  const deadline = Date.now() + minimiseMs
  const mayGoOn = (): boolean => Date.now() < deadline
  if (find.bytes) {
    const bytes = await minimise(
      [...find.bytes],
      (few) => parserError(Buffer.from(few)) !== undefined,
      mayGoOn,
    )
    return { ...find, bytes: Buffer.from(bytes) }
  }
  const { inputs = [], seed } = find
  const fails = async (few: readonly Input[]): Promise<boolean> =>
    (await engineError(few, seed)) !== undefined
  return (await fails(inputs)) ? { ...find, inputs: await minimise(inputs, fails, mayGoOn) } : find
}

/** Gives the name of the file. */
export async function save(find: Reproducer): Promise<string> {
  const file = join(tmpdir(), `sip-fuzz-${find.seed}.json`)
  const content = {
    ...find,
    bytes: find.bytes?.toString('base64'),
    inputs: find.inputs?.map((input) => ({ ...input, bytes: input.bytes.toString('base64') })),
    /** For the reader. */
    text: find.bytes?.toString('latin1') ?? find.inputs?.map(({ bytes }) => bytes.toString('latin1')),
  }
  await writeFile(file, JSON.stringify(content, undefined, 2))
  return file
}

/** Undefined if it does not fail any more. */
export async function replay(file: string): Promise<Error | undefined> {
  const find = JSON.parse(await readFile(file, 'utf8')) as {
    seed: number
    bytes?: string
    inputs?: { way: Input['way']; bytes: string; cuts: number[] }[]
    surroundings?: Surroundings
  }
  if (find.bytes !== undefined) return parserError(Buffer.from(find.bytes, 'base64'))
  const inputs = (find.inputs ?? []).map((input) => ({ ...input, bytes: Buffer.from(input.bytes, 'base64') }))
  return engineError(inputs, find.seed, find.surroundings)
}

export function describe(error: Error): string {
  return error.stack ?? error.message
}
