import t from 'tap'
import { isDatabaseAway } from '../../src/store/database-away.js'

t.test('errors of sockets, of pg and of knex mean that the database is away; others do not', async (t) => {
  const coded = (code: string, message = 'x') => Object.assign(new Error(message), { code })
  const away = [
    coded('ECONNREFUSED'),
    coded('ENOENT'),
    coded('57P01', 'terminating connection due to administrator command'),
    coded('57P03', 'the database system is starting up'),
    coded('53300'),
    coded('08006'),
    new Error('Connection terminated unexpectedly'),
    new Error('timeout exceeded when trying to connect'),
    new Error('timeout expired'),
    new Error('Query read timeout'),
    Object.assign(new Error('Knex: Timeout acquiring a connection.'), { name: 'KnexTimeoutError' }),
  ]
  for (const error of away) t.ok(isDatabaseAway(error), error.message)
  for (const error of [coded('23505'), coded('22P02'), new Error('x'), 'ECONNREFUSED', undefined])
    t.notOk(isDatabaseAway(error))
})
