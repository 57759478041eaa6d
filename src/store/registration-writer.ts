import type { Writable } from 'node:stream'
import type pg from 'pg'
import { channel } from './change-feed.js'
import type { ChangeFeed } from './change-feed.js'
import { isTransient } from './constraints.js'
import type { Directory } from './directory.js'
import { diffRegistrations } from './registration-diff.js'
import type { RegistrationDiff } from './registration-diff.js'
import { pathToText, registrationColumns, rowToRegistration } from './registration-row.js'
import type { RegistrationRow } from './registration-row.js'
import { rowToSipAccount, sipAccountColumns } from './sip-account.js'
import type { SipAccountRow } from './sip-account.js'
import type {
  Binding,
  Registration,
  RegistrationChange,
  RegistrationOutcome,
  RegistrationStore,
  SipAccount,
} from './types.js'

/** How often a transaction that lost a deadlock is tried. */
const attempts = 3

const lockAccounts = {
  name: 'registrations_lock',
  text: `select ${sipAccountColumns} from accounts a where a.id = any($1::integer[]) order by a.id for no key update`,
}

// A statement of its own, after the locks: it has to see what the one who held them before has committed.
const readRegistrations = {
  name: 'registrations_read',
  text: `select ${registrationColumns} from registrations r where r.account_id = any($1::integer[])`,
}

const deleteRegistrations = {
  name: 'registrations_delete',
  text: 'delete from registrations where id = any($1::bigint[])',
}

const valueTypes =
  '$2::text[], $3::text[], $4::bigint[], $5::float8[], $6::text[], $7::bigint[], $8::timestamptz[], $9::text[], ' +
  '$10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::timestamptz[]'
const valueColumns =
  'contact, instance, reg_id, q, call_id, cseq, expires_at, source, transport, received_on, path, user_agent, node, created_at'

const updateRegistrations = {
  name: 'registrations_update',
  text: `
    update registrations r set q = u.q, call_id = u.call_id, cseq = u.cseq, expires_at = u.expires_at,
      source = u.source, transport = u.transport, received_on = u.received_on, path = u.path,
      user_agent = u.user_agent, node = u.node, created_at = u.created_at
    from unnest($1::bigint[], ${valueTypes}) as u (id, ${valueColumns})
    where r.id = u.id`,
}

const insertRegistrations = {
  name: 'registrations_insert',
  text: `
    insert into registrations (account_id, ${valueColumns})
    select * from unnest($1::integer[], ${valueTypes})
    returning id, account_id, contact`,
}

const notify = { name: 'registrations_notify', text: 'select pg_notify($1, $2)' }

interface InsertedRow {
  id: number
  account_id: number
  contact: string
}

/** One array per column, as `unnest` takes them; `keys` comes first. */
function columnsOf(keys: readonly number[], bindings: readonly Binding[]): unknown[] {
  const time = (milliseconds: number) => new Date(milliseconds).toISOString()
  return [
    keys,
    bindings.map((binding) => binding.contact),
    bindings.map((binding) => binding.instance),
    bindings.map((binding) => binding.regId),
    bindings.map((binding) => binding.q),
    bindings.map((binding) => binding.callId),
    bindings.map((binding) => binding.cseq),
    bindings.map((binding) => time(binding.expiresAt)),
    bindings.map((binding) => binding.source),
    bindings.map((binding) => binding.transport),
    bindings.map((binding) => binding.receivedOn),
    bindings.map((binding) => pathToText(binding.path)),
    bindings.map((binding) => binding.userAgent),
    bindings.map((binding) => binding.node),
    bindings.map((binding) => time(binding.createdAt)),
  ]
}

/** An account in a transaction: its rows, and what the decisions so far have made of its bindings. */
interface Work {
  account: SipAccount
  rows: Registration[]
  bindings: readonly Binding[]
  changed: boolean
}

/**
 * The hot path: a REGISTER costs its share of one transaction with two round trips, of statements that are parsed
 * once per connection. `now`: milliseconds; decides which bindings have expired.
 */
export function createRegistrationWriter(
  pool: pg.Pool,
  feed: ChangeFeed,
  directory: Directory,
  now: () => number,
  onExpired: (expired: readonly Registration[]) => void,
): Pick<RegistrationStore, 'apply'> {
  async function attempt<T>(changes: readonly RegistrationChange<T>[]): Promise<RegistrationOutcome<T>[]> {
    const ids = [...new Set(changes.map(({ accountId }) => accountId))]
    const write = directory.beginBindingsWrite()
    const client = await pool.connect()
    let broken: Error | undefined
    client.on('error', onError)
    function onError(error: Error) {
      broken = error
    }
    try {
      const work = await lockAndRead(client, ids)
      const time = now()
      const outcomes = decideAll(changes, work, time)
      const changed = [...work.values()].filter((each) => each.changed)
      if (changed.length === 0) {
        await client.query('commit')
        return outcomes
      }
      try {
        write.committed(await writeAndCommit(client, changed))
      } catch (error) {
        feed.announceUncertain({ kind: 'bindings', ids: changed.map(({ account }) => account.id) })
        throw error
      }
      // A row that had expired, and whose contact has not just come back, was deleted on the way.
      const expired = changed.flatMap(({ rows, bindings }) =>
        rows.filter(
          (row) => row.expiresAt <= time && !bindings.some(({ contact }) => contact === row.contact),
        ),
      )
      if (expired.length > 0) onExpired(expired)
      return outcomes
    } catch (error) {
      await client.query('rollback').catch((failure: Error) => (broken = failure))
      throw error
    } finally {
      client.off('error', onError)
      client.release(broken)
    }
  }

  async function writeAndCommit(client: pg.PoolClient, changed: readonly Work[]) {
    const diffs = changed.map((each) => ({ each, diff: diffRegistrations(each.rows, each.bindings) }))
    const deleted = diffs.flatMap(({ diff }) => diff.deleted)
    const updated = diffs.flatMap(({ diff }) => diff.updated)
    const inserted = diffs.flatMap(({ each, diff }) =>
      diff.inserted.map((binding) => ({ accountId: each.account.id, binding })),
    )
    const written = diffs
      .filter(({ diff }) => diff.deleted.length + diff.updated.length + diff.inserted.length > 0)
      .map(({ each }) => each.account.id)

    let insertion: Promise<pg.QueryResult<InsertedRow>> | undefined
    const sent = together(client, () => {
      // Sent in this order, without waiting. Deletions come first: they make room for a binding that takes over
      // another's contact or instance.
      const statements: Promise<pg.QueryResult>[] = []
      if (deleted.length > 0) statements.push(client.query({ ...deleteRegistrations, values: [deleted] }))
      if (updated.length > 0) {
        const ids = updated.map(({ id }) => id)
        statements.push(client.query({ ...updateRegistrations, values: columnsOf(ids, updated) }))
      }
      if (inserted.length > 0) {
        const accountIds = inserted.map(({ accountId }) => accountId)
        const bindings = inserted.map(({ binding }) => binding)
        insertion = client.query<InsertedRow>({
          ...insertRegistrations,
          values: columnsOf(accountIds, bindings),
        })
        statements.push(insertion)
      }
      for (const payload of feed.payloads({ kind: 'bindings', ids: written })) {
        statements.push(client.query({ ...notify, values: [channel, payload] }))
      }
      statements.push(client.query('commit'))
      return statements
    })
    // A statement that failed rejects here; the commit behind it has then rolled back.
    await Promise.all(sent)
    return bindingsAfter(diffs, (await insertion)?.rows ?? [])
  }

  return {
    async apply(changes) {
      if (changes.length === 0) return []
      for (let tried = 1; ; tried += 1) {
        try {
          return await attempt(changes)
        } catch (error) {
          if (tried === attempts || !isTransient(error)) throw error
        }
      }
    },
  }
}

/** Statements that are sent at the same moment go out in one write: it wakes PostgreSQL once, not once for each. */
function together<R>(client: pg.PoolClient, send: () => R): R {
  const { stream } = (client as unknown as { connection: { stream: Writable } }).connection
  stream.cork()
  try {
    return send()
  } finally {
    stream.uncork()
  }
}

async function lockAndRead(client: pg.PoolClient, ids: readonly number[]): Promise<Map<number, Work>> {
  const [, accounts, registrations] = await together(client, () =>
    Promise.all([
      client.query('begin'),
      client.query<SipAccountRow>({ ...lockAccounts, values: [ids] }),
      client.query<RegistrationRow>({ ...readRegistrations, values: [ids] }),
    ]),
  )
  const work = new Map<number, Work>()
  for (const row of accounts.rows) {
    work.set(row.id, { account: rowToSipAccount(row), rows: [], bindings: [], changed: false })
  }
  for (const row of registrations.rows) work.get(row.account_id)?.rows.push(rowToRegistration(row))
  for (const each of work.values()) each.bindings = each.rows
  return work
}

function decideAll<T>(
  changes: readonly RegistrationChange<T>[],
  work: ReadonlyMap<number, Work>,
  time: number,
): RegistrationOutcome<T>[] {
  return changes.map((change) => {
    const each = work.get(change.accountId)
    if (!each) return 'gone'
    const live = each.bindings.filter(({ expiresAt }) => expiresAt > time)
    const { bindings, result } = change.decide(live, each.account)
    if (bindings) {
      each.bindings = bindings
      each.changed = true
    }
    return { result }
  })
}

function bindingsAfter(
  diffs: readonly { each: Work; diff: RegistrationDiff }[],
  insertedRows: readonly InsertedRow[],
): Map<number, Registration[]> {
  const ids = new Map(insertedRows.map((row) => [`${row.account_id} ${row.contact}`, row.id]))
  return new Map(
    diffs.map(({ each: { account }, diff }) => [
      account.id,
      [
        ...diff.unchanged,
        ...diff.updated,
        ...diff.inserted.map((binding) => ({
          ...binding,
          id: ids.get(`${account.id} ${binding.contact}`) as number,
          accountId: account.id,
        })),
      ],
    ]),
  )
}
