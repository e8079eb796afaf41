import { randomBytes } from 'node:crypto'
import pg from 'pg'
import tap from 'tap'
import { migrate } from '../src/db/migrate.ts'
import { MIGRATIONS_DIRECTORY, readMigrations } from '../src/db/migration-files.ts'
import { createPool } from '../src/db/pool.ts'
import {
  type HarmedPostgres,
  SERVER_VARIABLE,
  silent,
  startHarmedPostgres,
  startTestServer,
} from './postgres-server.ts'

export interface TestDatabase {
  readonly url: string
  readonly pool: pg.Pool
}

/** What testDatabase needs of tap's t. */
interface Teardown {
  teardown(work: () => unknown): unknown
}

/** A migrated database of the caller's own. It is dropped, and the pool ended, at the end of `t`. */
export async function testDatabase(t: Teardown): Promise<TestDatabase> {
  const server = await testServer()
  const name = `test_${process.pid}_${randomBytes(4).toString('hex')}`
  await administer(server, async (client) => {
    const template = await ensureTemplate(client, server)
    await client.query(`create database ${name} template ${template}`)
  })
  const url = databaseUrl(server, name)
  const pool = createPool({ url, log: silent })
  t.teardown(async () => {
    if (!pool.ended) await pool.end()
    await administer(server, (client) => client.query(`drop database if exists ${name} with (force)`))
  })
  return { url, pool }
}

/** An empty database, for tests of the migrations themselves. */
export async function emptyDatabase(t: Teardown): Promise<string> {
  const server = await testServer()
  const name = `empty_${process.pid}_${randomBytes(4).toString('hex')}`
  await administer(server, (client) => client.query(`create database ${name} template template0`))
  t.teardown(() =>
    administer(server, (client) => client.query(`drop database if exists ${name} with (force)`)),
  )
  return databaseUrl(server, name)
}

/** A server of the caller's own, to be killed, stopped and paused. It ends with `t`. */
export async function startPostgres(t: Teardown): Promise<HarmedPostgres> {
  const server = await startHarmedPostgres()
  t.teardown(() => server.stop())
  return server
}

/** Migrating takes longer than copying, so one database per state of the migrations is migrated and then copied. */
async function ensureTemplate(client: pg.Client, server: string): Promise<string> {
  const checksum = (await readMigrations(MIGRATIONS_DIRECTORY)).map((migration) =>
    migration.checksum.slice(0, 8),
  )
  const name = `template_${checksum.join('_')}`
  const { rowCount } = await client.query('select from pg_database where datname = $1', [name])
  if (rowCount === 0) {
    const draft = `draft_${randomBytes(4).toString('hex')}`
    await client.query(`create database ${draft} template template0`)
    await migrate(databaseUrl(server, draft), silent)
    await client.query(`alter database ${draft} rename to ${name}`)
  }
  return name
}

/** One at a time, because a database that is copied must not be in use. */
async function administer<T>(server: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: server })
  await client.connect()
  try {
    await client.query('select pg_advisory_lock(1)')
    return await work(client)
  } finally {
    await client.end()
  }
}

function databaseUrl(server: string, name: string): string {
  const url = new URL(server)
  url.pathname = `/${name}`
  return url.href
}

let ownServer: Promise<string> | undefined

/** The run's server; or, for a file that is run by itself, one that ends with this process. */
function testServer(): Promise<string> {
  const shared = process.env[SERVER_VARIABLE]
  if (shared !== undefined) return Promise.resolve(shared)
  ownServer ??= startTestServer().then(({ url, stop }) => {
    tap.teardown(stop)
    return url
  })
  return ownServer
}
