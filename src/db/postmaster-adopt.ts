import { readFileSync, readlinkSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Log } from './log.ts'
import { endPostmaster, type Postmaster, readPidFile, urlOf } from './postmaster.ts'
import { processCommand, processStart } from './running-process.ts'

const ANSWER_PATIENCE_MS = 30_000

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
  const found = findPostmaster(directory, log)
  if (found === undefined) return undefined
  const { postmaster, certain } = found
  let problem: unknown
  for (const deadline = Date.now() + ANSWER_PATIENCE_MS; Date.now() < deadline; await sleep(100)) {
    if (!postmaster.isAlive()) return undefined
    try {
      await requireCluster(directory, postmaster.port, password)
      return postmaster
    } catch (error) {
      problem = error
    }
    if (problem instanceof OtherClusterError || isRefused(problem) || signal?.aborted) break
  }
  if (!postmaster.isAlive()) return undefined
  const { pid } = postmaster
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
    { pid, err: problem },
    'the PostgreSQL that runs on this data directory does not answer; ending it',
  )
  await endPostmaster(postmaster, 'SIGQUIT', 10_000)
  return undefined
}

/** Ends whatever Postgres still runs on a cluster that is about to be set aside. */
export async function endLeftOver(directory: string, log: Log): Promise<void> {
  const found = findPostmaster(directory, log)
  if (found?.certain) await endPostmaster(found.postmaster, 'SIGINT', 30_000)
}

/**
 * By postmaster.pid. If its pid now belongs to something else, the file is removed, because Postgres would refuse to
 * start; if there is no such process, it is left to Postgres, which looks for orphaned backends as well.
 */
function findPostmaster(
  directory: string,
  log: Log,
): { postmaster: Postmaster; certain: boolean } | undefined {
  const file = readPidFile(directory)
  if (file === undefined) return undefined
  const { pid, port } = file
  const start = processStart(pid)
  if (start === undefined) return undefined
  const isAlive = () => processStart(pid) === start
  const program = basename(processCommand(pid)?.split(' ')[0] ?? '')
  const where = workingDirectory(pid)
  if (program !== 'postgres' || (where !== undefined && where !== directory)) {
    rmSync(join(directory, 'postmaster.pid'), { force: true })
    log.warn({ pid }, 'removed the postmaster.pid of a PostgreSQL that is gone')
    return undefined
  }
  // Watched only while somebody waits for the end: the timer alone must not keep the process alive.
  const exited = (async () => {
    while (isAlive()) await sleep(100, undefined, { ref: false })
  })()
  return { postmaster: { pid, port, exited, isAlive }, certain: where === directory }
}

class OtherClusterError extends Error {}

function isRefused(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code?.startsWith('28') === true // invalid_authorization_…
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

function workingDirectory(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return undefined
  }
}
