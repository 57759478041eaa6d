/** npm run bench -- connections: the memory of the product with many idle TLS connections. */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Product } from '../test/support/product.js'
import { number } from './option-values.js'
import { cpuSeconds, residentBytes } from './processes.js'
import { startSubject } from './subject.js'
import type { TlsPhonesOptions, TlsPhonesReady } from './subjects/tls-phones.js'
import { megabytes, table } from './table.js'

export const usage = `npm run bench -- connections [options]     idle TLS connections, and the server's memory
  --count 10000                  how many
  --seconds 40                   how long they are idle before the last look
  --limit 1024                   most MB of the server with all of them; above, the bench fails
`

/** As many as the product takes of one address by default. */
const perSource = 1000
/** Handshakes at a time. */
const parallel = 32

export const run = async (args: string[]): Promise<void> => {
  const { values } = parseArgs({
    args,
    options: {
      count: { type: 'string', default: '10000' },
      seconds: { type: 'string', default: '40' },
      limit: { type: 'string', default: '1024' },
    },
  })
  const count = number('count', values.count)
  const seconds = number('seconds', values.seconds)
  const limit = number('limit', values.limit)
  const product = await Product.start({ SIP_TLS: '127.0.0.1:0', SIP_MAX_CONNECTIONS: String(count + 1000) })
  const server = { server: product.pid }
  const rows: { moment: string; resident: number; each: number; cpu: number }[] = []
  let cpu = 0
  const look = async (moment: string, connections: number): Promise<void> => {
    const resident = await residentBytes(product.pid)
    const used = (await cpuSeconds(server))['server'] ?? Number.NaN
    const before = rows[0]?.resident ?? resident
    rows.push({ moment, resident, each: (resident - before) / connections, cpu: used - cpu })
    cpu = used
  }
  try {
    await look('started', 0)
    console.error(`${count} phones connect ...`)
    const options: TlsPhonesOptions = {
      port: Number(product.sip('tls').split(':').at(-1)),
      count,
      perSource,
      parallel,
    }
    const phones = await startSubject<TlsPhonesReady>('tls-phones', options)
    try {
      await look(`${phones.ready.connected} connected`, phones.ready.connected)
      console.error(`idle for ${seconds} s ...`)
      await sleep(seconds * 1000)
      const connected = await phones.ask<number>('connected')
      await look(`${connected} after ${seconds} s`, connected)
      if (connected < count) throw new Error(`of ${count}: ${JSON.stringify(phones.ready.failures)}`)
    } finally {
      await phones.stop()
    }
    await sleep(2000)
    await look('all gone', 0)
  } finally {
    await product.dispose()
    console.log(
      table(
        [
          ['', ({ moment }) => moment],
          ['server MB (RSS)', ({ resident }) => megabytes(resident)],
          ['bytes per connection', ({ each }) => (Number.isFinite(each) ? each.toFixed(0) : '')],
          ['CPU s since the line before', (row) => row.cpu.toFixed(2)],
        ],
        rows,
      ),
    )
  }
  const most = Math.max(...rows.map(({ resident }) => resident))
  if (most > limit * 1024 ** 2) throw new Error(`the server had ${megabytes(most)} MB, more than ${limit}`)
}
