import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { lockFile } from './data-lock.ts'
import { findBinaries, reachableBinaries } from './embedded-binaries.ts'
import { findPlace, initialise } from './embedded-cluster.ts'
import { adopt, end, freePort, launch, PortTakenError, type Postmaster, urlOf } from './embedded-process.ts'
import type { Log } from './log.ts'

export interface EmbeddedOptions {
  /** Keeps the database over restarts. */
  readonly dataDir: string
  readonly log: Log
  /** On the loopback. Default: the one of the last time, or any free one. */
  readonly port?: number
  /** Server settings on top of postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>
}

export interface Embedded {
  readonly url: string
  /** A command for a shell that opens the database. */
  readonly psql: string
  /** Ends Postgres in order. Later calls wait for the same end. */
  stop(): Promise<void>
}

const DATABASE = 'bitacora'
const STOP_PATIENCE_MS = 60_000
const LOG_FILE_BYTES = 16 * 1024 * 1024

/**
 * Starts the PostgreSQL that comes with the package, or adopts the one that a killed server left behind, and starts it
 * again whenever it dies. One server per data directory.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const { log } = options
  const found = findBinaries()
  const place = findPlace(options.dataDir)
  const binaries = reachableBinaries(found, place.identity)
  mkdirSync(dirname(place.directory), { recursive: true, mode: 0o755 })
  const unlock = lockFile(`${place.directory}.lock`, place.dataDir)
  try {
    const passFile = join(place.dataDir, 'pgpass')
    const kept = readPassFile(passFile)
    const password = kept?.password ?? randomBytes(24).toString('base64url')
    let port = options.port ?? kept?.port ?? (await freePort())
    if (kept === undefined) writePassFile(passFile, port, password)
    await initialise(place, binaries, password)
    rotate(join(place.dataDir, 'postgres.log'))

    const stopping = new AbortController()
    const start = async (mayMove: boolean): Promise<Postmaster> => {
      for (;;) {
        const running = await adopt(place, password, log)
        if (running !== undefined) return running
        try {
          return await launch({
            place,
            binaries,
            port,
            log,
            settings: options.settings,
            signal: stopping.signal,
          })
        } catch (error) {
          if (!(error instanceof PortTakenError) || !mayMove) throw error
          port = await freePort()
        }
      }
    }
    let postmaster = await start(options.port === undefined)
    port = postmaster.port
    if (port !== kept?.port) writePassFile(passFile, port, password)
    await createDatabase(port, password)

    const watched = watch()
    async function watch(): Promise<void> {
      let backoffMs = 0
      for (;;) {
        const since = Date.now()
        await postmaster.exited
        if (stopping.signal.aborted) return
        log.error({ pid: postmaster.pid }, 'the embedded PostgreSQL ended; starting it again')
        if (Date.now() - since > 30_000) backoffMs = 0
        for (;;) {
          await sleep(backoffMs, undefined, { signal: stopping.signal, ref: false }).catch(() => {})
          if (stopping.signal.aborted) return
          backoffMs = Math.min(Math.max(100, backoffMs * 2), 10_000)
          try {
            postmaster = await start(false)
            break
          } catch (err) {
            if (!stopping.signal.aborted)
              log.error({ err, retryMs: backoffMs }, 'the embedded PostgreSQL does not start')
          }
        }
        log.info({ pid: postmaster.pid }, 'the embedded PostgreSQL is back')
      }
    }

    let stopped: Promise<void> | undefined
    const stop = async () => {
      stopping.abort()
      await end(postmaster, 'SIGINT', STOP_PATIENCE_MS)
      await watched
      unlock()
    }
    return {
      url: urlOf(port, password, DATABASE),
      psql: `PGPASSFILE=${quote(passFile)} psql -h 127.0.0.1 -p ${port} -U postgres ${DATABASE}`,
      stop: () => (stopped ??= stop()),
    }
  } catch (error) {
    unlock()
    throw error
  }
}

/** The password and the port are kept as psql reads them (PostgreSQL manual, "The Password File"). */
function readPassFile(path: string): { port: number; password: string } | undefined {
  try {
    const [, port, , , password] = readFileSync(path, 'utf8').trim().split(':')
    return password === undefined ? undefined : { port: Number(port), password }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function writePassFile(path: string, port: number, password: string): void {
  const draft = `${path}.new`
  writeFileSync(draft, `127.0.0.1:${port}:*:postgres:${password}\n`, { mode: 0o600 })
  renameSync(draft, path)
}

function rotate(logFile: string): void {
  if ((statSync(logFile, { throwIfNoEntry: false })?.size ?? 0) > LOG_FILE_BYTES)
    renameSync(logFile, `${logFile}.1`)
}

async function createDatabase(port: number, password: string): Promise<void> {
  const client = new pg.Client({
    connectionString: urlOf(port, password, 'postgres'),
    connectionTimeoutMillis: 10_000,
  })
  await client.connect()
  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [DATABASE])
    if (rowCount === 0) await client.query(`create database ${DATABASE}`)
  } finally {
    await client.end()
  }
}

function quote(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`
}
