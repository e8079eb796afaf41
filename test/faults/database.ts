import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { startEmbedded } from '../../src/db/embedded.ts'
import { findBinaries, reachableBinaries } from '../../src/db/embedded-binaries.ts'
import { createCluster, findPlace } from '../../src/db/embedded-cluster.ts'
import { readPassFile } from '../../src/db/pass-file.ts'
import { readPidFile, sendSignal, urlOf } from '../../src/db/postmaster.ts'
import { freePort, launch } from '../../src/db/postmaster-launch.ts'
import { processCommand, processesIn, workingDirectory } from '../../src/db/running-process.ts'
import { silent } from '../postgres-server.ts'
import { DatabaseProxy } from './database-proxy.ts'

/** The server's Postgres: one that the server starts itself, or one beside it, behind a proxy. Either with fsync. */
export interface Database {
  /** The cluster, where all its processes work. */
  readonly directory: string
  /** For the server; undefined: the server brings its own. */
  readonly url: string | undefined
  readonly proxy: DatabaseProxy | undefined
  /** For our own questions. Undefined as long as there is none. */
  adminUrl(): string | undefined
  /** After it was killed or stopped. Where the server looks after that, there is nothing to do. */
  start(): Promise<void>
  /** Runs `work` when the server has stopped. */
  audit<T>(work: (client: pg.Client) => Promise<T>): Promise<T>
  close(): Promise<void>
}

/** The one of `npm start`. */
export function embeddedDatabase(directory: string): Database {
  const dataDir = join(directory, 'data')
  return {
    directory: join(dataDir, 'postgres'),
    url: undefined,
    proxy: undefined,
    adminUrl() {
      const pass = readPassFile(join(dataDir, 'pgpass'))
      return pass && urlOf(pass.port, pass.password, 'bitacora')
    },
    async start() {},
    async audit(work) {
      const embedded = await startEmbedded({ dataDir, log: silent })
      try {
        return await ask(embedded.url, work)
      } finally {
        await embedded.stop()
      }
    },
    async close() {},
  }
}

export async function ownDatabase(directory: string): Promise<Database> {
  const place = findPlace(join(directory, 'database'))
  const binaries = reachableBinaries(findBinaries(), place.identity)
  const password = 'faults'
  await createCluster(place, binaries, password)
  const port = await freePort()
  const adminUrl = urlOf(port, password, 'postgres')
  const start = async () => {
    // What is left of the last one ends by itself, and must have ended.
    while (processesIn(place.directory).length > 0) await sleep(20)
    rmSync(join(place.directory, 'postmaster.pid'), { force: true })
    await launch({ place, binaries, port, log: silent })
  }
  await start()
  const proxy = await DatabaseProxy.listen(port)
  return {
    directory: place.directory,
    url: urlOf(proxy.port, password, 'postgres'),
    proxy,
    adminUrl: () => adminUrl,
    start,
    audit: (work) => ask(adminUrl, work),
    async close() {
      proxy.close()
      const pid = postmasterOf(place.directory)
      if (pid !== undefined) sendSignal(pid, 'SIGQUIT')
      while (processesIn(place.directory).length > 0) await sleep(20)
    },
  }
}

/** The process that all others of the cluster come from. */
export function postmasterOf(directory: string): number | undefined {
  const pid = readPidFile(directory)?.pid
  return pid !== undefined && workingDirectory(pid) === directory ? pid : undefined
}

/** The processes that serve connections. */
export function backendsOf(directory: string): number[] {
  return processesIn(directory).filter((pid) => processCommand(pid)?.startsWith('postgres: postgres '))
}

/** One connection for one piece of work. */
export async function ask<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 3_000,
    query_timeout: 20_000,
  })
  client.on('error', () => {}) // the query rejects as well
  try {
    await client.connect()
    return await work(client)
  } finally {
    await Promise.race([client.end(), sleep(1_000)]).catch(() => {})
  }
}
