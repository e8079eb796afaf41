import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'

/** The Postgres that everything in one run uses: subject and control alike, fsync on. */
export interface BenchPostgres {
  /** Makes an empty database and returns its URL. */
  createDatabase(): Promise<string>
  stop(): Promise<void>
}

export async function startPostgres(givenUrl: string | undefined): Promise<BenchPostgres> {
  if (givenUrl !== undefined) return benchPostgres(givenUrl, async () => {})
  const { startEmbedded } = await import('../../src/db/embedded.ts')
  const dataDir = await mkdtemp(join(tmpdir(), 'bitacora-bench-'))
  const log = { info() {}, warn: complain, error: complain }
  // The storm of resumes is asked afterwards which statements it made.
  const settings = { shared_preload_libraries: 'pg_stat_statements' }
  const embedded = await startEmbedded({ dataDir, log, settings })
  return benchPostgres(embedded.url, async () => {
    await embedded.stop()
    await rm(dataDir, { recursive: true, force: true })
  })
}

function complain(fields: object, message: string): void {
  console.error(message, fields)
}

function benchPostgres(url: string, stop: () => Promise<void>): BenchPostgres {
  const made: string[] = []
  return {
    async createDatabase() {
      const name = `bitacora_bench_${process.pid}_${made.length}`
      await run(url, `create database ${name}`)
      made.push(name)
      const database = new URL(url)
      database.pathname = `/${name}`
      return database.href
    },
    async stop() {
      for (const name of made) await run(url, `drop database if exists ${name} with (force)`)
      await stop()
    },
  }
}

/** One connection; whoever waits for an answer when it breaks is told. */
export async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {}) // without a handler it would end the process, also at Ctrl-C
  await client.connect()
  return client
}

/** Runs one statement on a connection of its own. */
export async function run(url: string, statement: string): Promise<pg.QueryResult> {
  const client = await connect(url)
  try {
    return await client.query(statement)
  } finally {
    await client.end()
  }
}
