/** Tables, as Markdown. */
import type { Row } from './measure.js'

/** Title of a column, and what stands in it for a row. */
export type Column<T> = readonly [title: string, cell: (row: T) => string]

export const table = <T>(columns: readonly Column<T>[], rows: readonly T[]): string => {
  const cells = [columns.map(([title]) => title), ...rows.map((row) => columns.map(([, cell]) => cell(row)))]
  const widths = columns.map((_, column) => Math.max(...cells.map((line) => line[column]?.length ?? 0)))
  const lines = cells.map((line) => `| ${line.map((cell, n) => cell.padEnd(widths[n] ?? 0)).join(' | ')} |`)
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`
  return [lines[0], rule, ...lines.slice(1)].join('\n')
}

export const megabytes = (bytes: number): string => (bytes / 1024 ** 2).toFixed(0)

/** The columns of a load: `names` are the processes whose cost is shown. */
export const costColumns = (names: readonly string[]): Column<Omit<Row, 'mode'> & { mode: string }>[] => [
  ['mode', (row) => row.mode],
  ['asked/s', (row) => String(row.asked)],
  ['held/s', (row) => row.held.toFixed(0)],
  ['failed', (row) => String(row.failures)],
  ['retrans.', (row) => String(row.retransmissions)],
  ...names.map((name): Column<Omit<Row, 'mode'>> => [
    `${name} CPU s/1000`,
    (row) => (row.cpu[name] ?? Number.NaN).toFixed(3),
  ]),
  ['p50 ms', (row) => row.p50.toFixed(1)],
  ['p99 ms', (row) => row.p99.toFixed(1)],
  ...names.map((name): Column<Omit<Row, 'mode'>> => [
    `${name} MB`,
    (row) => `${megabytes(row.memory[name]?.before ?? 0)}-${megabytes(row.memory[name]?.after ?? 0)}`,
  ]),
  ['SIPp core', (row) => `${(row.generator * 100).toFixed(0)} %`],
]
