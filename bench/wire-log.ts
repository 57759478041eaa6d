/**
 * Reads SIPp's log of messages (-trace_shortmsg): the one place where it tells times in microseconds. Its own
 * response times (-trace_rtt) come from a clock that ticks every 4 ms.
 */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { shapes, type Mode } from './modes.js'

/** One operation as its phone saw it, in seconds since the epoch. */
export interface Operation {
  began: number
  ended: number
}

/** The finished operations of a log, in the order of their end. */
export const operations = async (file: string, mode: Mode): Promise<Operation[]> => {
  const { opens, closes, many } = shapes[mode]
  const open = new Map<string, number>()
  const done: Operation[] = []
  for await (const line of createInterface({ input: createReadStream(file, 'latin1') })) {
    const [, , time = '', direction = '', callId = '', cseq = '', first = ''] = line.split('\t')
    const key = many ? `${callId} ${cseq}` : callId
    if (direction === 'S') {
      // A retransmission does not begin anew: the caller has been waiting since the first.
      if (opens.test(cseq) && !open.has(key)) open.set(key, Number(time))
    } else if (closes.test(cseq) && first.startsWith('SIP/2.0 200')) {
      const began = open.get(key)
      if (began !== undefined) done.push({ began, ended: Number(time) })
      open.delete(key)
    }
  }
  return done
}

/** The value below which `share` of the sorted values lie. */
export const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
