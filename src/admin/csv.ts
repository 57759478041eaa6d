/** Lists as CSV (RFC 4180), streamed: a log of a year is never in memory as a whole. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Readable } from 'node:stream'

export type CsvValue = string | number | boolean | null | undefined

/** Name of each column and what stands in it, in order. */
export type CsvColumns<Item> = Readonly<Record<string, (item: Item) => CsvValue>>

/** Whether CSV was asked for: by `?format=csv`, or else by an Accept header that names it and ranks it before JSON. */
export function wantsCsv(request: FastifyRequest): boolean {
  const { format } = request.query as { format?: unknown }
  if (format !== undefined) return format === 'csv'
  const accept = request.headers.accept ?? ''
  const csv = quality(accept, ['text/csv'])
  return csv > 0 && csv >= quality(accept, ['application/json', 'application/*'])
}

/** The best q of these media types (RFC 9110 §12.5.1), 0 if none of them is named. */
function quality(accept: string, types: readonly string[]): number {
  const ranks = accept.split(',').map((range) => {
    const [type = '', ...params] = range.split(';').map((part) => part.trim().toLowerCase())
    if (!types.includes(type)) return 0
    const q = params.find((param) => param.startsWith('q='))
    return q === undefined ? 1 : Number(q.slice(2)) || 0
  })
  return Math.max(...ranks)
}

/**
 * Sends all items as a download. Rejects if the first one can't be had, so that a wrong request gets its problem; an
 * error after that cuts the connection, so that nobody takes a part for the whole.
 */
export async function sendCsv<Item>(
  reply: FastifyReply,
  name: string,
  columns: CsvColumns<Item>,
  items: AsyncIterable<Item>,
): Promise<FastifyReply> {
  const iterator = items[Symbol.asyncIterator]()
  const first = await iterator.next()
  const values = Object.values(columns)
  const lines = async function* () {
    try {
      yield csvLine(Object.keys(columns))
      for (let next = first; !next.done; next = await iterator.next()) {
        yield csvLine(values.map((value) => value(next.value)))
      }
    } finally {
      await iterator.return?.()
    }
  }
  return reply
    .header('content-type', 'text/csv; charset=utf-8; header=present')
    .header('content-disposition', `attachment; filename="${name}.csv"`)
    .send(Readable.from(lines()))
}

export function csvLine(values: readonly CsvValue[]): string {
  return `${values.map(csvValue).join(',')}\r\n`
}

/**
 * What a spreadsheet takes for a formula, full-width letters included, is text with an apostrophe before it: phones
 * choose much of what stands in the logs, and a formula can send the rest of the sheet away.
 */
const formula = /^[\s\0]*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]/

function csvValue(value: CsvValue): string {
  if (value === null || value === undefined) return ''
  if (typeof value !== 'string') return String(value)
  return `"${(formula.test(value) ? `'${value}` : value).replaceAll('"', '""')}"`
}
