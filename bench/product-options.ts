/** What the bench of the product is asked to do. */
import { parseArgs } from 'node:util'
import type { Mode } from './modes.js'
import { number, numbers, oneOf, pairs } from './option-values.js'

export const usage = `npm run bench -- [options]     the product, or another server, under load
  --mode register,refresh,call   what to drive; all three
  --rate 500,3000                operations per second; by default 500,3000 for registrations and 100,500 for calls
  --seconds 10                   length of each measurement
  --accounts 1000                how many accounts exist; a list grows them and repeats all rows, e.g. 200,20000
  --bindings 1000                live bindings spread over them, a list as long as that of --accounts
  --transport udp                or tcp
  --set NAME=VALUE               a setting of the product under test (may be repeated)
Another server than the product that lies built beside the bench:
  --host 127.0.0.1 --port 5060   where it listens
  --domain localhost             its SIP domain
  --users users.csv              its accounts: username;password;number a line (the last tenth are the callees)
  --pid engine=123,db=456        its processes by name; each counts with its children
`

export interface Options {
  modes: Mode[]
  /** Per second; undefined: the mode's own. */
  rates: number[] | undefined
  seconds: number
  populations: { accounts: number; bindings: number }[]
  transport: 'udp' | 'tcp'
  settings: Record<string, string>
  domain: string
  /** Another server than the product. */
  peer?: { address: string; usersFile: string; pids: Record<string, number> }
}

const allModes = ['register', 'refresh', 'call'] as const

/** Seconds and rates are whole and positive. @throws Error with what is wrong */
export const readOptions = (args: string[]): Options => {
  const { values } = parseArgs({
    args,
    options: {
      mode: { type: 'string', default: allModes.join(',') },
      rate: { type: 'string' },
      seconds: { type: 'string', default: '10' },
      accounts: { type: 'string', default: '1000' },
      bindings: { type: 'string' },
      transport: { type: 'string', default: 'udp' },
      set: { type: 'string', multiple: true, default: [] },
      host: { type: 'string' },
      port: { type: 'string', default: '5060' },
      domain: { type: 'string', default: 'localhost' },
      users: { type: 'string' },
      pid: { type: 'string', default: '' },
    },
  })
  const modes = oneOf('mode', values.mode, allModes)
  const accounts = numbers('accounts', values.accounts)
  const bindings = numbers('bindings', values.bindings ?? values.accounts)
  if (accounts.length !== bindings.length) throw new Error('--bindings: as many as --accounts')
  if (values.transport !== 'udp' && values.transport !== 'tcp') throw new Error('--transport: udp or tcp')
  const options: Options = {
    modes,
    rates: values.rate === undefined ? undefined : numbers('rate', values.rate),
    seconds: number('seconds', values.seconds),
    populations: accounts.map((count, index) => ({ accounts: count, bindings: bindings[index] ?? count })),
    transport: values.transport,
    settings: pairs('set', values.set),
    domain: values.domain,
  }
  if (values.host === undefined) return options
  if (values.users === undefined) throw new Error('--host needs --users')
  const pids = pairs('pid', values.pid === '' ? [] : values.pid.split(','))
  options.peer = {
    address: `${values.host}:${values.port}`,
    usersFile: values.users,
    pids: Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, number('pid', pid)])),
  }
  return options
}
