import pg from 'pg'
import type { Log } from './log.ts'

export interface PoolOptions {
  /** postgresql://user:password@host:port/database */
  readonly url: string
  readonly log: Log
  /** Connections at most. */
  readonly max?: number
  /** To connect, and to get a free connection. */
  readonly connectTimeoutMs?: number
  /** For a lock, on the server. */
  readonly lockTimeoutMs?: number
  /** For a statement, on the server. */
  readonly statementTimeoutMs?: number
  /** For an answer, on our side: the only one that ends a wait for a server which is paused or out of reach. */
  readonly queryTimeoutMs?: number
  /** Between two statements of a transaction, on the server. */
  readonly idleInTransactionTimeoutMs?: number
}

const INT8 = 20
const INT8_ARRAY = 1016
const JSON_TEXT = 114
const parseArray = pg.types.getTypeParser(INT8_ARRAY as never) as (text: string) => (string | null)[]

/** Ids, seqs and counts stay below 2^53. `json` stays the text it is, because a payload is passed on unchanged. */
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text') => {
    if (format === undefined || format === 'text') {
      if (oid === INT8) return Number
      if (oid === INT8_ARRAY)
        return (text: string) => parseArray(text).map((item) => (item === null ? null : Number(item)))
      if (oid === JSON_TEXT) return String
    }
    return pg.types.getTypeParser(oid, format)
  }) as typeof pg.types.getTypeParser,
}

/**
 * A pool whose connections read int8 as number and json as text, and whose waits all end.
 *
 * The session's settings are sent as a first query and not in the start-up packet, which poolers refuse. Behind a
 * pooler in transaction mode they may be lost, and only the time-out on our side is certain.
 */
export function createPool(options: PoolOptions): pg.Pool {
  const {
    url,
    log,
    max = 8,
    connectTimeoutMs = 5_000,
    lockTimeoutMs = 4_000,
    statementTimeoutMs = 8_000,
  } = options
  const { queryTimeoutMs = 10_000, idleInTransactionTimeoutMs = 5_000 } = options
  const settings = [
    `set lock_timeout = ${Math.trunc(lockTimeoutMs)}`,
    `set statement_timeout = ${Math.trunc(statementTimeoutMs)}`,
    `set idle_in_transaction_session_timeout = ${Math.trunc(idleInTransactionTimeoutMs)}`,
    `set default_transaction_isolation = 'read committed'`,
  ].join('; ')

  const pool = new pg.Pool({
    connectionString: url,
    max,
    application_name: 'bitacora',
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: queryTimeoutMs,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    types,
    onConnect: async (client: pg.ClientBase) => {
      await client.query(settings)
    },
  } as pg.PoolConfig)
  // Without handlers a connection that breaks, idle or checked out, would end the process. The error itself is not
  // logged: the pool hangs the whole client on it.
  pool.on('error', () => {})
  pool.on('connect', (client) => {
    client.on('error', ({ message, code }: Error & { code?: string }) => {
      if (!pool.ending) log.warn({ reason: message, code }, 'a database connection broke')
    })
  })
  return pool
}

/**
 * Lends a connection to `work`. After any failure the connection is closed, not reused: after a time-out its answer may
 * still come, and a transaction may be open.
 */
export async function withClient<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  let failed = true
  try {
    const result = await work(client)
    failed = false
    return result
  } finally {
    client.release(failed)
  }
}

/** The settings that let a crash of the database take back what it has confirmed: `['fsync is off']`; best none. */
export async function durabilityGaps(pool: pg.Pool): Promise<string[]> {
  const { rows } = await pool.query<{ name: string; setting: string }>(
    `select name, setting from pg_settings
     where name in ('fsync', 'synchronous_commit', 'full_page_writes') and setting = 'off' order by name`,
  )
  return rows.map((row) => `${row.name} is ${row.setting}`)
}
