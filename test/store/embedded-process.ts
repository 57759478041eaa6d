/**
 * A process with an embedded database, for tests that kill it: argument 1 is the data directory. It writes one line
 * of JSON a step, and stops in order when its standard input ends.
 */
import pg from 'pg'
import pino from 'pino'
import { startEmbeddedDatabase } from '../../src/store/embedded.js'
import { openStore } from '../../src/store/store.js'

const silent = pino({ level: 'silent' })
const say = (line: Record<string, unknown>) => process.stdout.write(`${JSON.stringify(line)}\n`)
const [, , dataDir = ''] = process.argv

try {
  const database = await startEmbeddedDatabase({ dataDir, log: silent })
  say({ step: 'started', pid: database.pid() })
  const store = await openStore({ connection: database.connection, node: 'a', log: silent })

  process.on('SIGINT', () => {
    const client = new pg.Client(database.connection)
    void client
      .connect()
      .then(() => client.query('select 1'))
      .then(() => client.end())
      .then(() => say({ step: 'interrupted', alive: true }))
  })

  const group = await store.groups.create({ name: `Group ${Date.now()}` })
  const account = await store.accounts.create(group.id, {
    username: '1001',
    virtualNumber: '111',
    hashes: { ha1Md5: 'a', ha1Sha256: 'b' },
  })
  await store.registrations.apply([
    {
      accountId: account.id,
      decide: () => ({
        result: undefined,
        bindings: [
          {
            contact: 'sip:1001@192.0.2.1',
            instance: null,
            regId: null,
            q: 1,
            callId: 'c',
            cseq: 1,
            expiresAt: Date.now() + 3_600_000,
            source: '192.0.2.1:5060',
            transport: 'udp',
            receivedOn: null,
            path: [],
            userAgent: null,
            node: 'a',
            createdAt: Date.now(),
          },
        ],
      }),
    },
  ])
  say({ step: 'applied', accountId: account.id })
  process.stdin.resume().on('end', () => {
    void store
      .close()
      .then(() => database.stop())
      .then(() => say({ step: 'stopped' }))
  })
} catch (error) {
  say({ step: 'failed', message: (error as Error).message })
}
