import { newTag, PAYLOAD } from '../load.ts'
import { connect } from '../system/postgres.ts'

const STATEMENT_ROWS = 10_000

/** As many rows, of the same kind, into a table with the same columns, checks and indexes: the floor of any append. */
const SETUP = 'create table if not exists bench.bulk (like bitacora.events including all)'
const INSERT = `
  insert into bench.bulk (id, seq, created_at, channel, type, sender, message_id, payload)
  select $1::bigint + n, $1::bigint + n, now(), 'room:append-' || n % 50, 'chat.text', 'writer-' || n % 64,
    $2 || '-' || ($1::bigint + n), $3::json
  from generate_series(1, ${STATEMENT_ROWS}) n`

/** Rows a second of large INSERT … SELECT statements, each its own transaction. */
export async function bulkInsert(databaseUrl: string, seconds: number): Promise<number> {
  const client = await connect(databaseUrl)
  await client.query(SETUP)
  const { rows } = await client.query('select coalesce(max(id), 0) as last from bench.bulk')
  const first = Number(rows[0].last)
  const tag = newTag()
  const startedAtMs = performance.now()
  let inserted = 0
  while (performance.now() - startedAtMs < seconds * 1000) {
    await client.query(INSERT, [first + inserted, tag, PAYLOAD])
    inserted += STATEMENT_ROWS
  }
  const elapsedMs = performance.now() - startedAtMs
  await client.end()
  return (inserted * 1000) / elapsedMs
}
