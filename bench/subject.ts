/**
 * A process of ours that is measured, or that loads what is measured: a file of bench/subjects, started with options
 * and asked questions over Node's own channel. Both ends of that channel are here.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { endWithUs } from '../test/support/tools.js'

export interface Subject<Ready> {
  readonly pid: number
  /** What it told when it was ready. */
  readonly ready: Ready
  /** The answer to one of its questions. Rejects if it ends instead. */
  ask<Answer>(question: string): Promise<Answer>
  /** Ends it, in order if it can. */
  stop(): Promise<void>
}

/** Time for a subject to end in order, ms. */
const patienceMs = 5000

/**
 * Starts bench/subjects/<name> and waits until it is ready.
 * @param flags options of node itself
 * @throws Error if it ends before
 */
export const startSubject = async <Ready>(
  name: string,
  options: object,
  flags: readonly string[] = [],
): Promise<Subject<Ready>> => {
  const file = path.join(import.meta.dirname, 'subjects', `${name}.js`)
  const child = fork(file, [JSON.stringify(options)], { execArgv: [...flags], serialization: 'advanced' })
  endWithUs(child, 'SIGKILL')
  const ended = once(child, 'exit').then(([code]) => new Error(`${name} has ended with ${String(code)}`))
  /** Its next message. Questions are asked one after the other, so that it is the answer. */
  const message = async (): Promise<unknown> => {
    const said = once(child, 'message').then(([value]: unknown[]) => value)
    const first = await Promise.race([said, ended])
    if (first instanceof Error) throw first
    return first
  }
  const ready = (await message()) as Ready
  let last: Promise<unknown> = Promise.resolve()
  return {
    pid: child.pid ?? 0,
    ready,
    ask<Answer>(question: string) {
      const answer = last.then(() => {
        child.send(question)
        return message()
      })
      last = answer.catch(() => undefined)
      return answer as Promise<Answer>
    },
    async stop() {
      if (child.connected) child.disconnect()
      const impatient = setTimeout(() => child.kill('SIGKILL'), patienceMs)
      await ended
      clearTimeout(impatient)
    },
  }
}

/** In the subject: the options that it was started with. */
export const subjectOptions = <Options>(): Options => JSON.parse(process.argv[2] ?? '{}') as Options

/** In the subject: says that it is ready, and answers questions until it is to end. */
export const serveSubject = (
  ready: unknown,
  answers: Record<string, () => unknown>,
  stop: () => unknown,
): void => {
  const answer = async (question: string): Promise<void> => {
    process.send?.((await answers[question]?.()) ?? 'done')
  }
  process.on('message', (question: string) => void answer(question))
  process.once('disconnect', () => void Promise.resolve(stop()).finally(() => process.exit()))
  process.send?.(ready)
}

/** In the subject: the heap after a collection of garbage (with --expose-gc), and all memory of the process, bytes. */
export const memoryNow = (): { heap: number; external: number; rss: number } => {
  // Twice: what the first one finalizes is only gone after the second.
  globalThis.gc?.()
  globalThis.gc?.()
  const { heapUsed, external, rss } = process.memoryUsage()
  return { heap: heapUsed, external, rss }
}
