/** npm run bench: what a registration, a refresh and a call cost on the product, or on another server. */
import { Product } from '../test/support/product.js'
import { sippSettings } from '../test/support/sipp.js'
import { measure, requireSipp, type Row, type Target } from './measure.js'
import type { Mode } from './modes.js'
import { readOptions, type Options } from './product-options.js'
import { accountMaker, accountReader, answering, bind, type Population } from './population.js'
import { costColumns, table } from './table.js'

export { usage } from './product-options.js'

const defaultRates: Partial<Record<Mode, number[]>> = {
  register: [500, 3000],
  refresh: [500, 3000],
  call: [100, 500],
}

interface Subject {
  target: Target
  /** The first so many accounts, and the callees. */
  accounts: (count: number) => Promise<Population>
}

/** The product, started for the bench. */
const productSubject = async (product: Product, options: Options): Promise<Subject> => {
  const [database] = await product.databasePids()
  const pids = { server: product.pid, ...(database === undefined ? {} : { database }) }
  const { transport, domain } = options
  return {
    target: { address: product.sip(transport), transport, domain, pids },
    accounts: await accountMaker(product),
  }
}

const peerSubject = async (peer: NonNullable<Options['peer']>, options: Options): Promise<Subject> => {
  const { transport, domain } = options
  return {
    target: { address: peer.address, transport, domain, pids: peer.pids },
    accounts: await accountReader(peer.usersFile),
  }
}

/** Calls need the callees there; the SIPp that plays them costs the machine, not the server. */
const row = async (
  target: Target,
  mode: Mode,
  population: Population,
  rate: number,
  seconds: number,
): Promise<Row> => {
  const { phones, callees } = population
  if (mode !== 'call') return measure(target, mode, phones, rate, seconds)
  const phone = await answering(target, callees)
  try {
    const callers = phones.map((caller, index) => {
      const dials = callees[index % callees.length]?.virtualNumber ?? ''
      return { ...caller, dials }
    })
    return await measure(target, mode, callers, rate, seconds)
  } finally {
    phone.stop()
    await phone.done
  }
}

const bench = async ({ target, accounts }: Subject, options: Options): Promise<void> => {
  const rows: (Row & { population: string })[] = []
  for (const population of options.populations) {
    const people = await accounts(population.accounts)
    const { phones } = people
    await bind(target, phones, population.bindings)
    for (const mode of options.modes) {
      for (const rate of options.rates ?? defaultRates[mode] ?? []) {
        console.error(`${mode} at ${rate}/s for ${options.seconds} s ...`)
        const measured = await row(target, mode, people, rate, options.seconds)
        rows.push({ population: `${population.accounts}/${population.bindings}`, ...measured })
      }
    }
  }
  console.log(
    table(
      [['accounts/bindings', ({ population }) => population], ...costColumns(Object.keys(target.pids))],
      rows,
    ),
  )
}

export const run = async (args: string[]): Promise<void> => {
  const options = readOptions(args)
  requireSipp()
  if (options.peer !== undefined) return bench(await peerSubject(options.peer, options), options)
  const product = await Product.start({ ...sippSettings, ...options.settings })
  try {
    await bench(await productSubject(product, options), options)
  } finally {
    await product.dispose()
  }
}
