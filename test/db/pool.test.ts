import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createPool, durabilityGaps, withClient } from '../../src/db/pool.ts'
import { startPostgres, testDatabase } from '../postgres.ts'
import { silent } from '../postgres-server.ts'

t.test('int8 is read as a number, json as the text it is', async (t) => {
  const { pool } = await testDatabase(t)
  const text = '{"b": 1,  "a":1.0, "a":2}'
  const { rows } = await pool.query(
    `select 9007199254740991 as big, array[1, null, 3]::int8[] as list, $1::json as json, '{"a": 1}'::jsonb as jsonb`,
    [text],
  )
  t.strictSame(rows, [{ big: 9007199254740991, list: [1, null, 3], json: text, jsonb: { a: 1 } }])
})

t.test('every connection has the time-outs and the isolation level', async (t) => {
  const { url } = await testDatabase(t)
  const pool = createPool({
    url,
    log: silent,
    max: 2,
    lockTimeoutMs: 11,
    statementTimeoutMs: 1212,
    idleInTransactionTimeoutMs: 13,
  })
  t.teardown(() => pool.end())
  const ask = `select pg_sleep(0.05), current_setting('application_name') as name, current_setting('lock_timeout') as lock,
    current_setting('statement_timeout') as statement, current_setting('idle_in_transaction_session_timeout') as idle,
    current_setting('default_transaction_isolation') as isolation`
  const answers = await Promise.all([pool.query(ask), pool.query(ask)])
  t.equal(pool.totalCount, 2)
  for (const { rows } of answers) {
    t.match(rows, [
      { name: 'bitacora', lock: '11ms', statement: '1212ms', idle: '13ms', isolation: 'read committed' },
    ])
  }
})

t.test('a connection on which something failed is not lent again', async (t) => {
  const { pool } = await testDatabase(t)
  const backend = (text: string) =>
    withClient(pool, async (client) => (await client.query(text)).rows[0].pid as number)
  const first = await backend('select pg_backend_pid() as pid')
  t.equal(await backend('select pg_backend_pid() as pid'), first, 'one that is fine is')
  await t.rejects(
    withClient(pool, async (client) => {
      await client.query('begin')
      throw new Error('lost interest')
    }),
    { message: 'lost interest' },
  )
  t.not(await backend('select pg_backend_pid() as pid'), first)
})

t.test(
  'a connection that is ended by the database is an error of its query, not of the process',
  async (t) => {
    const { pool, url } = await testDatabase(t)
    const warnings: string[] = []
    const victim = createPool({ url, log: { ...silent, warn: (_, message) => void warnings.push(message) } })
    t.teardown(() => victim.end())
    const { rows } = await victim.query('select pg_backend_pid() as pid')
    await pool.query('select pg_terminate_backend($1)', [rows[0].pid]) // while it is idle
    while (warnings.length === 0) await sleep(5)
    const failed = t.rejects(victim.query('select pg_sleep(30)'), { code: '57P01' })
    await sleep(100)
    await pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where query = 'select pg_sleep(30)'`,
    )
    await failed
    t.match(
      await victim.query('select 1 as one'),
      { rows: [{ one: 1 }] },
      'the next query has a new connection',
    )
  },
)

t.test('a database that is paused, killed and started again', async (t) => {
  const server = await startPostgres(t)
  const pool = createPool({ url: server.url, log: silent, connectTimeoutMs: 500, queryTimeoutMs: 500 })
  await pool.query('create table kept (n int); insert into kept values (1)')

  server.pause()
  await t.rejects(pool.query('select 1'), { message: /timeout/ }, 'an open connection')
  await t.rejects(pool.query('select 1'), { message: /timeout/ }, 'a new connection')
  server.resume()
  t.match(await pool.query('select n from kept'), { rows: [{ n: 1 }] })

  for (const harm of [server.kill9, server.stopImmediate]) {
    await pool.query('update kept set n = n + 1')
    await harm()
    await t.rejects(pool.query('select n from kept'))
    await server.start()
    t.match(
      await pool.query('select n from kept'),
      { rows: [{ n: harm === server.kill9 ? 2 : 3 }] },
      'nothing confirmed is lost',
    )
  }
  t.strictSame(await durabilityGaps(pool), ['fsync is off', 'full_page_writes is off'])
  await pool.end()
})
