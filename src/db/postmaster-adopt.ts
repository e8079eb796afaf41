import { readFileSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Log } from './log.ts'
import { endPostmaster, type Postmaster, readPidFile, sendSignal, urlOf } from './postmaster.ts'
import { processCommand, processesIn, processStart, workingDirectory } from './running-process.ts'

const ANSWER_PATIENCE_MS = 30_000
const NOTICE_MS = 10_000
/** Backends notice by themselves that their postmaster is gone. */
const ORPHANS_PATIENCE_MS = 10_000

/**
 * The Postgres that already serves this cluster, because the server that started it was killed.
 * Whose it is, is decided by its working directory, which Postgres sets to the cluster's, and, once it answers, by the
 * cluster's identifier. One that is certainly ours but does not answer is ended.
 */
export async function adopt(
  directory: string,
  password: string,
  log: Log,
  signal?: AbortSignal,
): Promise<Postmaster | undefined> {
  const found = await findPostmaster(directory, log)
  if (found === undefined) return undefined
  const { postmaster, certain } = found
  const { pid } = postmaster
  if (certain) sendSignal(pid, 'SIGCONT') // it may have been paused

  let problem: unknown
  let deadline = Date.now() + ANSWER_PATIENCE_MS
  for (let noticeAt = Date.now() + NOTICE_MS; Date.now() < deadline; await sleep(100)) {
    try {
      await requireCluster(directory, postmaster.port, password)
      return postmaster
    } catch (error) {
      problem = error
    }
    if (!postmaster.isAlive()) return undefined
    if (problem instanceof OtherClusterError || isRefused(problem) || signal?.aborted) break
    if (isStartingOrStopping(problem)) deadline = Date.now() + ANSWER_PATIENCE_MS
    if (Date.now() > noticeAt) {
      noticeAt = Date.now() + NOTICE_MS
      log.info(
        { postmaster: pid, err: problem },
        'waiting for the PostgreSQL that runs on this data directory',
      )
    }
  }
  if (!postmaster.isAlive()) return undefined
  if (isRefused(problem)) {
    throw new Error(
      `process ${pid}, the PostgreSQL of ${directory}, refuses our password; stop it: kill -INT ${pid}`,
      {
        cause: problem,
      },
    )
  }
  if (!certain || problem instanceof OtherClusterError) {
    throw new Error(
      `process ${pid} may be a PostgreSQL that uses ${directory}, but does not answer as such; stop it`,
      {
        cause: problem,
      },
    )
  }
  log.warn(
    { postmaster: pid, err: problem },
    'the PostgreSQL that runs on this data directory does not answer; ending it',
  )
  await endPostmaster(postmaster, 'SIGQUIT', 10_000)
  return undefined
}

/** Ends whatever Postgres still runs on a cluster that is about to be set aside. */
export async function endLeftOver(directory: string, log: Log): Promise<void> {
  const found = await findPostmaster(directory, log)
  if (found?.certain) await endPostmaster(found.postmaster, 'SIGINT', 30_000)
}

/**
 * By postmaster.pid. If its pid belongs to something else by now, or to a zombie that nobody collects, the file is
 * removed, because Postgres would refuse to start; but not before the last of the cluster's backends is gone.
 */
async function findPostmaster(
  directory: string,
  log: Log,
): Promise<{ postmaster: Postmaster; certain: boolean } | undefined> {
  const file = readPidFile(directory)
  if (file === undefined) return undefined
  const { pid, port } = file
  const start = processStart(pid)
  const where = workingDirectory(pid)
  const program = basename(processCommand(pid)?.split(' ')[0] ?? '')
  if (start === undefined || program !== 'postgres' || (where !== undefined && where !== directory)) {
    for (const deadline = Date.now() + ORPHANS_PATIENCE_MS; ; await sleep(20)) {
      const orphans = processesIn(directory)
      if (orphans.length === 0) break
      if (Date.now() > deadline) {
        throw new Error(
          `processes ${orphans.join(', ')} of a dead PostgreSQL still use ${directory}; stop them`,
        )
      }
    }
    rmSync(join(directory, 'postmaster.pid'), { force: true })
    log.warn(
      { postmaster: pid },
      'the last PostgreSQL of this data directory did not end in order; it will recover',
    )
    return undefined
  }
  const isAlive = () => processStart(pid) === start
  const exited = (async () => {
    while (isAlive()) await sleep(100, undefined, { ref: false })
  })()
  return { postmaster: { pid, port, exited, isAlive }, certain: where === directory }
}

class OtherClusterError extends Error {}

function isRefused(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code?.startsWith('28') === true // invalid_authorization_…
}

function isStartingOrStopping(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === '57P03' // cannot_connect_now
}

async function requireCluster(directory: string, port: number, password: string): Promise<void> {
  const client = new pg.Client({
    connectionString: urlOf(port, password, 'postgres'),
    connectionTimeoutMillis: 2_000,
    query_timeout: 2_000,
  })
  client.on('error', () => {}) // the query rejects as well
  try {
    await client.connect()
    const { rows } = await client.query<{ path: string; identifier: string }>(
      `select current_setting('data_directory') as path, system_identifier::text as identifier from pg_control_system()`,
    )
    const { path, identifier } = rows[0]!
    if (path !== directory || identifier !== systemIdentifier(directory)) {
      throw new OtherClusterError(`the PostgreSQL on port ${port} serves ${path}`)
    }
  } finally {
    await Promise.race([client.end(), sleep(1_000)]).catch(() => {}) // a paused server does not hang up
  }
}

/** The first field of the control file, in the machine's byte order, which is little-endian wherever we have binaries. */
function systemIdentifier(directory: string): string {
  return readFileSync(join(directory, 'global', 'pg_control'))
    .readBigUInt64LE(0)
    .toString()
}
