import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import t from 'tap'
import { MigrationError, migrate, requireServer } from '../../src/db/migrate.ts'
import { emptyDatabase } from '../postgres.ts'
import { silent } from '../postgres-server.ts'

const FIRST = 'create table bitacora.a (n int);'
const SECOND = 'insert into bitacora.a values (1);'

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

t.test('nodes that start at once migrate once', async (t) => {
  const url = await emptyDatabase(t)
  const directory = t.testdir({
    '000001_first.sql': `${FIRST} select pg_sleep(0.1);`,
    '000002_second.sql': SECOND,
  })
  const applied = await Promise.all(Array.from({ length: 5 }, () => migrate(url, silent, { directory })))
  t.strictSame(applied.flat().sort(), [1, 2])
  t.strictSame(await query(url, 'select * from bitacora.a'), [{ n: 1 }])
  t.match(await query(url, 'select number, name from bitacora.migrations order by number'), [
    { number: 1, name: 'first' },
    { number: 2, name: 'second' },
  ])
  t.strictSame(await migrate(url, silent, { directory }), [], 'and then never again')
})

t.test('a migration may take longer than the time-outs of its role allow', async (t) => {
  const url = await emptyDatabase(t)
  const { pathname } = new URL(url)
  await query(url, `alter database ${pathname.slice(1)} set statement_timeout = 50`)
  const directory = t.testdir({ '000001_slow.sql': 'select pg_sleep(0.2)' })
  t.strictSame(await migrate(url, silent, { directory }), [1])
})

t.test('a migration that fails leaves nothing, and the error says where', async (t) => {
  const url = await emptyDatabase(t)
  const directory = t.testdir({
    '000001_first.sql': FIRST,
    '000002_bad.sql': `${SECOND}\n\nselect nothing from nowhere;`,
  })
  await t.rejects(migrate(url, silent, { directory }), {
    name: 'MigrationError',
    message: 'migration 000002_bad.sql, line 3: relation "nowhere" does not exist',
  })
  t.strictSame(await query(url, 'select * from bitacora.a'), [])
  writeFileSync(join(directory, '000002_bad.sql'), SECOND)
  t.strictSame(await migrate(url, silent, { directory }), [2], 'and after a repair it goes on')
})

t.test(
  'a file that was changed after it was applied is refused; other line ends are no change',
  async (t) => {
    const url = await emptyDatabase(t)
    const directory = t.testdir({ '000001_first.sql': `${FIRST}\n` })
    await migrate(url, silent, { directory })
    writeFileSync(join(directory, '000001_first.sql'), `${FIRST}\r\n`)
    t.strictSame(await migrate(url, silent, { directory }), [])
    writeFileSync(join(directory, '000001_first.sql'), `${FIRST} -- better`)
    await t.rejects(migrate(url, silent, { directory }), {
      message: /^migration 000001_first\.sql was changed after/,
    })
  },
)

t.test('a database that is newer than the code is refused', async (t) => {
  const url = await emptyDatabase(t)
  const newer = t.testdir({
    new: { '000001_first.sql': FIRST, '000002_second.sql': SECOND },
    old: { '000001_first.sql': FIRST },
  })
  await migrate(url, silent, { directory: join(newer, 'new') })
  await t.rejects(migrate(url, silent, { directory: join(newer, 'old') }), {
    message:
      /it has migration 2 \(second\), this version knows 1; start the version that migrated it, or a newer one/,
  })
})

t.test('a role without the rights is told what to run', async (t) => {
  const url = new URL(await emptyDatabase(t))
  const database = url.pathname.slice(1)
  const role = `role_${database}`
  const directory = t.testdir({ '000001_first.sql': FIRST })
  await query(url.href, `create role ${role} login password 'secret'`)
  t.teardown(() => query(url.href, `drop owned by ${role} cascade; drop role ${role}`))
  const asRole = new URL(url)
  asRole.username = role
  asRole.password = 'secret'

  const remedy = `GRANT CREATE ON DATABASE ${database} TO ${role};`
  await t.rejects(migrate(asRole.href, silent, { directory }), {
    name: 'MigrationError',
    message: new RegExp(remedy),
  })
  await query(url.href, remedy)
  t.strictSame(await migrate(asRole.href, silent, { directory }), [1], 'the remedy helps')

  await query(url.href, `alter schema bitacora owner to postgres; revoke all on schema bitacora from ${role}`)
  await t.rejects(migrate(asRole.href, silent, { directory }), {
    message:
      /the schema bitacora belongs to postgres: run "bitacora migrate" as that role, or .* GRANT postgres TO role_/,
  })
  await query(url.href, `grant usage on schema bitacora to ${role}`)
  t.strictSame(await migrate(asRole.href, silent, { directory }), [], 'with nothing to do, reading is enough')
})

t.test('a server that is too old is named', async (t) => {
  t.throws(
    () => requireServer('13.18 (Debian 13.18-1)'),
    new MigrationError('this is PostgreSQL 13.18 (Debian 13.18-1); Bitácora needs PostgreSQL 14 or newer'),
  )
  t.doesNotThrow(() => requireServer('14.0'))
  t.doesNotThrow(() => requireServer('19beta1'))
})

t.test('migrations are numbered without a gap', async (t) => {
  const url = await emptyDatabase(t)
  const gap = t.testdir({ '000001_first.sql': FIRST, '000003_third.sql': SECOND })
  await t.rejects(migrate(url, silent, { directory: gap }), { message: /expected 000002_<name>\.sql/ })
})
