/** The bench's one table. */
import type { Row } from './measure.js'

const megabytes = (bytes: number): string => (bytes / 1024 ** 2).toFixed(0)

const columns = (names: string[]): [string, (row: Row) => string][] => [
  ['mode', (row) => row.mode],
  ['asked/s', (row) => String(row.asked)],
  ['held/s', (row) => row.held.toFixed(0)],
  ['failed', (row) => String(row.failures)],
  ['retrans.', (row) => String(row.retransmissions)],
  ...names.map((name): [string, (row: Row) => string] => [
    `${name} CPU s/1000`,
    (row) => (row.cpu[name] ?? Number.NaN).toFixed(3),
  ]),
  ['p50 ms', (row) => row.p50.toFixed(1)],
  ['p99 ms', (row) => row.p99.toFixed(1)],
  ...names.map((name): [string, (row: Row) => string] => [
    `${name} MB`,
    (row) => `${megabytes(row.memory[name]?.before ?? 0)}-${megabytes(row.memory[name]?.after ?? 0)}`,
  ]),
  ['SIPp core', (row) => `${(row.generator * 100).toFixed(0)} %`],
]

/** Rows by population as a Markdown table; `names` are the processes whose cost is shown. */
export const table = (rows: readonly { population: string; row: Row }[], names: string[]): string => {
  const shown = columns(names)
  const cells = [
    ['accounts/bindings', ...shown.map(([title]) => title)],
    ...rows.map(({ population, row }) => [population, ...shown.map(([, cell]) => cell(row))]),
  ]
  const widths =
    cells[0]?.map((_, column) => Math.max(...cells.map((line) => line[column]?.length ?? 0))) ?? []
  const lines = cells.map((line) => `| ${line.map((cell, n) => cell.padEnd(widths[n] ?? 0)).join(' | ')} |`)
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`
  return [lines[0], rule, ...lines.slice(1)].join('\n')
}
