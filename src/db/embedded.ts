import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { lockPath } from './data-lock.ts'
import { findBinaries, reachableBinaries } from './embedded-binaries.ts'
import {
  createCluster,
  findPlace,
  isOrphan,
  type Place,
  requireVersion,
  resetPassword,
  setAside,
} from './embedded-cluster.ts'
import type { Log } from './log.ts'
import { type Pass, readPassFile, writePassFile } from './pass-file.ts'
import { endPostmaster, type Postmaster, STOP_PATIENCE_MS, urlOf } from './postmaster.ts'
import { adopt, endLeftOver } from './postmaster-adopt.ts'
import { freePort, launch, PortTakenError } from './postmaster-launch.ts'
import { supervise } from './postmaster-supervise.ts'

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

/**
 * Starts the PostgreSQL that comes with the package, or adopts the one that a killed server left behind, and starts it
 * again whenever it dies. One server per data directory: another throws.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const { log } = options
  const found = findBinaries()
  const place = findPlace(options.dataDir)
  const binaries = reachableBinaries(found, place.identity)
  const unlock = await lockPath(`${place.directory}.lock`, place.dataDir)
  try {
    const passFile = join(place.dataDir, 'pgpass')
    let { port, password } = await prepare(place, binaries, passFile, log)
    if (options.port !== undefined) port = options.port

    const stopping = new AbortController()
    const { signal } = stopping
    const start = async () =>
      (await adopt(place.directory, password, log, signal)) ??
      (await launch({ place, binaries, port, log, settings: options.settings, signal }))

    let postmaster: Postmaster
    try {
      postmaster = await start()
    } catch (error) {
      if (!(error instanceof PortTakenError) || options.port !== undefined) throw error
      port = await freePort()
      postmaster = await start()
    }
    port = postmaster.port
    try {
      writePassFile(passFile, { port, password })
      await createDatabase(urlOf(port, password, 'postgres'))
    } catch (error) {
      await endPostmaster(postmaster, 'SIGINT', STOP_PATIENCE_MS)
      throw error
    }

    const watched = supervise(postmaster, start, signal, log)
    const stop = async () => {
      stopping.abort()
      await watched
      unlock()
    }
    let stopped: Promise<void> | undefined
    return {
      url: urlOf(port, password, DATABASE),
      psql: `PGPASSFILE=${quote(passFile)} psql -h 127.0.0.1 -p ${port} -U postgres ${DATABASE}`,
      stop: () => {
        stopped ??= stop()
        return stopped
      },
    }
  } catch (error) {
    unlock()
    throw error
  }
}

/** Makes the cluster if there is none, and knows or makes its password. */
async function prepare(place: Place, binaries: string, passFile: string, log: Log): Promise<Pass> {
  if (isOrphan(place)) {
    await endLeftOver(place.directory, log)
    log.warn(
      { aside: setAside(place) },
      'the data directory is new; an older database of the same path was set aside',
    )
  }
  const kept = readPassFile(passFile)
  const pass = kept ?? { port: await freePort(), password: randomBytes(24).toString('base64url') }
  if (!existsSync(place.directory)) {
    if (kept === undefined) writePassFile(passFile, pass)
    await createCluster(place, binaries, pass.password)
  } else {
    requireVersion(place, binaries)
    if (kept === undefined) {
      resetPassword(place, binaries, pass.password)
      writePassFile(passFile, pass)
    }
  }
  return pass
}

async function createDatabase(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 })
  client.on('error', () => {}) // the query rejects as well
  await client.connect()
  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [DATABASE])
    if (rowCount === 0) await client.query(`create database ${DATABASE}`)
  } finally {
    await client.end().catch(() => {})
  }
}

/** For a shell. */
function quote(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`
}
