import pg from 'pg'
import type { Log } from './log.ts'
import { MIGRATIONS_DIRECTORY, type Migration, readMigrations } from './migration-files.ts'

export interface MigrateOptions {
  /** Where the numbered .sql files are. */
  readonly directory?: string
}

/** The database cannot be brought to this version's schema; the message says the remedy. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError'
}

const OLDEST_SERVER = 14
/** 'bitacora' in ASCII: unlikely to be another program's advisory lock. */
const LOCK = '7091317832870687329'

interface Applied {
  number: number
  name: string
  checksum: string
}

/**
 * Applies the migrations that the database lacks, each in a transaction of its own, and returns their numbers.
 * Nodes that start at once wait for each other: the lock is of the transaction, so it holds behind a pooler too.
 *
 * Throws a {@link MigrationError} if the server is too old, the database is newer than this code, an applied file was
 * changed since, a file fails, or the role lacks a right.
 */
export async function migrate(url: string, log: Log, options: MigrateOptions = {}): Promise<number[]> {
  const migrations = await readMigrations(options.directory ?? MIGRATIONS_DIRECTORY)
  // A connection of its own, since a migration may take longer than the pool's time-outs allow.
  const client = new pg.Client({
    connectionString: url,
    application_name: 'bitacora migrate',
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
  })
  client.on('error', () => {}) // the query that is waiting rejects as well
  await client.connect()
  try {
    const server = await client.query<{ version: string }>(
      `select current_setting('server_version') as version`,
    )
    requireServer(server.rows[0]!.version)
    const done: number[] = []
    for (;;) {
      const next = await step(client, migrations, log)
      if (next === undefined) return done
      log.info({ migration: next.file }, 'migration applied')
      done.push(next.number)
    }
  } catch (error) {
    throw await explainRights(client, error)
  } finally {
    await client.end().catch(() => {})
  }
}

/** `version` is the setting server_version: 18.4, 15.18 (Debian …), 16beta1. */
export function requireServer(version: string): void {
  if (Number.parseInt(version, 10) < OLDEST_SERVER) {
    throw new MigrationError(
      `this is PostgreSQL ${version}; Bitácora needs PostgreSQL ${OLDEST_SERVER} or newer`,
    )
  }
}

/** Applies the first migration that is missing, if any. */
async function step(client: pg.Client, migrations: Migration[], log: Log): Promise<Migration | undefined> {
  await client.query(`begin isolation level read committed`)
  try {
    await client.query(
      `set local statement_timeout = 0; set local lock_timeout = 0; set local idle_in_transaction_session_timeout = 0`,
    )
    await lock(client, log)
    const next = missing(migrations, await readApplied(client))
    if (next !== undefined) await apply(client, next)
    await client.query('commit')
    return next
  } catch (error) {
    await client.query('rollback').catch(() => {}) // the connection may be gone; the first error is the one that tells
    throw error
  }
}

async function lock(client: pg.Client, log: Log): Promise<void> {
  const { rows } = await client.query<{ locked: boolean }>(
    `select pg_try_advisory_xact_lock(${LOCK}) as locked`,
  )
  if (rows[0]!.locked) return
  log.info({}, 'another node migrates this database; waiting for it')
  await client.query(`select pg_advisory_xact_lock(${LOCK})`)
}

async function readApplied(client: pg.Client): Promise<Applied[]> {
  const { rows } = await client.query<{ found: boolean }>(
    `select to_regclass('bitacora.migrations') is not null as found`,
  )
  if (!rows[0]!.found) {
    await client.query(`
      create schema if not exists bitacora;
      create table bitacora.migrations (
        number     int         primary key,
        name       text        not null,
        checksum   text        not null,
        applied_at timestamptz not null default now()
      )`)
  }
  const applied = await client.query<Applied>(
    'select number, name, checksum from bitacora.migrations order by number',
  )
  return applied.rows
}

/** The first migration that is not applied; throws if what is applied is not what these files say. */
export function missing(
  migrations: readonly Migration[],
  applied: readonly Applied[],
): Migration | undefined {
  const newest = migrations.at(-1)?.number ?? 0
  const byNumber = new Map(migrations.map((migration) => [migration.number, migration]))
  for (const row of applied) {
    const migration = byNumber.get(row.number)
    if (migration === undefined) {
      throw new MigrationError(
        row.number > newest
          ? `the database is newer than this version of Bitácora: it has migration ${row.number} (${row.name}), ` +
              `this version knows ${newest}; start the version that migrated it, or a newer one`
          : `the database has migration ${row.number} (${row.name}), which this version lacks; ` +
              'is this an incomplete installation, or another branch?',
      )
    }
    if (migration.checksum !== row.checksum) {
      throw new MigrationError(
        `migration ${migration.file} was changed after it was applied to this database; ` +
          'restore the file and put the change into a new migration',
      )
    }
  }
  const numbers = new Set(applied.map((row) => row.number))
  return migrations.find((migration) => !numbers.has(migration.number))
}

async function apply(client: pg.Client, migration: Migration): Promise<void> {
  try {
    await client.query(migration.sql)
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || error.code === INSUFFICIENT_PRIVILEGE) throw error
    const line = migration.sql.slice(0, Number(error.position ?? 1) - 1).split('\n').length
    throw new MigrationError(`migration ${migration.file}, line ${line}: ${error.message}`, { cause: error })
  }
  await client.query('insert into bitacora.migrations (number, name, checksum) values ($1, $2, $3)', [
    migration.number,
    migration.name,
    migration.checksum,
  ])
}

const INSUFFICIENT_PRIVILEGE = '42501'

async function explainRights(client: pg.Client, error: unknown): Promise<unknown> {
  if (!(error instanceof pg.DatabaseError) || error.code !== INSUFFICIENT_PRIVILEGE) return error
  const { rows } = await client.query<{ role: string; database: string; owner: string | null }>(
    `select quote_ident(current_user) as role, quote_ident(current_database()) as database,
       (select quote_ident(pg_get_userbyid(nspowner)) from pg_namespace where nspname = 'bitacora') as owner`,
  )
  const { role, database, owner } = rows[0]!
  const remedy =
    owner === null
      ? `as the owner of the database run: GRANT CREATE ON DATABASE ${database} TO ${role};`
      : `the schema bitacora belongs to ${owner}: run "bitacora migrate" as that role, or as a superuser run: GRANT ${owner} TO ${role};`
  return new MigrationError(`the role ${role} may not migrate the database (${error.message}); ${remedy}`, {
    cause: error,
  })
}
