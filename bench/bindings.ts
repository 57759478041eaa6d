/** npm run bench -- bindings: what live registrations cost a server that nobody asks anything. */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Product } from '../test/support/product.js'
import { sippSettings } from '../test/support/sipp.js'
import { until } from '../test/support/tools.js'
import { requireSipp, type Target } from './measure.js'
import { number } from './option-values.js'
import { accountMaker, bind } from './population.js'
import { cpuSeconds, memoryBytes } from './processes.js'
import { megabytes, table } from './table.js'

export const usage = `npm run bench -- bindings [options]     the cost of live registrations while nothing happens
  --bindings 100000              how many
  --accounts 10000               of how many accounts
  --seconds 60                   how long nothing happens, before and after
`

export const run = async (args: string[]): Promise<void> => {
  const { values } = parseArgs({
    args,
    options: {
      bindings: { type: 'string', default: '100000' },
      accounts: { type: 'string', default: '10000' },
      seconds: { type: 'string', default: '60' },
    },
  })
  const bindings = number('bindings', values.bindings)
  const accounts = number('accounts', values.accounts)
  const seconds = number('seconds', values.seconds)
  requireSipp()
  const product = await Product.start({
    ...sippSettings,
    SIP_MAX_CONTACTS: String(Math.max(10, Math.ceil(bindings / accounts))),
  })
  try {
    const [database] = await product.databasePids()
    const pids = { server: product.pid, ...(database === undefined ? {} : { database }) }
    const target: Target = { address: product.sip('udp'), transport: 'udp', domain: 'localhost', pids }
    const rows: { bindings: string; cpu: Record<string, number>; memory: Record<string, number> }[] = []
    const idle = async (): Promise<void> => {
      const live = await metric(product, 'privateline_bindings')
      console.error(`${live} bindings, nothing happens for ${seconds} s ...`)
      const before = await cpuSeconds(pids)
      await sleep(seconds * 1000)
      const after = await cpuSeconds(pids)
      const cpu = Object.fromEntries(
        Object.keys(pids).map((name) => [name, ((after[name] ?? 0) - (before[name] ?? 0)) / seconds]),
      )
      rows.push({ bindings: String(live), cpu, memory: await memoryBytes(pids) })
    }
    const people = await accountMaker(product)
    console.error(`${accounts} accounts are made ...`)
    const { phones } = await people(accounts)
    await idle()
    console.error(`${bindings} bindings are made ...`)
    await bind(target, phones, bindings)
    // Timer J of the last registration (RFC 3261 §17.2.2) still belongs to it, not to its binding.
    await until('no transaction is left', async () => (await transactions(product)) === 0, 60_000)
    await idle()
    console.log(
      table(
        [
          ['live bindings', (row) => row.bindings],
          ...Object.keys(pids).flatMap((name) => [
            [
              `${name} CPU, % of a core`,
              ({ cpu }: (typeof rows)[0]) => ((cpu[name] ?? 0) * 100).toFixed(2),
            ] as const,
            [`${name} MB`, ({ memory }: (typeof rows)[0]) => megabytes(memory[name] ?? 0)] as const,
          ]),
        ],
        rows,
      ),
    )
  } finally {
    await product.dispose()
  }
}

const transactions = (product: Product): Promise<number> =>
  metric(product, 'privateline_engine{name="transactions"}')

/** The value of one line of the product's metrics. */
const metric = async (product: Product, name: string): Promise<number> => {
  const answer = await fetch(`http://${product.http}/metrics`, {
    headers: { authorization: `Bearer ${product.token}` },
  })
  const lines = (await answer.text()).split('\n')
  const line = lines.find((text) => text.startsWith(`${name} `))
  if (line === undefined) throw new Error(`no ${name} in the metrics`)
  return Number(line.slice(name.length + 1))
}
