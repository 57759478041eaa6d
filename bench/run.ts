/** npm run bench -- [NAME] [options]: the one way in to all measurements. docs/bench.md says what each shows. */

interface Bench {
  /** The options it takes, for the help text. */
  usage: string
  /** Measures and prints its table. @throws Error if it can't, or if what was measured is not as it must be */
  run(args: string[]): Promise<void>
}

const benches: Record<string, () => Promise<Bench>> = {
  product: () => import('./product.js'),
  edges: () => import('./edges.js'),
  engine: () => import('./engine.js'),
  parser: () => import('./parser.js'),
  connections: () => import('./connections.js'),
  bindings: () => import('./bindings.js'),
  soak: () => import('./soak.js'),
  overload: () => import('./overload.js'),
}

const [first = '', ...rest] = process.argv.slice(2)
const [name, args] =
  first === '' || first.startsWith('-') ? ['product', process.argv.slice(2)] : [first, rest]
const bench = await benches[name]?.()
if (bench === undefined) {
  console.error(`no bench ${name}: one of ${Object.keys(benches).join(', ')}`)
  process.exitCode = 1
} else {
  await bench.run(args).catch((error: unknown) => {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${bench.usage}`)
    process.exitCode = 1
  })
}
